"""The limiter: pace, window, rest, order, and that nothing is lost when those who wait go away."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from llmrg.agents.chat.limiter import Limiter, Limits
from llmrg.core.errors import ModelUnavailableError, RateLimitedError


async def take(limiter: Limiter, told: list[float], tokens: float = 0, lasts_s: float = 0.0) -> None:
    async with limiter.turn(tokens):
        told.append(time.monotonic())
        await asyncio.sleep(lasts_s)


async def refuse(limiter: Limiter, retry_after_s: float | None = None, before: Any = None) -> float:
    """The moment at which a request left that was refused."""
    with suppress(RateLimitedError):
        async with limiter.turn():
            left = time.monotonic()
            if before:
                await before()
            raise RateLimitedError("429", retry_after_s)
    return left


async def test_requests_keep_the_pace() -> None:
    limiter, told = Limiter(Limits(requests_per_minute=6000)), []
    start = time.monotonic()
    await asyncio.gather(*(take(limiter, told) for _ in range(60)))
    took = told[-1] - start
    assert took >= (60 - 1 - 0.2 * 100) / 100 - 0.02  # the burst is 0.2 s' worth
    assert took < 1.5


async def test_tokens_keep_the_pace_and_estimates_are_corrected() -> None:
    limiter, told = Limiter(Limits(tokens_per_minute=60_000, burst_s=0.01)), []
    start = time.monotonic()
    await asyncio.gather(*(take(limiter, told, tokens=100) for _ in range(4)))
    assert told[-1] - start >= 0.28
    async with limiter.turn(100) as turn:
        turn.used(600)
    start = time.monotonic()
    await take(limiter, told, tokens=1)
    assert told[-1] - start >= 0.4


async def test_the_window_grows_with_success_and_is_halved_once_by_a_burst_of_failures() -> None:
    limiter = Limiter(Limits(in_flight=16))
    assert limiter.window == 4
    for _ in range(2):
        await asyncio.gather(*(take(limiter, []) for _ in range(8)))
    assert limiter.window == 16
    together = asyncio.Barrier(8)

    async def fail() -> None:
        with suppress(ModelUnavailableError):
            async with limiter.turn():
                await together.wait()
                raise ModelUnavailableError("503")

    await asyncio.gather(*(fail() for _ in range(8)))
    assert limiter.window == 8
    await asyncio.gather(*(take(limiter, []) for _ in range(8)))
    assert 8.5 < limiter.window <= 9  # by one in a round trip from now on


async def test_refusals_slow_the_pace_and_leave_the_window() -> None:
    limiter, told = Limiter(Limits(in_flight=16)), []
    for _ in range(2):
        await asyncio.gather(*(take(limiter, []) for _ in range(8)))
    together = asyncio.Barrier(8)
    await asyncio.gather(*(refuse(limiter, 0.01, together.wait) for _ in range(8)))
    assert (limiter.window, limiter.refusals) == (16, 8)
    start = time.monotonic()
    await asyncio.gather(*(take(limiter, told) for _ in range(60)))
    assert told[-1] - start > 0.2  # at once before


async def test_nobody_sends_while_the_server_wants_rest() -> None:
    limiter, told = Limiter(), []
    start = time.monotonic()
    await refuse(limiter, retry_after_s=0.3)
    await asyncio.gather(*(take(limiter, told) for _ in range(3)))
    assert min(told) - start >= 0.29


async def test_rests_without_a_named_time_double() -> None:
    limiter, starts = Limiter(Limits(rest_s=0.05)), []
    for _ in range(4):
        starts.append(await refuse(limiter))
    gaps = [b - a for a, b in pairwise(starts)]
    assert [gap >= wanted - 0.001 for gap, wanted in zip(gaps, (0.05, 0.1, 0.2), strict=True)] == [True] * 3
    await take(limiter, [])
    await refuse(limiter)
    start = time.monotonic()
    await take(limiter, [])
    assert time.monotonic() - start < 0.2  # a success ends the row


async def test_who_waits_is_served_in_order_of_arrival() -> None:
    limiter, order = Limiter(Limits(in_flight=1)), []

    async def one(number: int) -> None:
        async with limiter.turn():
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(one(number) for number in range(50)))
    assert order == list(range(50))


async def test_at_most_so_many_are_under_way() -> None:
    limiter, now, most = Limiter(Limits(in_flight=3)), 0, 0

    async def one() -> None:
        nonlocal now, most
        async with limiter.turn():
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.001)
            now -= 1

    await asyncio.gather(*(one() for _ in range(40)))
    assert most == 3


@pytest.mark.parametrize("seed", range(5))
async def test_turns_of_those_who_go_away_are_not_lost(seed: int) -> None:
    dice, limiter, served = random.Random(seed), Limiter(Limits(in_flight=2, rest_s=0.001, requests_per_minute=60_000)), 0

    async def one() -> None:
        nonlocal served
        try:
            async with limiter.turn():
                await asyncio.sleep(dice.random() * 0.002)
                if dice.random() < 0.2:
                    raise ModelUnavailableError("503")
        except ModelUnavailableError:
            pass
        served += 1

    tasks = [asyncio.create_task(one()) for _ in range(100)]
    for task in dice.sample(tasks, 50):
        await asyncio.sleep(dice.random() * 0.002)
        task.cancel()
    await asyncio.wait(tasks, timeout=5)
    assert all(task.done() for task in tasks)
    assert served + sum(task.cancelled() for task in tasks) == 100
    assert limiter.under_way == 0
    await asyncio.wait_for(take(limiter, []), 1)


def test_it_serves_one_event_loop_after_another() -> None:
    limiter = Limiter(Limits(in_flight=1, requests_per_minute=6000))

    async def cancelled_while_waiting() -> None:
        async with limiter.turn():
            waiting = asyncio.create_task(take(limiter, []))
            await asyncio.sleep(0)
            waiting.cancel()

    asyncio.run(cancelled_while_waiting())
    asyncio.run(asyncio.wait_for(take(limiter, []), 1))


async def test_a_clock_that_is_set_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter, told = Limiter(Limits(requests_per_minute=6000)), []
    real = time.time
    start = time.monotonic()
    for number in range(30):
        monkeypatch.setattr(time, "time", lambda number=number: real() + (-1) ** number * 1e6)
        await take(limiter, told)
    assert 0.05 < told[-1] - start < 2
