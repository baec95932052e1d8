"""How often something may go out: a rate that was told, and a slower one that refusals have shown."""

from __future__ import annotations

from math import inf

DECREASE = 0.9
"""What a refusal leaves of the rate. RFC 9438 takes 0.7 for networks; an endpoint's limit moves less."""
BACK_AFTER_S, BACK_AFTER = 5.0, 10
"""The rate is back where the refusal came after so many seconds, and not before so many requests."""


class Pace:
    """A token bucket that may go into debt: what is taken beyond the burst delays the next one.

    After a refusal the rate follows the curve of CUBIC (RFC 9438, section 4.2), scaled by the rate itself: quickly back to near
    where the refusal came, slowly past it, then faster and faster, since a limit that was left behind may be far away.
    """

    def __init__(self, per_minute: float | None, burst_s: float) -> None:
        self._told = per_minute / 60 if per_minute else inf
        self._burst_s = burst_s
        self._found, self._found_at = inf, 0.0
        """Rate at which a refusal came, and when."""
        self._free_at = 0.0
        """Moment at which the debt is paid."""

    def rate(self, now: float) -> float:
        """Things a second; infinite: nothing is known."""
        back_after = max(BACK_AFTER_S, BACK_AFTER / self._found)
        return min(self._told, self._found * (1 + (1 - DECREASE) * ((now - self._found_at) / back_after - 1) ** 3))

    def wait(self, now: float) -> float:
        return max(0.0, self._free_at - self._burst_s - now)

    def take(self, amount: float, now: float) -> None:
        self._free_at = max(self._free_at, now) + amount / self.rate(now)

    def rest(self, until: float) -> None:
        """Nothing before `until`, and no burst then: what has just refused has nothing saved."""
        self._free_at = max(self._free_at, until + self._burst_s)

    def refused(self, measured: float, now: float, again: bool) -> None:
        """A refusal came while `measured` things a second were let through; `again`: it belongs to the one before."""
        if again:
            self._found = min(self._found, measured)
        else:
            self._found, self._found_at = min(self.rate(now), measured), now
