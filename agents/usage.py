"""What a build asked, got and cost, counted per stage."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any


class Usage:
    """Counters of one run, named `stage.what`; seconds are wall time inside the stage."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()
        self.started = time.monotonic()

    def add(self, name: str, number: int = 1) -> None:
        if number:
            self.counts[name] += number

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] += time.monotonic() - start  # type: ignore[assignment]

    def elapsed(self) -> float:
        return time.monotonic() - self.started


@dataclass(frozen=True)
class BuildReport:
    """What one call of build did."""

    run: str
    users: int
    """Users asked for."""
    built: int
    skipped: int
    """Done before, by an earlier call of the same run."""
    failed: dict[str, str] = field(default_factory=dict)
    """User -> cause."""
    counts: dict[str, int] = field(default_factory=dict)
    """`verify.accepted`, `verify.rejected`, `recall.hits`, `ground.kept` and so on."""
    stage_seconds: dict[str, float] = field(default_factory=dict)
    minds: dict[str, dict[str, float]] = field(default_factory=dict)
    """Mind name -> calls, tokens, seconds."""
    seconds: float = 0.0

    @property
    def grounding_rate(self) -> float | None:
        """Share of imagined continuations that became an unseen catalogue item; None if nothing was imagined."""
        said = self.counts.get("diverge.imagined", 0)
        return self.counts.get("ground.kept", 0) / said if said else None

    def total(self, what: str) -> float:
        """Sum over the minds of `calls`, `tokens` or `seconds`."""
        return sum(usage.get(what, 0) for usage in self.minds.values())

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "grounding_rate": self.grounding_rate}
