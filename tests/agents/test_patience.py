"""How long refusals for the rate are borne, in simulated time: as long as the build says, however often others are retried."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from llmrg.agents.accounting.asking import ask
from llmrg.agents.accounting.prices import Prices
from llmrg.agents.accounting.tracing import Tracing
from llmrg.agents.accounting.usage import Usage
from llmrg.agents.chat.limiter import Limiter, Limits
from llmrg.agents.config import BuildConfig
from llmrg.agents.minds.chat import ChatMind
from llmrg.agents.protocols import Block
from llmrg.core.errors import ModelUnavailableError, RateLimitedError
from llmrg.testing.jumping_loop import JumpingLoop
from llmrg.testing.scripted_chat import ScriptedChatModel

GOOD = json.dumps({"steps": [{"position": 2, "cause": None, "reason": "gothic dread"}]})


@pytest.fixture
def dataset(shelf: Any) -> Any:
    return shelf({"Emma": ("courtship",), "Dracula": ("horror",)}, {"u": ["emma", "dracula"]})


def context(**config: Any) -> Any:
    nothing = {"check_call": lambda: None, "check_time": lambda: None}
    return SimpleNamespace(usage=Usage(), prices=Prices(), tracing=Tracing(), config=BuildConfig(**config), **nothing)


def until(work: Any) -> tuple[Any, float]:
    """What comes of it, and the seconds that it took."""

    async def timed() -> tuple[Any, float]:
        try:
            outcome = await asyncio.wait_for(work(), 100_000)
        except Exception as error:
            outcome = error
        return outcome, asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(timed())


def asked(dataset: Any, replies: Any, **config: Any) -> tuple[Any, float, Any]:
    async def work() -> Any:
        mind = ChatMind(ScriptedChatModel(replies), dataset, limiter=Limiter(Limits(rest_s=1)))
        block = Block("u", dataset.histories["u"], (1,))
        return await ask(about, "reason", mind.name, "u", lambda: mind.reason(block), [])

    about = context(**config)
    return *until(work), about


@pytest.mark.parametrize("patience_s", [0.0, 30.0, 900.0])
@pytest.mark.parametrize("retries", [0, 4])
def test_the_builds_patience_holds_and_retries_do_not_multiply_it(patience_s, retries, dataset) -> None:
    outcome, seconds, _ = asked(dataset, lambda _: RateLimitedError("429"), patience_s=patience_s, retries=retries)
    assert isinstance(outcome, RateLimitedError)
    assert patience_s <= seconds <= patience_s + 62  # a rest is a minute at most


def test_a_build_with_patience_gets_its_answer_in_the_end(dataset) -> None:
    refusals = [RateLimitedError("429", 60)] * 20
    outcome, seconds, about = asked(dataset, [*refusals, GOOD], patience_s=3600, retries=0)
    assert [step.reason for step in outcome] == ["gothic dread"]
    assert seconds >= 20 * 60
    assert about.usage.totals["rate_limited"] == 20


def test_other_failures_are_retried_so_many_times_whatever_was_refused_in_between(dataset) -> None:
    gone, refused = ModelUnavailableError("503"), RateLimitedError("429")
    outcome, _, about = asked(dataset, [gone, refused, refused, gone, refused, GOOD], patience_s=900, retries=2)
    assert [step.reason for step in outcome] == ["gothic dread"]
    assert about.usage.counts["reason.retries"] == 2
    outcome, _, _ = asked(dataset, [gone, refused, gone, refused, gone, GOOD], patience_s=900, retries=2)
    assert outcome is gone


@pytest.mark.parametrize("named", [None, 5.0, 100_000.0])
def test_a_mind_that_only_passes_refusals_on_is_asked_again_too(named) -> None:
    about = context(patience_s=100, retries=0)

    async def refused() -> Any:
        raise RateLimitedError("429", named)

    outcome, seconds = until(lambda: ask(about, "reason", "own", "u", refused, []))
    assert isinstance(outcome, RateLimitedError)
    assert 100 <= seconds <= 162
