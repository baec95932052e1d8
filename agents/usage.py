"""What a build did and what it cost: counters per stage, and the report made of them."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Literal

Stage = Literal["plan", "recall", "reason", "verify", "commit", "diverge", "ground", "publish"]
STAGES: tuple[Stage, ...] = ("plan", "recall", "reason", "verify", "commit", "diverge", "ground", "publish")


class Usage:
    """Counters of one run, per stage; all start at 0."""

    def __init__(self) -> None:
        self._counts: dict[Stage, defaultdict[str, float]] = {stage: defaultdict(float) for stage in STAGES}

    def add(self, stage: Stage, name: str, amount: float = 1) -> None:
        if amount:
            self._counts[stage][name] += amount

    @contextmanager
    def timed(self, stage: Stage) -> Iterator[None]:
        """Add the seconds that the block takes on the clock."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, "seconds", time.perf_counter() - start)

    def of(self, stage: Stage, name: str) -> float:
        return self._counts[stage].get(name, 0.0)

    def stages(self) -> dict[str, dict[str, float]]:
        """Stages that did something, each with its counters by name."""
        return {stage: dict(sorted(counts.items())) for stage, counts in self._counts.items() if counts}

    def flat(self) -> dict[str, float]:
        """`stage.counter` -> value, for the run record."""
        return {f"{stage}.{name}": value for stage, counts in self.stages().items() for name, value in counts.items()}


def total(costs: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    """Sum of two cost tables, counter by counter."""
    return {name: costs.get(name, 0.0) + more.get(name, 0.0) for name in (*costs, *(n for n in more if n not in costs))}


@dataclass(frozen=True)
class BuildReport:
    """What one call of `build` did. Figures are of this call alone; the run record in the store sums all calls of the run."""

    run: str
    namespace: str
    status: Literal["done", "stopped", "failed"]
    users: int
    """Users asked for."""
    done: int
    """Users whose graph is published now, by this call or before it."""
    skipped: int
    """Of these: finished before this call."""
    failed: Mapping[str, str]
    """user -> why it could not be finished."""
    seconds: float
    stages: Mapping[str, Mapping[str, float]] = field(repr=False)
    """stage -> counter -> value."""
    mind: Mapping[str, float] = field(repr=False)
    """Counters of the minds themselves: calls, tokens, seconds, and what each counts beside."""

    def _of(self, stage: str, name: str) -> float:
        return self.stages.get(stage, {}).get(name, 0.0)

    @property
    def asked(self) -> int:
        """Items for which a reason was sought, whether in the knowledge base or from the reasoner."""
        return int(self._of("recall", "positions"))

    @property
    def accepted(self) -> int:
        """Reasoned steps that verification accepted and the graphs keep."""
        return int(self._of("commit", "accepted"))

    @property
    def rejected(self) -> int:
        """Reasoned steps that verification refused."""
        return int(sum(value for name, value in self.stages.get("verify", {}).items() if name.startswith("rejected: ")))

    @property
    def unexplained(self) -> int:
        """Items left without an accepted step."""
        return int(self._of("commit", "unexplained"))

    @property
    def imagined(self) -> int:
        """Accepted imagined steps."""
        return int(self._of("commit", "imagined"))

    @property
    def knowledge_hits(self) -> int:
        """Items that a stored step explained, so that no reasoning was needed."""
        return int(self._of("commit", "knowledge hits"))

    @property
    def model_calls(self) -> int:
        return int(self.mind.get("calls", 0))

    @property
    def tokens(self) -> int:
        return int(self.mind.get("tokens", 0))

    @property
    def retries(self) -> int:
        """Calls of a mind repeated because it was unavailable."""
        return int(sum(counts.get("retries", 0.0) for counts in self.stages.values()))

    @property
    def grounding_rate(self) -> float:
        """Share of the imagined texts that were found in the catalogue; 0 if none was imagined."""
        texts = self._of("ground", "texts")
        return self._of("ground", "found") / texts if texts else 0.0

    def to_json(self) -> str:
        """One JSON object: the fields, and the figures above."""
        names = ("asked", "accepted", "rejected", "unexplained", "imagined", "knowledge_hits", "model_calls", "tokens", "retries")
        figures = {name: getattr(self, name) for name in (*names, "grounding_rate")}
        return json.dumps({**asdict(self), **figures}, indent=2, ensure_ascii=False)
