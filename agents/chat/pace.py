"""How often something may go out: a rate that was told, and a slower one that refusals have shown."""

from __future__ import annotations

from math import inf

DECREASE = 0.9
"""What a refusal leaves of the rate. RFC 9438 takes 0.7 for networks; an endpoint's limit moves less."""
BACK_AFTER = 10
"""Requests after which the rate is back where the refusal came ..."""
BACK_AFTER_S = (5.0, 30.0)
"""... in so many seconds at least and at most."""


class Pace:
    """A token bucket that may go into debt: what is taken beyond the burst delays the next one.

    After a refusal the rate follows the curve of CUBIC (RFC 9438, section 4.2), scaled by the rate itself: quickly back to near
    where the refusal came, slowly past it, then faster and faster, since a limit that was left behind may be far away.
    """

    def __init__(self, per_minute: float | None, burst_s: float) -> None:
        self._stated = per_minute / 60 if per_minute else inf
        self._burst_s = burst_s
        self._measured, self._rested_at = inf, 0.0
        """Rate at which a refusal came, and the end of the rest after it."""
        self._free_at = 0.0
        """Moment at which the debt is paid."""

    def rate(self, now: float) -> float:
        """Things a second; infinite: nothing is known."""
        shortest, longest = BACK_AFTER_S
        back_after = min(longest, max(shortest, BACK_AFTER / self._measured))
        since = max(0.0, now - self._rested_at)
        return min(self._stated, self._measured * (1 + (1 - DECREASE) * (since / back_after - 1) ** 3))

    def wait(self, now: float) -> float:
        """Seconds until something may go out."""
        return max(0.0, self._free_at - self._burst_s - now)

    def take(self, amount: float, now: float) -> None:
        self._free_at = max(self._free_at, now) + amount / self.rate(now)

    def refused(self, measured: float, now: float, until: float, anew: bool) -> None:
        """A refusal came while `measured` things a second were let through; not `anew`: it goes on with the one before.

        Nothing goes out before `until`, and no burst then: what has just refused has nothing saved.
        """
        self._measured = min(self.rate(now) if anew else self._measured, measured)
        self._rested_at = max(self._rested_at, until)
        self._free_at = max(self._free_at, until + self._burst_s)
