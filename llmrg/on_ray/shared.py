"""What the workers of one build share: the limiter of each endpoint, the call cache, and what everything costs.

`Shared` is an actor beside the driver. It lends out turns of the one `Limiter` of each endpoint, so that a limit holds for all
workers together, and opens the call cache for workers of other machines than the driver's, where its file lies. They talk to it
through `Link`; `SharedLimiter` and `SharedCache` stand where a process of its own has a limiter and a cache.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from langchain_core.caches import RETURN_VAL_TYPE, BaseCache

from llmrg.agents.accounting.rests import Rests
from llmrg.agents.accounting.usage import Usage, UsagePart
from llmrg.agents.chat.call_cache import Row, SqliteCallCache, key_of, packed, unpacked
from llmrg.agents.chat.limiter import Limiter, Limits, Turn
from llmrg.core.errors import ModelUnavailableError, RateLimitedError

Ticket = tuple[int, int]
"""(worker, number of its request)."""
Resting = tuple[float, str]
"""Seconds for which requests rest, and what the server said."""


class Shared:
    """The actor. Everything runs in one event loop, so nothing needs a lock."""

    def __init__(self, calls: Path | None, limits: Limits) -> None:
        """Args: calls: file of the call cache; None: there is none."""
        self._cache = SqliteCallCache(calls) if calls else None
        self._limits = limits
        self._limiters: dict[str, Limiter] = {}
        self._waiting: dict[Ticket, asyncio.Task[Any] | None] = {}
        self._turns: dict[Ticket, tuple[AbstractAsyncContextManager[Turn], Turn, str]] = {}
        self._usage, self._resting = Usage(), list[Resting]()
        self._spent: defaultdict[str, float] = defaultdict(float)
        """Totals of the whole build."""
        self._starts: Counter[int] = Counter()

    # -- the limiter ---------------------------------------------------------------------------------------------------
    async def enter(self, ticket: Ticket, endpoint: str, tokens: float) -> dict[str, float]:
        """Wait for a turn; returns what the build has spent until now, the other workers' requests under way included."""
        self._waiting[ticket] = asyncio.current_task()
        turn = self._limiters.setdefault(endpoint, Limiter(self._limits)).turn(tokens)
        try:
            opened = await turn.__aenter__()
        finally:
            self._waiting.pop(ticket, None)
        self._turns[ticket] = (turn, opened, endpoint)
        under_way = sum(worker != ticket[0] for worker, _ in self._turns)  # a worker counts its own
        return {**self._spent, "calls": self._spent["calls"] + under_way}

    async def leave(self, ticket: Ticket, tokens: float | None, error: BaseException | None, part: UsagePart) -> float:
        """Give a turn back; returns the seconds until the endpoint's next one.

        Args: tokens: that it took, where that is known; error: how the endpoint failed; part: what was counted on the way.
        """
        self._count(part)
        if waiting := self._waiting.pop(ticket, None):
            waiting.cancel()
        if ticket not in self._turns:  # this actor has been started again since, or the turn never came
            return 0.0
        turn, opened, endpoint = self._turns.pop(ticket)
        if tokens is not None:
            opened.used(tokens)
        await turn.__aexit__(type(error) if error else None, error, None)
        return self._limiters[endpoint].rest_s()

    async def join(self, worker: int) -> int:
        """A worker begins; what it held before it died is given back. Returns how often it has begun before."""
        for ticket in [held for held in (*self._turns, *self._waiting) if held[0] == worker]:
            await self.leave(ticket, None, asyncio.CancelledError(), Usage().take())
        self._starts[worker] += 1
        return self._starts[worker] - 1

    # -- the call cache ------------------------------------------------------------------------------------------------
    async def reply(self, key: str) -> bytes | None:
        return await asyncio.to_thread(self._cache.packed_reply, key) if self._cache else None

    async def keep(self, row: Row) -> None:
        if self._cache:
            await asyncio.to_thread(self._cache.keep, row)

    # -- costs ---------------------------------------------------------------------------------------------------------
    async def tell(self, part: UsagePart, resting: Resting | None = None) -> dict[str, float]:
        """A worker tells what it counted; returns what the build has spent."""
        self._count(part)
        if resting:
            self._resting.append(resting)
        return dict(self._spent)

    async def collect(self) -> tuple[UsagePart, list[Resting]]:
        """The driver collects what was told since it last did."""
        resting, self._resting = self._resting, []
        return self._usage.take(), resting

    def _count(self, part: UsagePart) -> None:
        self._usage.merge(part)
        for what, number in part.totals.items():
            self._spent[what] += number


class Link:
    """A worker's way to the actor."""

    def __init__(self, actor: Any, worker: int, usage: Usage) -> None:
        self._actor, self._worker, self._usage = actor, worker, usage
        self._tickets = count()
        self.spent_elsewhere: dict[str, float] = {}
        """What the build has spent beyond what `usage` counts now."""

    async def enter(self, endpoint: str, tokens: float) -> Ticket:
        ticket = (self._worker, next(self._tickets))
        try:
            self.spent_elsewhere.update(await answer(self._actor.enter.remote(ticket, endpoint, tokens)))
        except asyncio.CancelledError:
            self._actor.leave.remote(ticket, None, asyncio.CancelledError(), self._usage.take())
            raise
        return ticket

    def leave(self, ticket: Ticket, tokens: float | None, error: BaseException | None) -> Any:
        """Not waited for, unless the caller awaits what it returns."""
        return self._actor.leave.remote(ticket, tokens, error, self._usage.take())

    async def tell(self) -> None:
        self.spent_elsewhere.update(await answer(self._actor.tell.remote(self._usage.take())))

    def tell_rest(self, resting: Resting) -> None:
        self._actor.tell.remote(self._usage.take(), resting)

    async def join(self) -> int:
        return int(await answer(self._actor.join.remote(self._worker)))

    async def reply(self, key: str) -> bytes | None:
        packed_reply: bytes | None = await answer(self._actor.reply.remote(key))
        return packed_reply

    async def keep(self, row: Row) -> None:
        await answer(self._actor.keep.remote(row))


class SharedLimiter(Limiter):
    """The turns of one endpoint, as the actor gives them."""

    def __init__(self, link: Link, endpoint: str) -> None:
        super().__init__()
        self._link, self._endpoint, self._rest_s = link, endpoint, 0.0

    @asynccontextmanager
    async def turn(self, tokens: float = 0.0) -> AsyncIterator[Turn]:
        ticket = await self._link.enter(self._endpoint, tokens)
        turn = SharedTurn(self, tokens)
        try:
            yield turn
        except RateLimitedError as error:
            self._rest_s = await answer(self._link.leave(ticket, turn.tokens, error))
            raise
        except ModelUnavailableError as error:
            self._link.leave(ticket, turn.tokens, error)
            raise
        except BaseException:  # it says nothing about the endpoint
            self._link.leave(ticket, turn.tokens, asyncio.CancelledError())
            raise
        else:
            self._link.leave(ticket, turn.tokens, None)

    def rest_s(self) -> float:
        """As it was after the last refusal."""
        return self._rest_s


class SharedTurn(Turn):
    """One request's place; tokens are told when it is left."""

    tokens: float | None = None

    def used(self, tokens: float) -> None:
        self.tokens = tokens


class SharedCache(BaseCache):
    """The call cache behind the actor; replies are packed and unpacked here, where there are many processors."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def alookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        reply = await self._link.reply(key_of(prompt, llm_string))
        return None if reply is None else unpacked(reply, Path("the call cache"))

    async def aupdate(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        await self._link.keep(packed(prompt, llm_string, return_val))

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        raise NotImplementedError("minds ask in an event loop")

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        raise NotImplementedError("minds ask in an event loop")

    def clear(self, **kwargs: Any) -> None:
        raise NotImplementedError("a worker clears nothing")


class SharedRests(Rests):
    """Rests are told by the driver, for all workers once."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def rest(self, seconds: float, reason: str) -> None:
        self._link.tell_rest((seconds, reason))


async def answer(reply: Any) -> Any:
    """What an actor's method returns. Raises: what it raised, without Ray's wrapping."""
    from ray.exceptions import RayTaskError

    try:
        return await reply
    except RayTaskError as error:
        if isinstance(error.cause, Exception):
            raise error.cause from None
        raise
