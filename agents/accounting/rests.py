"""When requests rest since a server refuses them for their rate: until when, and what the server said. A long rest is told."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

log = logging.getLogger(__name__)
TOLD_FROM_S = 5.0
"""A rest from which on it is told."""


class Rests:
    """Of one build."""

    def __init__(self) -> None:
        self.report: Callable[[], None] = lambda: None
        """Called when a long rest begins."""
        self._until, self._reason, self._clock = 0.0, "", ""

    def rest(self, seconds: float, reason: str) -> None:
        """Requests rest for so long. The same rest is told once, however many requests are refused."""
        now = time.monotonic()
        if seconds < TOLD_FROM_S or now + seconds < self._until + 1:
            return
        new = reason != self._reason or now > self._until + TOLD_FROM_S
        self._until, self._reason, self._clock = now + seconds, reason, _clock(seconds)
        if new:
            length = f"{seconds:,.0f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"
            log.warning("requests rest for %s, until %s: %s", length, self._clock, reason)
        self.report()

    @property
    def now(self) -> str:
        """Until when requests rest, and why; empty where they do not."""
        return f"resting until {self._clock}: {self._reason}" if time.monotonic() < self._until else ""


def _clock(seconds: float) -> str:
    """The time of day in so many seconds; with the date where that is another day."""
    now = datetime.now()
    then = now + timedelta(seconds=seconds)
    return then.strftime("%H:%M:%S" if then.date() == now.date() else "%Y-%m-%d %H:%M")
