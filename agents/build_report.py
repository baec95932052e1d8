"""What one call of build did."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class BuildReport:
    """Counts, costs and failures of one call of build; the run's record in the store sums over all its calls."""

    run: str
    users: int
    """Users asked for."""
    built: int
    skipped: int
    """Done before, by an earlier call of the same run."""
    failed: dict[str, str] = field(default_factory=dict)
    """User -> cause: all of them, up to `agents.fleet.FAILURES_KEPT`; the store knows the rest."""
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
    def grounding_rate(self) -> float | None:
        """Share of imagined continuations that became an unseen catalogue item; None if nothing was imagined."""
        said = self.counts.get("diverge.imagined", 0)
        return self.counts.get("ground.kept", 0) / said if said else None

    def total(self, what: str) -> float:
        """Sum over the minds of `calls`, `cached`, `tokens`, `seconds`, `money`."""
        return sum(usage.get(what, 0) for usage in self.minds.values())

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "grounding_rate": self.grounding_rate}
