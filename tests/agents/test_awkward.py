"""Users, items and models that are odd: sensible results, nobody lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.estimate.estimate import estimate
from llmrg.agents.estimate.stand_in import StandInModel
from llmrg.agents.minds.attributes import AttributesMind
from llmrg.agents.minds.chat import ChatMind
from llmrg.core.errors import BudgetSpentError
from llmrg.core.records import History
from llmrg.testing.mind_suite import awkward_world
from llmrg.testing.scripted_chat import ScriptedChatModel

CONFIG = BuildConfig(retry_wait_s=0)


@pytest.fixture(scope="module")
def odd() -> Any:
    """Awkward titles and attributes; users with no item, one, the same ones again, and 5,000."""
    world = awkward_world()
    ids = world.dataset.catalogue.ids
    more = {
        "nothing": (),
        "one": ids[:1],
        "twice": (ids[0], ids[0], ids[1], ids[0]),
        "5000": tuple(ids[n * 7 % len(ids)] for n in range(5000)),
    }
    histories = {
        **dict(list(world.dataset.histories.items())[:3]),
        **{user: History(user, items) for user, items in more.items()},
    }
    return replace(world.dataset, histories=histories)


@pytest.mark.parametrize("kind", ["attributes", "chat"])
async def test_odd_users_over_odd_items_get_their_graphs(kind: str, odd, build_with, store) -> None:
    mind = AttributesMind(odd) if kind == "attributes" else ChatMind(StandInModel(), odd)
    report = await build_with(odd, mind, CONFIG)
    assert (report.built, report.failed) == (len(odd.histories), {})
    assert store.graph(odd.name, "nothing").steps == ()
    long = store.graph(odd.name, "5000")
    assert all(step.position >= 4950 for step in long.steps)
    assert {step.position for step in long.steps if step.kind == "reasoned"}
    again = await build_with(odd, mind, CONFIG)
    assert again.skipped == len(odd.histories)


async def test_a_model_that_always_refuses_is_a_failure_that_makes_no_graphs(odd, build_with, store) -> None:
    mind = ChatMind(ScriptedChatModel(lambda _: "I'm sorry, but I can't help with that."), odd)
    report = await build_with(odd, mind, CONFIG)
    asked = set(report.failed)
    assert len(asked) == len(odd.histories) - report.built >= 6
    assert all("I'm sorry" in cause for cause in report.failed.values())
    assert report.model_failed
    found = store.graphs(odd.name, list(odd.histories))
    assert not asked & set(found)
    assert all(found[user].steps == () for user in found)  # of whom there was nothing to ask
    assert report.counts["reason.useless_replies"] > 0
    assert report.counts["reason.calls"] == 2 * report.counts["reason.useless_replies"]  # one repair turn each


@pytest.mark.parametrize("budget", ["max_calls", "max_tokens", "max_seconds"])
async def test_a_budget_of_nothing_stops_at_the_first_call(budget: str, odd, build_with) -> None:
    mind = ChatMind(StandInModel(), odd)
    with pytest.raises(BudgetSpentError, match="budget of 0"):
        await build_with(odd, mind, CONFIG.model_copy(update={budget: 0}))
    if budget == "max_calls":  # minds that call no model are not stopped by it
        report = await build_with(odd, AttributesMind(odd), CONFIG.model_copy(update={budget: 0}))
        assert report.built == len(odd.histories)


async def test_an_estimate_of_odd_users(odd) -> None:
    mind = ChatMind(StandInModel(), odd)
    said = await estimate(odd, Minds(mind, mind, mind), CONFIG)
    assert said.users == len(odd.histories)
    assert said.calls > 0
