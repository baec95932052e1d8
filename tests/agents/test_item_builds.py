"""Builds with a mind that asks once per item, or that was told by a stored profile: costs, order, budgets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmrg.agents.chat.call_cache import SqliteCallCache
from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.minds.attributes import AttributesMind
from llmrg.agents.minds.item_chat import ItemChatMind
from llmrg.agents.minds.profiles import ProfilesMind
from llmrg.agents.run.build import BuildEvent
from llmrg.core.errors import BudgetSpentError, CallerError, ConfigError
from llmrg.core.themes import Appeal, Profile, ProfileSource
from llmrg.data.dataset import Dataset
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.mind_suite import MindContract, OpenMind, block_of
from llmrg.testing.planted import PlantedConfig, PlantedWorld, random_catalogue, simulate
from llmrg.testing.planted_items import planted_items
from llmrg.testing.scripted_chat import ScriptedChatModel

CONFIG = BuildConfig(block_size=4, wave=2, concurrency=1, retry_wait_s=0)


def catalogue_profile(dataset: Dataset, name: str = "experts") -> Profile:
    appeals = tuple(Appeal(item.id, theme) for item in dataset.catalogue for theme in item.values("theme"))
    return Profile(ProfileSource(name), appeals)


class TestRecordedAnswers(MindContract):
    @pytest.fixture(scope="class")
    def open_mind(self) -> OpenMind:
        return lambda world: ProfilesMind(world.dataset, catalogue_profile(world.dataset))


@pytest.fixture(scope="module")
def town() -> PlantedWorld:
    return simulate(random_catalogue(90, 20, seed=3), PlantedConfig(readers=6, min_length=6, max_length=9, seed=4))


def chat(dataset: Dataset, errors: float = 0.2, **options: Any) -> ItemChatMind:
    return ItemChatMind(ScriptedChatModel(planted_items(dataset, errors)), dataset, **options)


def structure(store: SqliteStore, dataset: Dataset) -> dict[str, Any]:
    """The reasoned steps of each user."""
    return {
        user: [
            (s.position, s.cause_position, s.item, s.reason, s.chain, s.accepted)
            for s in store.graph(dataset.name, user).reasoned()
        ]
        for user in dataset.histories
    }


def calls(mind: ItemChatMind) -> int:
    model: Any = mind._calls.model
    return len(model.requests)


async def test_users_cost_no_call_and_the_answers_stay_in_the_store(town, build_with, store: SqliteStore) -> None:
    users = list(town.dataset.histories)
    seen: list[BuildEvent] = []
    mind = chat(town.dataset)
    report = await build_with(town.dataset, mind, CONFIG, users=users[:1], progress=seen.append)
    paid = calls(mind)
    assert report.total("calls") == report.counts["reason.calls"] + report.counts["verify.calls"] == paid >= 10
    assert report.counts["items.asked"] == 90
    assert [event.calls for event in seen if not event.done][-1] == paid
    (profile,) = store.themes(town.dataset.name).profiles
    assert (profile.source.name, profile.source.verified) == ("chat/scripted/items", True)
    later = chat(town.dataset)
    assert (await build_with(town.dataset, later, CONFIG, users=users)).built == len(users) - 1
    assert calls(later) == 0
    graph = store.graph(town.dataset.name, users[0])
    assert {step.item for step in graph.reasoned()} | {step.item for step in graph.imagined()} <= set(town.dataset.catalogue.ids)
    assert graph.imagined()


async def test_neither_the_order_of_users_nor_concurrency_changes_a_graph(town, build_with, tmp_path: Path) -> None:
    users = list(town.dataset.histories)
    told = []
    for number, (order, concurrency) in enumerate(((users, 1), (users[::-1], 1), (users, 8))):
        with SqliteStore(tmp_path / f"{number}.db") as store:
            config = CONFIG.model_copy(update={"concurrency": concurrency, "knowledge": False})
            await build_with(town.dataset, chat(town.dataset), config, users=order, into=store)
            told.append({user: store.graph(town.dataset.name, user).steps for user in users})
            told[-1]["profile"] = store.themes(town.dataset.name).profiles
    assert told[0] == told[1] == told[2]


async def test_a_spent_budget_stops_the_asking_and_nothing_is_paid_twice(town, build_with, store, tmp_path: Path) -> None:
    cache = SqliteCallCache(tmp_path / "calls.db")
    whole = chat(town.dataset)
    await build_with(town.dataset, whole, CONFIG, resume=False)
    expected = structure(store, town.dataset)
    store.delete_profile(town.dataset.name, whole.name)
    first = chat(town.dataset, cache=cache)
    with pytest.raises(BudgetSpentError):
        await build_with(town.dataset, first, CONFIG.model_copy(update={"max_calls": 5}))
    assert calls(first) == 5
    assert store.themes(town.dataset.name).profiles == ()
    second = chat(town.dataset, cache=cache)
    await build_with(town.dataset, second, CONFIG, resume=False)
    assert calls(first) + calls(second) == calls(whole)
    assert structure(store, town.dataset) == expected
    cache.close()


async def test_without_verification_the_second_question_is_not_asked_and_the_answers_stay_apart(town, build_with, store) -> None:
    await build_with(town.dataset, chat(town.dataset), CONFIG)
    report = await build_with(town.dataset, chat(town.dataset, 0.5), CONFIG.model_copy(update={"verification": False}))
    assert report.counts.get("verify.calls", 0) == 0
    sources = [profile.source for profile in store.themes(town.dataset.name).profiles]
    assert [(source.name, source.verified) for source in sources] == [
        ("chat/scripted/items", True),
        ("chat/scripted/items/unverified", False),
    ]


async def test_two_models_that_would_each_ask_are_refused_and_another_kind_may_verify(town, build_with, store) -> None:
    one = chat(town.dataset)
    with pytest.raises(ConfigError, match="words of their own"):
        await build_with(town.dataset, Minds(one, chat(town.dataset), one), CONFIG)
    report = await build_with(town.dataset, Minds(one, AttributesMind(town.dataset), one), CONFIG)
    assert report.counts["verify.reasoned.accepted"] > 0


# -- recorded answers ------------------------------------------------------------------------------------------------------


async def test_a_profile_of_the_catalogues_themes_builds_what_the_attributes_mind_does(town, build_with, store) -> None:
    """But for reasons of equal worth, where the catalogue's own order decides."""
    told = []
    for mind in (AttributesMind(town.dataset), ProfilesMind(town.dataset, catalogue_profile(town.dataset))):
        await build_with(town.dataset, mind, CONFIG.model_copy(update={"divergence": False}), resume=False)
        told.append([{(user, *step[:4]) for step in steps} for user, steps in structure(store, town.dataset).items()])
    ours, theirs = (set().union(*steps) for steps in told)
    assert len(ours) > 20
    assert len(ours & theirs) > 0.8 * len(ours | theirs)


async def test_items_without_a_profile_are_left_unexplained_and_weights_order_the_reasons(shelf) -> None:
    dataset = shelf({"A": (), "B": (), "C": (), "D": ()}, {"u": ["a", "b", "c"]})
    told = [("a", "sea", 0.5), ("a", "sky", 1.0), ("b", "sea", 0.6), ("b", "sky", 1.0), ("d", "other", 1.0)]
    profile = Profile(ProfileSource("x"), tuple(Appeal(*one) for one in told))
    mind = ProfilesMind(dataset, profile)
    found = await mind.reason(block_of(dataset, "u", 3))
    assert [(c.position, c.reason) for c in found] == [(0, "sky"), (1, "sky"), (1, "sea")]
    weaker = replace(profile, appeals=(*profile.appeals[:3], Appeal("b", "sky", 0.1), profile.appeals[4]))
    assert [c.reason for c in await ProfilesMind(dataset, weaker).reason(block_of(dataset, "u", 3))] == ["sky", "sea", "sky"]
    assert mind.settings["profile"] != ProfilesMind(dataset, weaker).settings["profile"]
    with pytest.raises(CallerError, match="none of them is among"):
        ProfilesMind(dataset, Profile(ProfileSource("x"), (Appeal("z", "sea"),)))
