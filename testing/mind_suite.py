"""The contract of minds: every promise of `agents.protocols`, for any mind that fills all three roles.

class TestMine(MindContract):
    @pytest.fixture(scope="class")
    def open_mind(self):
        return lambda world: MyMind(world.dataset)
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from llmrg.agents.calibration import CalibrationConfig, calibrate
from llmrg.agents.context import Minds
from llmrg.agents.protocols import Block, Candidate, Cut, Mind, OpenChain
from llmrg.core.errors import ModelReplyError
from llmrg.core.records import History, Item
from llmrg.data.dataset import Catalogue, Dataset
from llmrg.testing.planted import PlantedConfig, PlantedWorld, random_catalogue, simulate

OpenMind = Callable[[PlantedWorld], Mind]
MOST = 10
"""Candidates for an item, and continuations of a chain, at most."""


def small_world() -> PlantedWorld:
    return simulate(random_catalogue(60, 12, seed=1), PlantedConfig(readers=16, min_length=6, max_length=9, seed=5))


def awkward_world() -> PlantedWorld:
    """Items without title or attributes, with endless titles, with titles that differ in case or year only."""
    world = small_world()
    items = [
        Item(item.id, title, item.attributes if number % 5 else ())
        for number, (item, title) in enumerate(zip(world.dataset.catalogue, _awkward(len(world.dataset.catalogue)), strict=True))
    ]
    dataset = replace(world.dataset, catalogue=Catalogue(items, noun=world.dataset.catalogue.noun))
    return replace(world, dataset=dataset)


def _awkward(count: int) -> list[str]:
    odd = ["", "x" * 10_000, "The Same (1990)", "THE SAME (1990)", "the same (1991)", "\n\t", "«»", "🙂 émoji"]
    return [f"{odd[n % 8]}{n // 8 or ''}" if odd[n % 8].strip() else odd[n % 8] for n in range(count)]


def block_of(dataset: Dataset, user: str, stop: int, start: int = 0, first: int = 0) -> Block:
    return Block(user, dataset.histories[user].before(stop), tuple(range(start, stop)), (), first)


def run(work: Any) -> Any:
    """Each in an event loop of its own, as a program does that builds twice."""
    return asyncio.run(work)


class MindContract:
    """Subclass it and give the fixture `open_mind`."""

    @pytest.fixture(scope="class")
    def open_mind(self) -> OpenMind:
        raise NotImplementedError("give the suite a fixture `open_mind`: a function from a PlantedWorld to a mind")

    @pytest.fixture(scope="class")
    def world(self) -> PlantedWorld:
        return small_world()

    @pytest.fixture(scope="class")
    def mind(self, open_mind: OpenMind, world: PlantedWorld) -> Mind:
        return open_mind(world)

    @pytest.fixture(scope="class")
    def user(self, world: PlantedWorld) -> str:
        return max(world.dataset.histories, key=lambda user: len(world.dataset.histories[user]))

    # -- who it is -----------------------------------------------------------------------------------------------------
    def test_it_says_who_it_is(self, mind: Mind, open_mind: OpenMind, world: PlantedWorld) -> None:
        again = open_mind(world)
        assert mind.name == again.name != ""
        assert json.loads(json.dumps(mind.settings)) == json.loads(json.dumps(again.settings))
        assert 0 <= mind.default_tau <= 1

    # -- reasons -------------------------------------------------------------------------------------------------------
    def test_candidates_are_about_the_block(self, mind: Mind, world: PlantedWorld, user: str) -> None:
        chain = OpenChain(3, world.dataset.histories[user].items[1], 1, "theme 01", 0.9)
        block = replace(block_of(world.dataset, user, 6, start=2, first=1), chains=(chain,))
        proposed = run(mind.reason(block))
        assert proposed
        for c in proposed:
            check_candidate(c, block)
        by_position = [[c for c in proposed if c.position == p] for p in block.positions]
        assert all(len(candidates) <= MOST for candidates in by_position)
        assert len({(c.position, c.cause, c.cause_position, c.reason) for c in proposed}) == len(proposed)

    def test_only_the_positions_asked_for_are_explained(self, mind: Mind, world: PlantedWorld, user: str) -> None:
        block = replace(block_of(world.dataset, user, 6), positions=(3, 5))
        assert {c.position for c in run(mind.reason(block))} <= {3, 5}

    def test_what_comes_later_and_what_others_hold_out_changes_nothing(
        self, open_mind: OpenMind, world: PlantedWorld, user: str
    ) -> None:
        """A leak would show: later items of this user, and the last items of all others, are others."""
        ids = world.dataset.catalogue.ids
        changed = {}
        for name, history in world.dataset.histories.items():
            keep = 4 if name == user else len(history) - 2
            unseen = [item for item in ids if item not in history.items]
            items = (*history.items[:keep], *unseen[: len(history) - keep])
            changed[name] = replace(history, items=items)
        other = replace(world, dataset=replace(world.dataset, histories=changed))
        ours, theirs = open_mind(world), open_mind(other)
        candidates, candidates_other = (
            run(mind.reason(block_of(data.dataset, user, 4))) for mind, data in ((ours, world), (theirs, other))
        )
        assert candidates == candidates_other
        scores = [run(mind.verify(block_of(world.dataset, user, 4), candidates)) for mind in (ours, theirs)]
        assert [v.score for v in scores[0]] == [v.score for v in scores[1]]

    def test_a_critique_is_taken(self, mind: Mind, world: PlantedWorld, user: str) -> None:
        block = replace(block_of(world.dataset, user, 5), critiques={2: "it fits another item better", 4: ""})
        for c in run(mind.reason(block)):
            check_candidate(c, block)

    # -- verdicts ------------------------------------------------------------------------------------------------------
    def test_there_is_one_verdict_a_candidate_in_order(self, mind: Mind, world: PlantedWorld, user: str) -> None:
        block = block_of(world.dataset, user, 6)
        candidates = run(mind.reason(block))
        verdicts = run(mind.verify(block, candidates))
        assert len(verdicts) == len(candidates)
        assert all(0 <= v.score <= 1 and not math.isnan(v.score) for v in verdicts)
        assert all(v.seen <= len(block.history) for v in verdicts)
        assert [v.score for v in run(mind.verify(block, candidates))] == [v.score for v in verdicts]
        assert run(mind.verify(block, [])) == []

    def test_right_steps_score_above_wrong_ones(self, mind: Mind, world: PlantedWorld) -> None:
        calibration = run(calibrate(world.dataset, Minds(mind, mind, mind), CalibrationConfig(users=16), truth=world.truth))
        assert calibration.auc["all"].value > 0.7, calibration.auc

    def test_what_cannot_be_judged_is_no_crash(self, mind: Mind, world: PlantedWorld, user: str) -> None:
        block = block_of(world.dataset, user, 4)
        items = block.history.items
        odd = [
            Candidate(2, "item", items[0], 0, "a reason that nobody knows", items[2], None, seen=3),
            Candidate(3, "root", "", None, "?", items[3], None, seen=4),
            Candidate(3, "attribute", "age=old", None, "theme 01", items[3], None, seen=4),
        ]
        assert len(run(mind.verify(block, odd))) == 3

    # -- imagination ---------------------------------------------------------------------------------------------------
    def test_chains_are_continued_with_what_was_not_seen(self, mind: Mind, world: PlantedWorld, user: str) -> None:
        cut = self._cut(mind, world, user)
        continuations = run(mind.imagine(cut))
        assert continuations
        seen = set(cut.history.items)
        for imagined in continuations:
            assert imagined.chain in {chain.number for chain in cut.chains}
            assert imagined.reason.strip()
            assert imagined.item in world.dataset.catalogue if imagined.item is not None else imagined.text.strip()
            assert imagined.item not in seen
        counts = [sum(imagined.chain == chain.number for imagined in continuations) for chain in cut.chains]
        assert max(counts) <= MOST
        assert run(mind.imagine(replace(cut, chains=()))) == []

    def _cut(self, mind: Mind, world: PlantedWorld, user: str) -> Cut:
        """Chains for reasons that the mind itself gave."""
        steps = {c.position: c for c in run(mind.reason(block_of(world.dataset, user, 6)))}
        last = [steps[p] for p in sorted(steps)][-2:]
        chains = tuple(OpenChain(7 + n, s.item, s.position, s.reason, 0.9) for n, s in enumerate(last))
        return Cut(user, world.dataset.histories[user].before(6), 6, chains)

    # -- awkward input -------------------------------------------------------------------------------------------------
    def test_short_and_repeated_histories(self, mind: Mind, world: PlantedWorld, user: str) -> None:
        a, b = world.dataset.histories[user].items[:2]
        for items in ((a,), (a, a), (a, b, a, a)):
            block = Block(user, History(user, items), tuple(range(len(items))))
            for c in run(_or_nothing(mind.reason(block))):
                check_candidate(c, block)

    def test_titles_and_attributes_that_are_missing_endless_or_alike(self, open_mind: OpenMind) -> None:
        world = awkward_world()
        mind = open_mind(world)
        for user in list(world.dataset.histories)[:4]:
            block = block_of(world.dataset, user, len(world.dataset.histories[user]))
            candidates = run(_or_nothing(mind.reason(block)))
            for c in candidates:
                check_candidate(c, block)
                assert len(c.reason) < 500
            assert len(run(mind.verify(block, candidates))) == len(candidates)

    def test_a_history_of_5000_items(self, mind: Mind, world: PlantedWorld, user: str) -> None:
        ids = world.dataset.catalogue.ids
        items = tuple(ids[n % len(ids)] for n in range(5000))
        block = Block(user, History(user, items), tuple(range(4990, 5000)), (), 4950)
        for c in run(_or_nothing(mind.reason(block))):
            check_candidate(c, block)

    # -- at once -------------------------------------------------------------------------------------------------------
    def test_many_at_once_are_answered_as_one_by_one(self, mind: Mind, world: PlantedWorld) -> None:
        blocks = [block_of(world.dataset, user, 5) for user in world.dataset.histories]

        async def together() -> Any:
            return await asyncio.gather(*(mind.reason(block) for block in blocks))

        assert run(together()) == [run(mind.reason(block)) for block in blocks]


async def _or_nothing(work: Any) -> Any:
    """A useless reply is no candidates: what the machine makes of it."""
    try:
        return await work
    except ModelReplyError:
        return []


def check_candidate(c: Candidate, block: Block) -> None:
    """What the machine would drop otherwise."""
    items = block.history.items
    assert c.position in block.positions
    assert c.item == items[c.position]
    assert c.position < c.seen <= len(items)
    assert c.reason.strip()
    assert "\n" not in c.reason
    assert c.chain is None or c.chain in {chain.number for chain in block.chains}
    if c.cause_kind == "item":
        assert c.cause_position is not None
        assert block.first <= c.cause_position < c.position
        assert c.cause == items[c.cause_position]
    else:
        assert c.cause_position is None
        if c.cause_kind == "attribute":
            assert c.cause in {f"{name}={value}" for name, value in block.history.attributes}
