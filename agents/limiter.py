"""One limiter for all requests to one endpoint: pace, size of the window, and rest after a refusal.

Known limits (requests and tokens a minute) are kept by pacing: each request pushes the next one's earliest moment forward.
Unknown ones are found by additive increase and multiplicative decrease (Chiu & Jain 1989): requests in flight may grow by one per
window of successes, and are halved by a refusal. `Retry-After` makes everybody rest. Whoever waits is served in the order of
arrival, and a user's machine waits for one request at a time, so no user starves another. All times are monotonic: a clock that
is set has no say.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt

from llmrg.core.errors import ModelUnavailableError, RateLimitedError


class Limits(BaseModel, frozen=True, extra="forbid"):
    """What an endpoint allows; None: not known, or no limit."""

    requests_per_minute: PositiveFloat | None = None
    tokens_per_minute: PositiveFloat | None = None
    in_flight: PositiveInt = 32
    """Requests under way at once at most."""
    burst_s: float = Field(default=0.2, gt=0)
    """Seconds' worth of requests and tokens that may go out at once after a pause."""
    rest_s: PositiveFloat = 1.0
    """Rest after a refusal that names none; doubled by each further one in a row, up to a minute."""


LONGEST_REST_S = 60.0
LONGEST_RETRY_AFTER_S = 600.0
"""A server that asks for more is asked again after this."""


class _Pace:
    """A token bucket that may go into debt: what is taken beyond the burst delays the next one."""

    def __init__(self, per_minute: float | None, burst_s: float) -> None:
        self._rate = (per_minute or 0.0) / 60
        self._burst_s = burst_s
        self._free_at = 0.0
        """Moment at which the debt is paid."""

    def wait(self, now: float) -> float:
        return max(0.0, self._free_at - self._burst_s - now) if self._rate else 0.0

    def take(self, amount: float, now: float) -> None:
        if self._rate:
            self._free_at = max(self._free_at, now) + amount / self._rate


class Limiter:
    """`async with limiter.turn(tokens) as turn:` around each request; `turn.used(tokens)` corrects the estimate.

    May be used from one event loop after another, not from two at once.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.window = float(min(4, self.limits.in_flight))
        """Requests that may be under way now."""
        self.under_way = 0
        self.refusals = 0
        self._requests = _Pace(self.limits.requests_per_minute, self.limits.burst_s)
        self._tokens = _Pace(self.limits.tokens_per_minute, self.limits.burst_s)
        self._queue: deque[tuple[asyncio.Future[None], float]] = deque()
        self._rest_until = 0.0
        self._in_a_row = 0
        self._halved_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(self, tokens: float = 0.0) -> AsyncIterator[Turn]:
        """Waits for its turn. An error that leaves it tells the limiter how the endpoint is."""
        started = await self._enter(tokens)
        try:
            yield Turn(self, tokens)
        except RateLimitedError as error:
            self._refused(started, error.retry_after_s)
            raise
        except ModelUnavailableError:
            self._shrink(started)
            raise
        else:
            self._in_a_row = 0
            self.window = min(self.limits.in_flight, self.window + 1 / self.window)
        finally:
            self.under_way -= 1
            self._wake()

    async def _enter(self, tokens: float) -> float:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((mine, tokens))
        self._wake()
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # its turn had come: give it back
                self.under_way -= 1
            self._wake()
            raise
        return time.monotonic()

    def _wake(self) -> None:
        """Let in as many as may go now, and come back when the next one may."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        while self._queue and self.under_way < max(1, int(self.window)):
            first, tokens = self._queue[0]
            if first.done():  # cancelled
                self._queue.popleft()
                continue
            now = time.monotonic()
            wait = max(self._rest_until - now, self._requests.wait(now), self._tokens.wait(now))
            if wait > 0:
                self._timer = asyncio.get_running_loop().call_later(wait, self._wake)
                return
            self._queue.popleft()
            self._requests.take(1, now)
            self._tokens.take(tokens, now)
            self.under_way += 1
            first.set_result(None)

    def _refused(self, started: float, retry_after_s: float | None) -> None:
        self.refusals += 1
        self._shrink(started)
        if retry_after_s is None:
            retry_after_s = min(LONGEST_REST_S, self.limits.rest_s * 2**self._in_a_row)
        self._in_a_row += started >= self._rest_until  # those sent before the rest began are one refusal
        self._rest_until = max(self._rest_until, time.monotonic() + min(retry_after_s, LONGEST_RETRY_AFTER_S))

    def _shrink(self, started: float) -> None:
        """Once per window: requests that were under way when it was halved tell nothing new."""
        if started >= self._halved_at:
            self.window = max(1.0, self.window / 2)
            self._halved_at = time.monotonic()


class Turn:
    """One request's place."""

    def __init__(self, limiter: Limiter, tokens: float) -> None:
        self._limiter, self._tokens = limiter, tokens

    def used(self, tokens: float) -> None:
        """Tokens it took in fact."""
        self._limiter._tokens.take(tokens - self._tokens, time.monotonic())
