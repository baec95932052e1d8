"""The chat mind asked once per item: what it asks, keeps and drops, whatever the replies look like."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from llmrg.agents.minds.item_chat import ItemChatConfig, ItemChatMind
from llmrg.agents.minds.item_themes import LONGEST_THEME, PickQuestion, cleaned, pick_question, waves
from llmrg.core.errors import ModelUnavailableError
from llmrg.core.records import Item
from llmrg.core.themes import Profile
from llmrg.data.dataset import Catalogue, Dataset
from llmrg.testing.mind_suite import MindContract, OpenMind, block_of
from llmrg.testing.planted import PlantedConfig, PlantedWorld, random_catalogue, simulate
from llmrg.testing.planted_items import planted_items
from llmrg.testing.scripted_chat import ScriptedChatModel


class TestTheContract(MindContract):
    @pytest.fixture(scope="class")
    def open_mind(self) -> OpenMind:
        def made(world: PlantedWorld) -> Any:
            return ItemChatMind(ScriptedChatModel(forgiving(world.dataset)), world.dataset)

        return made


def forgiving(dataset: Dataset) -> Any:
    """The planted answers; nothing where a title is not the one shown (endless and empty ones)."""
    truth = planted_items(dataset, 0.0, verifier_error_rate=0.0)

    def reply(messages: Any) -> str:
        try:
            return str(truth(messages))
        except KeyError:
            return "{}"

    return reply


@pytest.fixture(scope="module")
def town() -> PlantedWorld:
    return simulate(random_catalogue(130, 30, seed=3), PlantedConfig(readers=6, min_length=6, max_length=10, seed=4))


def asked(messages: Any) -> tuple[str, int]:
    """(heading, number of items) of a request."""
    lines = messages[-1].text.splitlines()
    return ("ITEMS" if "ITEMS" in lines else "PICK"), sum(bool(re.match(r"\[\d+\] «", line)) for line in lines)


def kinds(model: ScriptedChatModel) -> Counter[str]:
    return Counter(asked(messages)[0] for messages in model.requests)


async def answers(dataset: Dataset, script: Any, config: ItemChatConfig | None = None, **options: Any) -> Any:
    """(themes by item, counts, model)."""
    model = ScriptedChatModel(script)
    mind = ItemChatMind(model, dataset, config)
    counts: Counter[str] = Counter()
    told = await mind.ask_items(counts=counts, **options)
    return by_item(told), counts, model


def by_item(profile: Profile) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for appeal in profile.appeals:
        found.setdefault(appeal.item, {})[appeal.theme] = appeal.score
    return found


# -- what is asked -------------------------------------------------------------------------------------------------------


async def test_each_item_is_asked_about_twice_in_batches_whatever_the_users(town) -> None:
    themes, counts, model = await answers(town.dataset, planted_items(town.dataset, 0.0, verifier_error_rate=0.0))
    assert kinds(model) == {"ITEMS": 7, "PICK": 7}  # 130 items, 20 a batch
    assert counts["asked"] == 130
    expected = {item.id: set(item.values("theme")) for item in town.dataset.catalogue}
    assert {item: set(own) for item, own in themes.items()} == expected
    order = [theme for _, theme in town.dataset.catalogue["item-0007"].attributes]
    assert list(themes["item-0007"]) == order
    assert list(themes["item-0007"].values())[:: len(order) - 1] == [1.0, 0.5]
    few, _, _ = await answers(town.dataset.only(list(town.dataset.histories)[:1]), model.script)
    assert few == themes


async def test_answers_do_not_depend_on_the_order_of_items_or_on_who_was_faster(town) -> None:
    script = planted_items(town.dataset, 0.3)
    straight, _, _ = await answers(town.dataset, script)
    backwards = replace(town.dataset, catalogue=Catalogue(reversed(list(town.dataset.catalogue)), town.dataset.catalogue.noun))

    async def late(stage: str, call: Any, useless: Any) -> Any:
        late.number += 1  # type: ignore[attr-defined]
        await asyncio.sleep(0.02 * (late.number % 3))  # type: ignore[attr-defined]
        return await call()

    late.number = 0  # type: ignore[attr-defined]
    assert (await answers(backwards, script, ask=late))[0] == straight


async def test_themes_found_so_far_are_offered_the_most_used_first_and_no_more_than_said(town) -> None:
    _, _, model = await answers(town.dataset, planted_items(town.dataset, 0.0), ItemChatConfig(vocabulary=5))
    first, *later = [m[-1].text.splitlines() for m in model.requests if "ITEMS" in m[-1].text.splitlines()]
    assert "REASONS SO FAR" not in first
    counted = Counter(t for item in sorted(town.dataset.catalogue.ids)[:20] for t in town.dataset.catalogue[item].values("theme"))
    offered = re.findall("«(.+?)»", later[0][1])
    assert len(offered) == 5
    uses = [counted[theme] for theme in offered]
    assert uses[0] >= max(counted.values()) - 2  # some are dropped by the verifier
    assert uses == sorted(uses, reverse=True) or len(set(uses)) <= 3


async def test_case_alone_makes_no_other_theme(shelf) -> None:
    dataset = shelf({"A": (), "B": (), "C": ()}, {"u": ["a", "b"]})

    def script(messages: Any) -> str:
        if asked(messages)[0] == "PICK":
            return json.dumps({"picks": [{"item": n, "fits": own(messages, n)} for n in (1, 2, 3)]})
        return json.dumps({"items": [{"item": n, "reasons": [r]} for n, r in ((1, "Sea"), (2, "sea "), (3, "other"))]})

    def own(messages: Any, number: int) -> list[int]:
        options = questions(messages)[number]
        return [n for n, text in options.items() if (text == "other") == (number == 3)]

    themes, _, _ = await answers(dataset, script)
    assert themes == {"a": {"Sea": 1.0}, "b": {"Sea": 1.0}, "c": {"other": 1.0}}


def questions(messages: Any) -> dict[int, dict[int, str]]:
    """Number of the item -> number of the option -> text."""
    found: dict[int, dict[int, str]] = {}
    for line in messages[-1].text.splitlines()[1:]:
        if item := re.match(r"\[(\d+)\]", line):
            found[int(item.group(1))] = options = {}
        elif option := re.fullmatch(r"\((\d+)\) «(.*)»", line):
            options[int(option.group(1))] = option.group(2)
    return found


# -- verification --------------------------------------------------------------------------------------------------------


async def test_wrong_themes_are_dropped_by_the_second_question_and_kept_without_it(town) -> None:
    true = {item.id: set(item.values("theme")) for item in town.dataset.catalogue}

    def wrong(themes: Any) -> float:
        told = [(item, theme) for item, own in themes.items() for theme in own]
        return sum(theme not in true[item] for item, theme in told) / len(told)

    script = planted_items(town.dataset, 0.4, verifier_error_rate=0.05)
    checked, counts, _ = await answers(town.dataset, script)
    unchecked, _, model = await answers(town.dataset, script, verification=False)
    assert wrong(unchecked) > 0.3
    assert wrong(checked) < 0.08
    assert kinds(model)["PICK"] == 0
    assert counts["again"] > 0


async def test_items_whose_themes_were_not_found_are_asked_again_with_the_critique(town) -> None:
    script = planted_items(town.dataset, 0.6, verifier_error_rate=0.0)
    once, counts_once, _ = await answers(town.dataset, script, tries=0)
    again, counts, model = await answers(town.dataset, script, tries=1)
    assert counts_once["again"] == 0
    assert 0 < counts["again"] < 130
    assert sum(map(len, again.values())) > sum(map(len, once.values())) * 1.2
    told = [m[-1].text for m in model.requests if "REJECTED BEFORE" in m[-1].text]
    assert told
    assert all(re.search(r"REJECTED BEFORE\n\[1\] «", text) for text in told)


def test_a_question_hides_the_items_themes_among_as_many_that_it_does_not_carry() -> None:
    item = Item("a", "A", (("genre", "Sea"),))
    every = sorted(["sea", "pirates", "islands", "gold", "spies", "space", "love"])
    question = pick_question(item, ["pirates", "gold"], every)
    assert question == pick_question(item, ["pirates", "gold"], every)
    assert question is not None
    assert len(question.options) == 4
    assert {question.options[n - 1] for n in question.own} == {"pirates", "gold"}
    assert "sea" not in question.options
    assert pick_question(item, ["pirates"], ["Sea", "pirates"]) is None


def test_whoever_picks_everything_has_found_nothing() -> None:
    question = PickQuestion("a", ("x", "own 1", "y", "own 2"), frozenset({2, 4}))
    assert question.found_again([4, 2, 1]) == ["own 1", "own 2"]
    assert question.found_again([1, 2, 3, 4]) == []
    assert question.found_again([2, 7, -1, 0]) == ["own 1"]
    assert question.found_again(None) == question.found_again([]) == []


# -- new items -----------------------------------------------------------------------------------------------------------


async def test_new_items_cost_their_own_batch_and_change_no_earlier_answer(town) -> None:
    script = planted_items(town.dataset, 0.0, verifier_error_rate=0.0)
    ids = list(town.dataset.catalogue.ids)
    smaller = replace(town.dataset, catalogue=Catalogue((town.dataset.catalogue[i] for i in ids if i != "item-0003"), "book"))
    before = await ItemChatMind(ScriptedChatModel(script), smaller).ask_items()
    same = ScriptedChatModel(script)
    assert await ItemChatMind(same, smaller).ask_items(before) is before
    assert same.requests == []
    grown = ScriptedChatModel(script)
    after = await ItemChatMind(grown, town.dataset).ask_items(before)
    assert [asked(messages) for messages in grown.requests] == [("ITEMS", 1), ("PICK", 1)]
    old, new = by_item(before), by_item(after)
    assert new.keys() - old.keys() == {"item-0003"}
    assert {item: new[item] for item in old} == old
    assert after.source.verified
    assert "130 items" in after.source.note


async def test_items_without_an_answer_are_not_asked_again_as_long_as_nothing_is_new(town) -> None:
    script = planted_items(town.dataset, 0.0)
    titles = [town.dataset.catalogue[i].title for i in ("item-0001", "item-0002")]

    def silent(messages: Any) -> str:
        found = json.loads(script(messages))
        lines = messages[-1].text.splitlines()
        if "items" in found:
            shown = lines[lines.index("ITEMS") + 1 :]
            found["items"] = [row for row in found["items"] if not any(t in shown[row["item"] - 1] for t in titles)]
        return json.dumps(found)

    counts: Counter[str] = Counter()
    told = await ItemChatMind(ScriptedChatModel(silent), town.dataset).ask_items(counts=counts)
    assert counts["reason_unanswered"] == 2
    assert "2 of them without a reason" in told.source.note
    again = ScriptedChatModel(silent)
    await ItemChatMind(again, town.dataset).ask_items(told)
    assert again.requests == []


async def test_items_of_a_useless_reply_are_asked_for_by_the_next_call(town) -> None:
    script = planted_items(town.dataset, 0.0)
    title = town.dataset.catalogue["item-0001"].title

    def broken(messages: Any) -> str:
        return "I would rather not." if f"«{title}»" in messages[3].text else script(messages)

    told = await ItemChatMind(ScriptedChatModel(broken), town.dataset).ask_items()
    missing = {item.id for item in town.dataset.catalogue} - {appeal.item for appeal in told.appeals}
    assert "item-0001" in missing
    again = ScriptedChatModel(script)
    mended = await ItemChatMind(again, town.dataset).ask_items(told)
    assert {appeal.item for appeal in mended.appeals} == {item.id for item in town.dataset.catalogue}
    assert 0 < len(again.requests) <= 4
    silent = ScriptedChatModel([])
    assert await ItemChatMind(silent, town.dataset).ask_items(mended) is mended


async def test_answers_asked_for_in_another_way_are_not_used(town) -> None:
    script = planted_items(town.dataset, 0.0)
    told = await ItemChatMind(ScriptedChatModel(script), town.dataset).ask_items()
    other = ScriptedChatModel(script)
    await ItemChatMind(other, town.dataset, ItemChatConfig(reasons=2)).ask_items(told)
    assert len(other.requests) == 14


# -- replies that are not what was asked for -----------------------------------------------------------------------------


async def test_items_that_a_reply_misses_are_asked_for_once_more_then_counted(town) -> None:
    script = planted_items(town.dataset, 0.0, verifier_error_rate=0.0)

    def half(messages: Any) -> str:
        found = json.loads(script(messages))
        (rows,) = found.values()
        del rows[len(rows) // 2 :]
        return json.dumps(found)

    themes, counts, model = await answers(town.dataset, half, tries=0)
    assert len(themes) > 60
    assert counts["reason_unanswered"] > 0
    assert counts["reason_unanswered"] + len(themes) + counts["verify_unanswered"] == 130
    assert {size for kind, size in map(asked, model.requests) if kind == "ITEMS"} == {20, 10, 5}


@pytest.mark.parametrize("said", ["", "{}", '{"items": []}', "I would rather not", '{"items": [{"item": "x"}]}', "[" * 1_000])
async def test_empty_replies_end_and_are_counted(said: str, town) -> None:
    themes, counts, model = await answers(town.dataset, lambda _: said)
    assert themes == {}
    assert counts["reason_unanswered"] == 130
    assert len(model.requests) <= 2 * (7 + 13 + 4)  # batches of 20, then of 10, each with one repair


async def test_unknown_and_repeated_items_are_counted_and_change_nothing(town) -> None:
    script = planted_items(town.dataset, 0.0, verifier_error_rate=0.0)
    plain, _, _ = await answers(town.dataset, script)

    def noisy(messages: Any) -> str:
        found = json.loads(script(messages))
        (name, rows) = next(iter(found.items()))
        empty = {"items": {"reasons": ["something else"]}, "picks": {"fits": []}}[name]
        rows += [{"item": n, **empty} for n in (0, -1, 21, 10**30, 1)]
        return json.dumps(found)

    themes, counts, _ = await answers(town.dataset, noisy)
    assert themes == plain
    assert counts["repeated"] == 14
    assert counts["unknown"] >= 4 * 14


async def test_five_hundred_invented_themes_are_cut_to_what_was_asked_for(town) -> None:
    script = planted_items(town.dataset, 0.0, verifier_error_rate=0.0)

    def inventive(messages: Any) -> str:
        found = json.loads(script(messages))
        for row in found.get("items", ()):
            row["reasons"] += [f"invented {row['item']} {n}" for n in range(500)]
        return json.dumps(found)

    config = ItemChatConfig(reasons=8, vocabulary=40)
    themes, _, model = await answers(town.dataset, inventive, config, verification=False)
    assert max(map(len, themes.values())) == 8
    for messages in model.requests:
        lines = messages[-1].text.splitlines()
        if lines[0] == "REASONS SO FAR":
            assert lines[1].count("«") <= 40


def test_what_no_theme_can_be_is_dropped() -> None:
    said = ["Emma", "emma", " a\nb ", "A B", "", "»", "x" * (LONGEST_THEME + 1), "fine", "FINE", "more"]
    assert cleaned(said, Item("e", "Emma"), 3) == ["a b", "›", "fine"]


async def test_a_model_that_is_away_ends_the_asking(town) -> None:
    with pytest.raises(ModelUnavailableError):
        await answers(town.dataset, lambda _: ModelUnavailableError("away"))


def test_waves_double_and_lose_no_item() -> None:
    items = [str(n) for n in range(1000)]
    sizes = [len(wave) for wave in waves(items, 20)]
    assert sizes[:5] == [20, 20, 40, 80, 160]
    assert [item for wave in waves(items, 20) for item in wave] == items


async def test_steps_are_themes_that_two_items_share_and_cost_no_call(town) -> None:
    model = ScriptedChatModel(planted_items(town.dataset, 0.0, verifier_error_rate=0.0))
    mind = ItemChatMind(model, town.dataset)
    await mind.ask_items()
    paid = len(model.requests)
    user = next(iter(town.dataset.histories))
    found = await mind.reason(block_of(town.dataset, user, 6))
    assert [v.score for v in await mind.verify(block_of(town.dataset, user, 6), found)]
    assert len(model.requests) == paid
    for c in found:
        assert c.reason in town.dataset.catalogue[c.item].values("theme")
        assert c.cause_kind == "root" or c.reason in town.dataset.catalogue[c.cause].values("theme")
