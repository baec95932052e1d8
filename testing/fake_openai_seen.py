"""What a fake server saw, and the rate that it allows."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Seen:
    """What the server saw. `answered` are the requests it took as such: the ones that were not refused for their rate."""

    requests: int = 0
    answered: int = 0
    refused: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    at_once: int = 0
    """Most requests under way at the same time."""
    times: list[float] = field(default_factory=list)
    """Monotonic seconds of each answered request."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """Requests as they came, where they are kept."""

    def to_json(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in ("requests", "answered", "refused", "tokens", "at_once", "times")}
        return {**plain, "statuses": dict(self.statuses), "faults": dict(self.faults)}


class RateLimit:
    """A token bucket: `per_minute` things a minute, `burst` of them at once."""

    def __init__(self, per_minute: float, burst: float) -> None:
        self._rate, self._burst = per_minute / 60, burst
        self._left, self._at = burst, time.monotonic()

    def wait(self, amount: float) -> float:
        """0 and it is taken, or the seconds until it could be."""
        now = time.monotonic()
        self._left, self._at = min(self._burst, self._left + (now - self._at) * self._rate), now
        if self._left >= min(amount, self._burst):
            self._left -= amount
            return 0.0
        return (min(amount, self._burst) - self._left) / self._rate
