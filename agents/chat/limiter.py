"""One limiter for all requests to one endpoint: pace, size of the window, and rest after a refusal.

Known limits (requests and tokens a minute) are kept by pacing: each request pushes the next one's earliest moment forward.
Unknown ones are found from the refusals (`pace.py`). An endpoint that fails or is too slow has too much under way: the window of
requests in flight grows with each success and is halved by such a failure (slow start, then additive increase and multiplicative
decrease: RFC 5681, section 3.1). `Retry-After` makes everybody rest. Whoever waits is served in the order of arrival, and a
user's machine waits for one request at a time, so no user starves another. All times are the event loop's, which is monotonic: a
clock that is set has no say.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from math import inf

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt

from llmrg.agents.chat.pace import Pace
from llmrg.core.errors import ModelUnavailableError, RateLimitedError


class Limits(BaseModel, frozen=True, extra="forbid"):
    """What an endpoint allows; None: not known, or no limit."""

    requests_per_minute: PositiveFloat | None = None
    tokens_per_minute: PositiveFloat | None = None
    in_flight: PositiveInt = 32
    """Requests under way at once at most."""
    burst_s: float = Field(default=0.2, gt=0)
    """Seconds' worth of requests and tokens that may go out at once after a pause."""
    rest_s: PositiveFloat = 0.25
    """Rest after a refusal that names none; doubled by each further one in a row, up to a minute."""


LONGEST_REST_S = 60.0
LONGEST_RETRY_AFTER_S = 600.0
"""A server that asks for more is asked again after this."""
MEASURED_OVER = 16
"""Requests over which the rate of those let through is measured ..."""
MEASURED_S = (0.1, 60.0)
"""... and seconds at least and at most: a time of little demand says nothing about the limit."""


def _now() -> float:
    return asyncio.get_running_loop().time()


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
        self._requests = Pace(self.limits.requests_per_minute, self.limits.burst_s)
        self._tokens = Pace(self.limits.tokens_per_minute, self.limits.burst_s)
        self._queue: deque[tuple[asyncio.Future[float], float]] = deque()
        self._in_a_row = 0
        self._refused_at = 0.0
        self._let_through: deque[float] = deque(maxlen=MEASURED_OVER)
        """When the last requests left that have not been refused."""
        self._halved_at = 0.0
        self._slow_start_threshold = inf
        """Below it each success lets one more in: the window doubles with every round trip until the first failure."""
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(self, tokens: float = 0.0) -> AsyncIterator[Turn]:
        """Waits for its turn. An error that leaves it tells the limiter how the endpoint is."""
        left = await self._enter(tokens)
        try:
            yield Turn(self, tokens)
        except RateLimitedError as error:
            self._refused(left, error.retry_after_s)
            raise
        except ModelUnavailableError:
            self._shrink(left)
            raise
        else:
            self._in_a_row = 0
            grow = 1 if self.window < self._slow_start_threshold else 1 / self.window
            self.window = min(self.limits.in_flight, self.window + grow)
        finally:
            self.under_way -= 1
            self._wake()

    def rest_s(self) -> float:
        """Seconds until a request may go out."""
        return max(self._requests.wait(_now()), self._tokens.wait(_now()))

    async def _enter(self, tokens: float) -> float:
        """The moment at which its turn came."""
        mine: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._queue.append((mine, tokens))
        self._wake()
        try:
            return await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # its turn had come: give it back
                self.under_way -= 1
            self._wake()
            raise

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
            now = _now()
            wait = max(self._requests.wait(now), self._tokens.wait(now))
            if wait > 0:
                self._timer = asyncio.get_running_loop().call_later(wait, self._wake)
                return
            self._queue.popleft()
            self._requests.take(1, now)
            self._tokens.take(tokens, now)
            self.under_way += 1
            self._let_through.append(now)
            first.set_result(now)

    def _refused(self, left: float, retry_after_s: float | None) -> None:
        now, again = _now(), left < self._refused_at
        self.refusals += 1
        with suppress(ValueError):  # it may be longer ago than is remembered
            self._let_through.remove(left)
        if retry_after_s is None:
            retry_after_s = min(LONGEST_REST_S, self.limits.rest_s * 2**self._in_a_row)
        until = now + min(retry_after_s, LONGEST_RETRY_AFTER_S)
        in_a_row = not again and self._in_a_row > 0  # nothing has got through in between: there is no rate to find
        measured = inf if in_a_row else self._rate_let_through(now)
        self._requests.refused(measured, now, until, anew=not (again or in_a_row))
        if not again:  # those that left before the refusal came are part of it
            self._in_a_row += 1
            self._refused_at = now

    def _rate_let_through(self, now: float) -> float:
        shortest, longest = MEASURED_S
        recent = [moment for moment in self._let_through if moment >= now - longest]
        return max(1, len(recent)) / max(shortest, now - min(recent, default=now))

    def _shrink(self, left: float) -> None:
        """Once per window: requests that were under way when it was halved tell nothing new."""
        if left >= self._halved_at:
            self.window = self._slow_start_threshold = max(1.0, self.window / 2)
            self._halved_at = _now()


class Turn:
    """One request's place."""

    def __init__(self, limiter: Limiter, tokens: float) -> None:
        self._limiter, self._tokens = limiter, tokens

    def used(self, tokens: float) -> None:
        """Tokens it took in fact."""
        self._limiter._tokens.take(tokens - self._tokens, _now())
