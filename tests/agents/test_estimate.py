"""Estimates against what builds cost in fact."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from llmrg.agents.accounting.prices import Price, Prices, load_prices
from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.estimate.estimate import Habits, estimate, habits_of
from llmrg.agents.minds.attributes import AttributesMind
from llmrg.agents.minds.chat import ChatMind
from llmrg.agents.minds.item_chat import ItemChatMind
from llmrg.agents.run.build import build
from llmrg.core.errors import BudgetSpentError, ConfigError
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.planted import PlantedConfig, PlantedWorld, random_catalogue, simulate
from llmrg.testing.planted_items import planted_items
from llmrg.testing.planted_responder import planted_responder
from llmrg.testing.scripted_chat import ScriptedChatModel

PRICES = Prices(currency="EUR", models={"openai:scripted": Price(input=0.5, output=2.0)})
CONFIG = BuildConfig(block_size=6, retry_wait_s=0)


@pytest.fixture(scope="module")
def town() -> PlantedWorld:
    return simulate(random_catalogue(400, 40, seed=2), PlantedConfig(readers=36, min_length=6, max_length=24, seed=5))


def chat(world: PlantedWorld, errors: float = 0.2) -> Minds:
    mind = ChatMind(ScriptedChatModel(planted_responder(world.dataset, world.truth, errors)), world.dataset)
    return Minds(mind, mind, mind)


@pytest.mark.parametrize(("errors", "knowledge"), [(0.1, True), (0.5, False)])
async def test_an_estimate_after_a_few_users_is_within_15_percent(errors, knowledge, town, store: SqliteStore) -> None:
    users, config = list(town.dataset.histories), CONFIG.model_copy(update={"knowledge": knowledge})
    await build(town.dataset, store, chat(town, errors), config, users=users[:8], prices=PRICES)
    said = await estimate(
        town.dataset, chat(town, errors), config, users=users[8:], earlier=store.runs(town.dataset.name), prices=PRICES
    )
    assert said.habits.run
    report = await build(town.dataset, store, chat(town, errors), config, users=users[8:], prices=PRICES)
    for what, told in (("calls", said.calls), ("tokens", said.tokens), ("money", said.money)):
        assert told == pytest.approx(report.total(what), rel=0.15), what


async def test_nothing_is_asked_and_nothing_is_written(town, store: SqliteStore) -> None:
    minds = chat(town)
    said = await estimate(town.dataset, minds, CONFIG)
    assert minds.reasoner._calls.model.requests == []
    assert store.runs(town.dataset.name) == []
    assert (said.habits, said.money, said.seconds, said.sampled) == (Habits(), None, None, 20)
    assert said.calls > 0
    assert said.users == 36


async def test_more_items_cost_more_and_switches_cost_less(town) -> None:
    whole = await estimate(town.dataset, chat(town), CONFIG)
    for cheaper in ({"l_tru": 5}, {"divergence": False}, {"verification": False}, {"block_size": 20}, {"tries": 0}):
        less = await estimate(town.dataset, chat(town), CONFIG.model_copy(update=cheaper))
        assert less.calls < whole.calls, cheaper
        assert less.tokens < whole.tokens, cheaper


async def test_time_follows_the_narrower_limit(town) -> None:
    said = await estimate(town.dataset, chat(town), CONFIG, requests_per_minute=60, tokens_per_minute=1e9)
    assert said.seconds == pytest.approx(said.calls)
    said = await estimate(town.dataset, chat(town), CONFIG, requests_per_minute=1e9, tokens_per_minute=60)
    assert said.seconds == pytest.approx(said.tokens)


async def test_only_roles_of_chat_models_cost_tokens(town) -> None:
    one, free = chat(town).reasoner, AttributesMind(town.dataset)
    said = await estimate(town.dataset, Minds(one, free, free), CONFIG, prices=PRICES)
    assert set(said.stages) == {"reason"}
    assert said.money
    none = await estimate(town.dataset, Minds(free, free, free), CONFIG)
    assert (none.calls, none.tokens, none.chat) == (0, 0, False)


async def test_no_users_cost_nothing(town) -> None:
    said = await estimate(town.dataset, chat(town), CONFIG, users=[])
    assert (said.calls, said.tokens, said.users) == (0, 0, 0)


async def test_habits_are_those_of_the_same_minds(town, store: SqliteStore) -> None:
    free = AttributesMind(town.dataset)
    await build(town.dataset, store, Minds(free, free, free), CONFIG, users=list(town.dataset.histories)[:3])
    assert habits_of(chat(town), CONFIG, store.runs(town.dataset.name)) == Habits()


# -- asked once per item -------------------------------------------------------------------------------------------------


def by_item(world: PlantedWorld, errors: float = 0.2) -> Minds:
    mind = ItemChatMind(ScriptedChatModel(planted_items(world.dataset, errors)), world.dataset)
    return Minds(mind, mind, mind)


@pytest.mark.parametrize("errors", [0.1, 0.4])
async def test_once_per_item_costs_the_same_for_any_number_of_users(errors, town, store: SqliteStore) -> None:
    users, dataset = list(town.dataset.histories), town.dataset
    with pytest.raises(BudgetSpentError):
        await build(dataset, store, by_item(town, errors), CONFIG.model_copy(update={"max_calls": 12}), users=users[:1])
    told = {"earlier": store.runs(dataset.name), "prices": PRICES}
    said = [await estimate(dataset, by_item(town, errors), CONFIG, users=some, **told) for some in (users[:1], users)]
    assert said[0].calls == said[1].calls
    assert said[0].habits.run
    assert (said[0].items, said[0].by_item, said[0].sampled) == (400, True, 400)
    report = await build(dataset, store, by_item(town, errors), CONFIG, users=users[:3], prices=PRICES, resume=False)
    for what, number in (("calls", said[1].calls), ("tokens", said[1].tokens), ("money", said[1].money)):
        assert number == pytest.approx(report.total(what), rel=0.15), what
    nothing = await estimate(dataset, by_item(town, errors), CONFIG, known=store.themes(dataset.name))
    assert (nothing.calls, nothing.items) == (0, 0)


async def test_items_beyond_the_sample_cost_as_much_each(town, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = await estimate(town.dataset, by_item(town), CONFIG)
    monkeypatch.setattr("llmrg.agents.estimate.item_costs.ITEMS_RENDERED", 200)
    half = await estimate(town.dataset, by_item(town), CONFIG)
    assert (half.items, half.sampled) == (400, 200)
    assert half.calls == pytest.approx(whole.calls, rel=0.1)
    unchecked = await estimate(town.dataset, by_item(town), CONFIG.model_copy(update={"verification": False}))
    assert set(unchecked.stages) == {"reason"}
    assert unchecked.calls < whole.calls / 2


# -- money ---------------------------------------------------------------------------------------------------------------


async def test_money_is_counted_and_its_budget_kept(town, store: SqliteStore) -> None:
    users = list(town.dataset.histories)[:6]
    whole = await build(town.dataset, store, chat(town), CONFIG, users=users, prices=PRICES, resume=False)
    read, written = (sum(whole.minds["chat/scripted"][f"{way}_tokens"] for _ in [0]) for way in ("input", "output"))
    assert whole.total("money") == pytest.approx((0.5 * read + 2.0 * written) / 1e6)
    assert whole.currency == "EUR"
    half = CONFIG.model_copy(update={"max_money": whole.total("money") / 2, "concurrency": 1, "wave": 1})
    with pytest.raises(BudgetSpentError, match="EUR is spent"):
        await build(town.dataset, store, chat(town), half, users=users, prices=PRICES)
    assert store.runs(town.dataset.name)[0].costs["money"] == pytest.approx(whole.total("money") / 2, rel=0.1)


async def test_a_budget_of_money_needs_prices(town, store: SqliteStore) -> None:
    with pytest.raises(ConfigError, match="price file"):
        await build(town.dataset, store, chat(town), CONFIG.model_copy(update={"max_money": 1.0}))


def test_prices_are_found_by_name_with_and_without_the_provider() -> None:
    prices = Prices(models={"openai:a": Price(input=1, output=2), "b": Price(input=3, output=4)})
    assert prices.cost("a", 1e6, 1e6) == 3
    assert prices.cost("openai:a", 1e6, 0) == 1
    assert prices.cost("b", 0, 5e5) == 2
    assert prices.cost("c", 1, 1) is None


def test_a_price_file_is_read_and_mistakes_are_told(tmp_path: Path) -> None:
    assert load_prices(tmp_path / "none.toml") == Prices()
    path = tmp_path / "prices.toml"
    path.write_text('currency = "EUR"\n["openai:my.model"]\ninput = 0.4\noutput = 1.6\n')
    assert load_prices(path).cost("my.model", 1e6, 1e6) == pytest.approx(2.0)
    wrong: Any
    for wrong in ("[a", '["m"]\ninput = -1\noutput = 1', '["m"]\ninput = 1', "m = 3", '["m"]\ninput = 1\noutput = 1\nx = 1'):
        path.write_text(wrong)
        with pytest.raises(ConfigError, match=r"prices\.toml"):
            load_prices(path)
    assert not math.isnan(Prices().cost("x", 1, 1) or 0)
