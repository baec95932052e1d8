"""What one call of build did."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from llmrg.core import errors


@dataclass(frozen=True)
class BuildReport:
    """Counts, costs and failures of one call of build; the run's record in the store sums over all its calls."""

    run: str
    users: int
    """Users asked for."""
    built: int
    skipped: int
    """Done before, by an earlier call of the same run."""
    steps_before: bool = False
    """Whether an earlier call accepted steps for those."""
    failed: dict[str, str] = field(default_factory=dict)
    """User -> cause: all of them, up to `agents.run.build.FAILURES_KEPT`; the store knows the rest."""
    failures: int = 0
    """How many users failed."""
    counts: dict[str, float] = field(default_factory=dict)
    """`verify.reasoned.accepted`, `recall.hits`, `reason.calls`, `reason.tokens` and so on."""
    stage_seconds: dict[str, float] = field(default_factory=dict)
    minds: dict[str, dict[str, float]] = field(default_factory=dict)
    """Mind name -> calls, cached, tokens, seconds, money."""
    dearest: dict[str, dict[str, float]] = field(default_factory=dict)
    """The users that took the most tokens -> calls, tokens, money."""
    seconds: float = 0.0
    currency: str = ""
    """Of `money`; empty where no model has a price."""

    @property
    def problem(self) -> str:
        """Why nothing came of the build, in a sentence; empty where something did."""
        last = next(reversed(self.failed.values()), "")
        if self.failures and not self.built:
            return f"no graph was built: all {self.failures:,} users failed, the last one with {last}"
        if self.accepted or self.steps_before or not self.built + self.skipped:
            return ""
        why = f"{self._sum('.useless_replies'):,.0f} useless replies" if self._sum(".useless_replies") else ""
        rejected = self.counts.get("verify.reasoned.rejected", 0) + self.counts.get("verify.imagined.rejected", 0)
        why = " and ".join(part for part in (why, f"{rejected:,.0f} steps rejected" if rejected else "") if part)
        none = "none was proposed" if self.built else "all were done before, by an earlier call that accepted none"
        failed = f"; {self.failures:,} users failed, the last one with {last}" if self.failures else ""
        return (
            f"no step was accepted for any of {self.built + self.skipped:,} users ({why or none}){failed}; the report of run "
            f"{self.run} says why, a lower tau accepts more, another mind may find more"
        )

    @property
    def model_failed(self) -> bool:
        """Whether a model is why users failed, or why nothing was accepted."""
        failed = {name.removeprefix("failed.") for name in self.counts if name.startswith("failed.")}
        by_model = any(issubclass(getattr(errors, name, Exception), errors.ModelError) for name in failed)
        return by_model or self._sum(".useless_replies") > 0

    @property
    def accepted(self) -> float:
        """Steps accepted or left for a person to decide."""
        kinds = ("reasoned.accepted", "imagined.accepted", "reasoned.waiting", "imagined.waiting")
        return sum(self.counts.get(f"verify.{kind}", 0) for kind in kinds)

    @property
    def users_with_useless_replies(self) -> int:
        """Of those built: users whom the same call asks again, from the first useless reply on."""
        return int(self.counts.get("publish.asked_again", 0))

    def _sum(self, ending: str) -> float:
        return sum(number for name, number in self.counts.items() if name.endswith(ending))

    @property
    def grounding_rate(self) -> float | None:
        """Share of imagined continuations that became an unseen catalogue item; None if nothing was imagined."""
        imagined = self.counts.get("diverge.imagined", 0)
        return self.counts.get("ground.kept", 0) / imagined if imagined else None

    def total(self, what: str) -> float:
        """Sum over the minds of `calls`, `cached`, `tokens`, `seconds`, `money`."""
        return sum(usage.get(what, 0) for usage in self.minds.values())

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "grounding_rate": self.grounding_rate, "problem": self.problem}
