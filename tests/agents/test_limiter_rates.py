"""What the limiter gets out of endpoints whose limits it does not know, in simulated time: an hour of requests takes a second."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from llmrg.agents.chat.limiter import Limiter, Limits
from llmrg.core.errors import ModelUnavailableError, RateLimitedError
from llmrg.testing.jumping_loop import JumpingLoop

Rule = Callable[[float], float]
"""From the moment of a request to the seconds after which it would be let through; 0: now."""


def bucket(rate: Callable[[float], float], burst: float) -> Rule:
    left, at = burst, 0.0

    def wait(now: float) -> float:
        nonlocal left, at
        left, at = min(burst, left + (now - at) * rate(now)), now
        if left >= 1 - 1e-9:
            left -= 1
            return 0.0
        return (1 - left) / rate(now)

    return wait


def each_minute(count: int) -> Rule:
    """So many in each minute of the clock."""
    minute, taken = 0.0, 0

    def wait(now: float) -> float:
        nonlocal minute, taken
        minute, taken = (minute, taken) if now // 60 == minute else (now // 60, 0)
        taken += 1
        return 0.0 if taken <= count else 60 * (minute + 1) - now

    return wait


@dataclass
class Endpoint:
    rule: Rule
    latency_s: float = 0.5
    names_the_wait: bool = True
    at_once: int = 1_000_000
    """It fails beyond so many under way."""
    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    failed: int = 0
    under_way: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(0)

    async def answer(self, limiter: Limiter) -> None:
        while True:
            try:
                async with limiter.turn():
                    return await self._once(asyncio.get_running_loop().time())
            except (RateLimitedError, ModelUnavailableError):
                pass

    async def _once(self, now: float) -> None:
        if wait := self.rule(now):
            self.refused.append(now)
            await asyncio.sleep(0.01)
            raise RateLimitedError("429", wait if self.names_the_wait else None)
        self.under_way += 1
        try:
            await asyncio.sleep(self.latency_s * self.dice.uniform(0.8, 1.2))
            if self.under_way > self.at_once:
                self.failed += 1
                raise ModelUnavailableError("503")
        finally:
            self.under_way -= 1
        self.answered.append(now)

    def a_second(self, start: float, end: float) -> float:
        return sum(start <= moment < end for moment in self.answered) / (end - start)


async def many(seconds: float, endpoint: Endpoint, *limiters: Limiter, users: int = 64) -> list[int]:
    """Users who ask again and again; how many answers those of each limiter got."""
    got = [0] * len(limiters)

    async def ask(which: int) -> None:
        while True:
            await endpoint.answer(limiters[which])
            got[which] += 1

    tasks = [asyncio.create_task(ask(which)) for which in range(len(limiters)) for _ in range(users)]
    await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return got


def serve(seconds: float, endpoint: Endpoint, *limiters: Limiter) -> list[int]:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(many(seconds, endpoint, *limiters))


@pytest.mark.parametrize("names_the_wait", [True, False])
@pytest.mark.parametrize(
    ("rate", "burst", "latency_s", "share"), [(10, 5, 0.5, 0.95), (10, 5, 2, 0.95), (10, 1, 0.5, 0.88), (0.5, 1, 5, 0.88)]
)
def test_an_unknown_limit_is_found_and_used(
    rate: float, burst: float, latency_s: float, share: float, names_the_wait: bool
) -> None:
    endpoint = Endpoint(bucket(lambda now: rate, burst), latency_s, names_the_wait)
    serve(600, endpoint, Limiter())
    assert endpoint.a_second(60, 580) >= share * rate
    assert len(endpoint.refused) <= 0.1 * len(endpoint.answered)


@pytest.mark.parametrize("names_the_wait", [True, False])
def test_a_told_limit_is_used_though_the_endpoint_allows_no_bursts(names_the_wait: bool) -> None:
    endpoint = Endpoint(bucket(lambda now: 10, 1), 0.5, names_the_wait)
    serve(600, endpoint, Limiter(Limits(requests_per_minute=600)))
    assert endpoint.a_second(10, 580) >= 9.5
    assert len(endpoint.refused) < 20


def test_a_limit_that_falls_and_rises_is_followed() -> None:
    endpoint = Endpoint(bucket(lambda now: 1 if 300 <= now < 600 else 10, 5))
    serve(900, endpoint, Limiter())
    assert endpoint.a_second(320, 600) >= 0.9
    assert endpoint.a_second(660, 880) >= 9.3
    assert len(endpoint.refused) <= 0.1 * len(endpoint.answered)


def test_a_very_low_limit_does_not_hold_back_for_long_once_it_is_lifted() -> None:
    endpoint = Endpoint(bucket(lambda now: 0.05 if now < 600 else 10, 5))
    serve(1200, endpoint, Limiter())
    assert endpoint.a_second(300, 600) >= 0.04
    assert endpoint.a_second(1080, 1180) >= 9.3


@pytest.mark.parametrize("names_the_wait", [True, False])
def test_a_time_in_which_all_are_refused_leaves_no_trace(names_the_wait: bool) -> None:
    usual = bucket(lambda now: 10, 5)
    endpoint = Endpoint(lambda now: 1.0 if 300 <= now < 900 else usual(now), 0.5, names_the_wait)
    serve(1200, endpoint, Limiter())
    assert endpoint.a_second(990, 1180) >= 9.3  # the longest rest is a minute
    assert sum(300 <= moment < 900 for moment in endpoint.refused) <= (600 * 1.2 if names_the_wait else 40)


@pytest.mark.parametrize("told", [None, 600])
def test_a_pause_is_no_limit(told: float | None) -> None:
    usual = bucket(lambda now: 10, 5)
    endpoint = Endpoint(lambda now: 1.0 if 660 <= now < 661 else usual(now))
    limiter, loop = Limiter(Limits(requests_per_minute=told)), JumpingLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(many(60, endpoint, limiter))
        runner.run(asyncio.sleep(600))
        runner.run(many(60, endpoint, limiter))
    assert endpoint.a_second(680, 720) >= 9.3


@pytest.mark.parametrize("names_the_wait", [True, False])
def test_a_limit_of_so_many_each_minute(names_the_wait: bool) -> None:
    endpoint = Endpoint(each_minute(60), 0.5, names_the_wait)
    serve(1200, endpoint, Limiter())
    assert endpoint.a_second(60, 1140) >= 0.9
    assert len(endpoint.refused) <= 12 * 20  # where it names no time, rests double from a quarter of a second to a minute


def test_two_processes_share_a_limit() -> None:
    endpoint = Endpoint(bucket(lambda now: 10, 5))
    got = serve(1200, endpoint, Limiter(), Limiter())
    assert endpoint.a_second(60, 1180) >= 9
    assert min(got) >= 0.2 * sum(got)


def test_an_endpoint_that_fails_under_load_gets_no_more_than_it_can_bear() -> None:
    endpoint = Endpoint(bucket(lambda now: 1000, 1000), 1.0, at_once=12)
    serve(600, endpoint, Limiter())
    assert endpoint.a_second(60, 580) >= 8
    assert endpoint.failed <= 0.15 * len(endpoint.answered)


def test_the_window_doubles_with_every_round_trip_until_the_first_failure() -> None:
    slow = Endpoint(bucket(lambda now: 1000, 1000), 10.0)
    serve(60, slow, limiter := Limiter())
    assert limiter.window == 32  # 4, 8, 16, 32: after 30 s, not after 280
    assert len(slow.answered) >= 4 + 8 + 16 + 32
