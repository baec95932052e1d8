"""The whole machine, end to end, on planted worlds with the attributes mind."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.machine.chains import open_chains
from llmrg.agents.machine.nodes.plan import blocks_of, cuts_of
from llmrg.agents.minds.attributes import AttributesMind
from llmrg.agents.minds.shared_themes import SharedThemesConfig
from llmrg.agents.protocols import Block
from llmrg.core.errors import StoreError, UnknownUserError
from llmrg.core.records import History, ReasoningGraph, VectorSpace
from llmrg.data.dataset import Catalogue
from llmrg.data.splits import Split
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.planted import PlantedConfig, random_catalogue, simulate


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 12), st.integers(0, 4))
def test_blocks_cover_what_is_left_and_end_on_every_cut(length: int, start: int, size: int, held_out: int) -> None:
    start = min(start, length)
    blocks = blocks_of(length, start, size, held_out)
    assert [p for begin, stop in blocks for p in range(begin, stop)] == list(range(start, length))
    assert all(0 < stop - begin <= size for begin, stop in blocks)
    ends = {stop for _, stop in blocks}
    assert {end for end in range(length - held_out, length + 1) if end > start} <= ends


def check_steps(graph: ReasoningGraph, history: History, config: BuildConfig, every: int) -> None:
    blocks = blocks_of(len(history), 0, config.block_size or 10, Split().held_out)
    ends = {cut for block in blocks for cut in cuts_of(*block, every)}
    for step in graph.steps:
        if step.cause_kind == "item":
            assert history.items[step.cause_position] == step.cause
        if step.kind == "reasoned":
            assert step.item == history.items[step.position]
            assert step.position < step.seen <= len(history)
        else:
            assert step.position in ends
            assert step.seen == step.position
            assert step.item not in history.items[: step.position]
        assert (step.chain >= 0) == step.accepted
        assert bool(step.why_rejected) != step.accepted


def check_chains(graph: ReasoningGraph) -> None:
    """Each step of a chain begins where the chain ended before it."""
    for steps in graph.chains().values():
        reasoned = [step for step in steps if step.kind == "reasoned"]
        for before, after in pairwise(reasoned):
            assert (after.cause, after.cause_position) == (before.item, before.position)
        for step in (s for s in steps if s.kind == "imagined"):
            tail = [s for s in reasoned if s.position < step.position][-1]
            assert (step.cause, step.cause_position) == (tail.item, tail.position)


async def test_every_step_is_valid_and_chains_are_joined(world, store, build_with, attributes, nosy, small, chance) -> None:
    for mind in (attributes, nosy(world.dataset)):
        report = await build_with(world.dataset, mind, vectors=chance)
        assert (report.users, report.built, report.failed) == (len(world.dataset.histories), len(world.dataset.histories), {})
        for user, history in world.dataset.histories.items():
            graph = store.graph(world.dataset.name, user)
            assert graph.run == report.run
            check_steps(graph, history, small, getattr(mind, "cut_every", 0))
            check_chains(graph)
            assert graph.reasoned()
            assert max(map(len, graph.chains().values())) > 1


async def test_the_report_and_the_run_count_what_the_store_holds(world, store, build_with, attributes, chance) -> None:
    report = await build_with(world.dataset, attributes, BuildConfig(block_size=4, wave=1, tau=0.5), vectors=chance)
    graphs = [store.graph(world.dataset.name, user) for user in world.dataset.histories]
    counts = report.counts
    assert counts["verify.reasoned.accepted"] >= sum(len(g.reasoned()) for g in graphs) > 0
    assert counts["verify.imagined.accepted"] >= sum(len(g.imagined()) for g in graphs) > 0
    assert counts["recall.asked"] == sum(len(h) for h in world.dataset.histories.values())
    assert counts["recall.hits"] > 0
    assert counts["recall.used"] == sum(k.uses for k in store.knowledge(world.dataset.name))
    assert report.grounding_rate == 1.0
    run = store.run(world.dataset.name, report.run)
    assert run.status == "done"
    assert run.costs["verify.reasoned.accepted"] == counts["verify.reasoned.accepted"]
    assert {"calls", "tokens", "seconds"} <= run.costs.keys()


async def test_accepted_reasons_are_the_planted_ones_more_often_than_by_chance(world, store, build_with, attributes) -> None:
    await build_with(world.dataset, attributes, BuildConfig(candidates=1, divergence=False))
    truth = {(step.user, step.position): step.reason for step in world.truth if step.kind == "reason"}
    steps = [s for user in world.dataset.histories for s in store.graph(world.dataset.name, user).reasoned()]
    judged = [s for s in steps if (s.user, s.position) in truth]
    right = sum(s.reason == truth[s.user, s.position] for s in judged)
    by_chance = sum(1 / len(world.dataset.catalogue[s.item].attributes) for s in judged)
    assert right > 1.2 * by_chance


@pytest.mark.parametrize("kind", ["attributes", "nosy"])
async def test_only_the_last_l_tru_items_are_reasoned_over(kind, world, store, build_with, attributes, nosy) -> None:
    """Causes included, whether the mind keeps to that or not."""
    mind = attributes if kind == "attributes" else nosy(world.dataset)
    await build_with(world.dataset, mind, BuildConfig(l_tru=3, tau=0.0))
    for user, history in world.dataset.histories.items():
        steps = [step for step in store.graph(world.dataset.name, user).steps if step.kind == "reasoned"]
        assert min((step.position for step in steps), default=99) >= len(history) - 3
        assert min((s.cause_position for s in steps if s.cause_position is not None), default=99) >= len(history) - 3


async def test_no_item_gets_more_accepted_steps_than_asked_for(world, store, build_with, attributes) -> None:
    await build_with(world.dataset, attributes, BuildConfig(candidates=1, imagined_per_chain=1, tau=0.0))
    for user in world.dataset.histories:
        graph = store.graph(world.dataset.name, user)
        positions = [step.position for step in graph.reasoned()]
        assert len(positions) == len(set(positions))
        imagined = [(step.position, step.chain) for step in graph.imagined()]
        assert len(imagined) == len(set(imagined))


async def test_a_stored_reason_saves_the_reasoning_call(shelf, store, build_with, nosy) -> None:
    """Two users with the same history: the second one's items are explained from the knowledge base."""
    items = [f"b{n}" for n in range(8)]
    dataset = shelf(dict.fromkeys(items, ("t",)), {"first": items, "second": items})
    mind = nosy(dataset)
    config = BuildConfig(block_size=3, tau=0.0, held_out=2)
    report = await build_with(dataset, mind, config, users=["first"])
    assert report.counts.get("recall.hits", 0) == 0
    asked = sum(len(block.positions) for block in mind.blocks)
    report = await build_with(dataset, mind, config, users=["second"])
    stored = [k for k in store.knowledge("shelf") if k.source_user == "first"]
    assert stored
    assert report.counts["recall.used"] == len(stored)
    assert sum(len(block.positions) for block in mind.blocks) - asked == asked - len({k.to_item for k in stored})
    graph = store.graph("shelf", "second")
    assert {(s.cause, s.reason, s.item) for s in graph.reasoned() if s.origin == "knowledge"} == {
        (k.from_item, k.reason, k.to_item) for k in stored
    }


async def test_a_similar_reason_is_recalled_for_an_open_chain(shelf, store, build_with, attributes, chance) -> None:
    """Tier 2: the pair is new, the reason is the chain's, and it is known to lead to the item."""
    titles = {name: ("odd", "wide") if name in "abc" else ("wide",) for name in ("a", "b", "c", "d", "e", "f", "g", "h")}
    dataset = shelf(titles, {"first": ["a", "c", "d", "e"], "second": ["f", "b", "a", "b", "c", "g", "h"]})
    mind = type(attributes)(dataset)
    report = await build_with(dataset, mind, BuildConfig(block_size=2, wave=1, tau=0.1), vectors=chance)
    assert report.counts["recall.hits"] >= 1
    recalled = [s for s in store.graph("shelf", "second").reasoned() if s.origin == "knowledge"]
    assert any((s.reason, s.item) == ("odd", "c") for s in recalled)


async def test_another_text_encoder_is_refused_at_once(world, store, build_with, attributes, small, chance) -> None:
    class Other:
        name = "other"

        def embed(self, texts):
            return chance.embed(texts)

    report = await build_with(world.dataset, attributes, small, vectors=chance)
    assert store.vector_space(world.dataset.name) == VectorSpace("chance", 32)
    assert store.counts(world.dataset.name).knowledge
    asked = type(attributes)(world.dataset)
    with pytest.raises(StoreError, match=r"chance.*other"):
        await build_with(world.dataset, asked, small, vectors=Other())
    assert [run.id for run in store.runs(world.dataset.name)] == [report.run]
    store.prune_knowledge(world.dataset.name, max_uses=10**6)
    again = await build_with(world.dataset, asked, small, vectors=Other())
    assert (again.built, again.skipped) == (report.built, 0), "another encoder recalls other knowledge: it is another run"


async def test_a_block_without_any_step_does_not_stop_the_machine(shelf, store, build_with, attributes) -> None:
    """Open chains, then a block in which nothing is proposed: it goes on to the next one, each asked no more than allowed."""
    titles = {"a": ("odd",), "b": ("odd",), **dict.fromkeys("cdefgh", ()), "i": ("even",), "j": ("even", "odd")}
    dataset = shelf(titles, {"u": list("abcdefghij")})
    report = await build_with(dataset, type(attributes)(dataset), BuildConfig(block_size=2, tau=0.1, held_out=0))
    assert report.built == 1
    graph = store.graph("shelf", "u")
    assert {s.position for s in graph.reasoned()} == {0, 1, 8, 9}
    assert graph.cuts() == (2, 4, 6, 8, 10)[: len(graph.cuts())]


async def test_unknown_users_are_named_before_anything_is_written(world, store, build_with, attributes) -> None:
    with pytest.raises(UnknownUserError, match="nobody"):
        await build_with(world.dataset, attributes, users=["nobody"])
    assert store.runs(world.dataset.name) == []


async def test_chains_read_from_the_draft_are_those_of_the_running_machine(world, store, build_with, nosy, small) -> None:
    """So a resumed user goes on as if nothing had happened."""
    mind = nosy(world.dataset)
    user = next(iter(world.dataset.histories))
    await build_with(world.dataset, mind, small, users=[user])
    graph = store.graph(world.dataset.name, user)
    for block in mind.blocks:
        start = blocks_start(block, len(world.dataset.histories[user]), small)
        chains, following = open_chains(step for step in graph.steps if step.position < start)
        assert chains == block.chains
        assert all(step.chain >= 0 for step in graph.reasoned())
        assert following == 1 + max((step.chain for step in graph.reasoned() if step.position < start), default=-1)


def blocks_start(block: Block, length: int, config: BuildConfig) -> int:
    blocks = blocks_of(length, 0, config.block_size, Split().held_out)
    return next(start for start, stop in blocks if stop == len(block.history))


async def test_a_run_is_the_same_for_equal_settings_and_minds(world, build_with, attributes, small) -> None:
    one = await build_with(world.dataset, attributes, small)
    faster = await build_with(world.dataset, attributes, small.model_copy(update={"concurrency": 2, "max_seconds": 1e6}))
    other = await build_with(world.dataset, attributes, small.model_copy(update={"tau": 0.7}))
    again = await build_with(world.dataset, attributes, small, resume=False)
    mind = AttributesMind(world.dataset, SharedThemesConfig(proposals=1))
    narrower = await build_with(world.dataset, mind, small)
    judged = await build_with(world.dataset, Minds(attributes, mind, attributes), small)
    assert one.run == faster.run
    assert (faster.skipped, faster.built) == (one.users, 0)
    assert len({one.run, other.run, again.run, narrower.run, judged.run}) == 5


async def test_data_that_are_read_in_another_way_are_another_run(world, build_with, with_items, attributes, small) -> None:
    """Same name and users, other reasons to choose from or another word for an item; a history that has grown is the same run."""
    user = next(iter(world.dataset.histories))
    new = next(item for item in world.dataset.catalogue.ids if item not in world.dataset.histories[user].items)
    grown = with_items(world.dataset, {user: (*world.dataset.histories[user].items, new)})
    films = replace(world.dataset, catalogue=Catalogue(world.dataset.catalogue, "film"))
    read = [replace(world.dataset, reason_attributes=()), replace(world.dataset, reason_phrases=("a phrase",)), films]
    runs = [(await build_with(dataset, attributes, small, users=[user])).run for dataset in (world.dataset, grown, *read)]
    assert runs[0] == runs[1]
    assert len(set(runs)) == 4


async def test_going_back_to_a_run_costs_nothing_and_makes_its_graphs_the_newest(
    world, store, build_with, attributes, small
) -> None:
    first = await build_with(world.dataset, attributes, small)
    await build_with(world.dataset, attributes, small.model_copy(update={"tau": 0.7}), users=list(world.dataset.histories)[:2])
    back = await build_with(world.dataset, attributes, small)
    assert (back.run, back.built, back.skipped) == (first.run, 0, first.users)
    assert {store.graph(world.dataset.name, user).run for user in world.dataset.histories} == {first.run}


async def test_graphs_do_not_depend_on_how_many_users_are_under_way(build_with, contents, chance, tmp_path) -> None:
    """Nor on who is faster: with the knowledge base on, a wave's users see what the waves before them taught, and no more."""
    world = simulate(random_catalogue(30, 8, seed=1), PlantedConfig(readers=24, min_length=7, max_length=11, seed=5))
    mind = AttributesMind(world.dataset)
    slow = Slowed(mind, seed=3)
    found = []
    for concurrency, of in ((1, mind), (5, slow), (24, slow)):
        with SqliteStore(tmp_path / str(concurrency)) as store:
            config = BuildConfig(block_size=4, wave=6, tau=0.5, concurrency=concurrency)
            report = await build_with(world.dataset, of, config, into=store, vectors=chance)
            found.append(contents(store, world.dataset))
            assert report.counts["recall.used"] > 0
    assert found[0] == found[1] == found[2]


class Slowed:
    """Another mind, late by chance."""

    def __init__(self, mind: AttributesMind, seed: int) -> None:
        self._mind, self._dice = mind, random.Random(seed)
        self.name, self.settings, self.default_tau, self.prompt_versions = mind.name, mind.settings, mind.default_tau, {}
        self.cut_every = mind.cut_every

    async def _late(self, name: str, *args: Any) -> Any:
        await asyncio.sleep(self._dice.random() * 0.01)
        return await getattr(self._mind, name)(*args)

    async def reason(self, block: Any) -> Any:
        return await self._late("reason", block)

    async def verify(self, block: Any, candidates: Any) -> Any:
        return await self._late("verify", block, candidates)

    async def imagine(self, cut: Any) -> Any:
        return await self._late("imagine", cut)


async def test_progress_is_told_after_each_user(world, build_with, attributes) -> None:
    events = []
    await build_with(world.dataset, attributes, progress=events.append)
    assert [event.done for event in events] == list(range(len(world.dataset.histories) + 1))
    assert events[-1].accepted > 0
    assert (events[-1].finished, events[-1].failed, events[-1].money) == (len(world.dataset.histories), 0, None)


async def test_a_catalogue_may_hold_items_without_attributes_or_titles(world, store, build_with, attributes) -> None:
    from llmrg.core.records import Item
    from llmrg.data.dataset import Catalogue

    bare = replace(world.dataset, catalogue=Catalogue(Item(item.id, "") for item in world.dataset.catalogue))
    report = await build_with(bare, type(attributes)(bare))
    assert report.built == len(bare.histories)
    assert not any(store.graph(bare.name, user).steps for user in bare.histories)
