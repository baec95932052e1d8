"""The controls: what each stage is worth is measured by leaving it out."""

from __future__ import annotations

import pytest

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.protocols import Candidate, Verdict


async def test_without_verification_all_is_accepted_and_nothing_shared(world, nosy, build_with, store, small) -> None:
    mind = nosy(world.dataset)
    await build_with(world.dataset, mind, small.model_copy(update={"verification": False}))
    assert mind.verified == []
    steps = [step for user in world.dataset.histories for step in store.graph(world.dataset.name, user).steps]
    assert {(step.accepted, step.score) for step in steps} == {(True, 1.0)}
    assert store.knowledge(world.dataset.name) == []


async def test_without_divergence_nothing_is_imagined(world, nosy, build_with, store, small) -> None:
    mind = nosy(world.dataset)
    report = await build_with(world.dataset, mind, small.model_copy(update={"divergence": False}))
    assert mind.cuts == []
    assert report.grounding_rate is None
    graphs = [store.graph(world.dataset.name, user) for user in world.dataset.histories]
    assert not any(graph.imagined() for graph in graphs)
    assert all(graph.reasoned() for graph in graphs)


async def test_without_knowledge_it_is_neither_asked_nor_filled(world, nosy, build_with, store, small) -> None:
    await build_with(world.dataset, nosy(world.dataset), small)
    known = store.knowledge(world.dataset.name)
    assert known
    off = small.model_copy(update={"knowledge": False})
    report = await build_with(world.dataset, nosy(world.dataset), off)
    assert "recall.asked" not in report.counts
    steps = [step for user in world.dataset.histories for step in store.graph(world.dataset.name, user).steps]
    assert {step.origin for step in steps} == {"model"}
    assert store.knowledge(world.dataset.name) == known


class Strict:
    """Refuses every reasoned step, with a critique that tells the try."""

    name, default_tau = "strict", 0.5

    def __init__(self) -> None:
        self.rounds = 0

    async def verify(self, block, candidates):
        self.rounds += 1
        return [Verdict(0.1, f"no, says round {self.rounds}, of {c.item}") for c in candidates]


class Inventive:
    """A new reason at each try."""

    name = "inventive"

    def __init__(self, mind) -> None:
        self.mind, self.blocks = mind, []

    async def reason(self, block):
        from dataclasses import replace

        self.blocks.append(block)
        return [replace(c, reason=f"{c.reason} {len(self.blocks)}") for c in await self.mind.reason(block)]


@pytest.mark.parametrize("tries", [0, 1, 3])
async def test_recalibration_asks_exactly_so_many_times_more_with_the_critique(tries, world, nosy, build_with, store) -> None:
    user = next(iter(world.dataset.histories))
    length = len(world.dataset.histories[user])
    reasoner, mind = Inventive(nosy(world.dataset)), nosy(world.dataset)
    config = BuildConfig(tries=tries, block_size=50, held_out=0, knowledge=False)
    report = await build_with(world.dataset, Minds(reasoner, Strict(), mind), config, users=[user])
    assert len(reasoner.blocks) == tries + 1
    assert report.counts["reason.asked"] == length * (tries + 1)
    assert report.counts.get("reason.recalibrations", 0) == length * tries
    items = world.dataset.histories[user].items
    assert reasoner.blocks[0].critiques == {}
    for number, block in enumerate(reasoner.blocks[1:], start=1):
        assert block.positions == tuple(range(length))
        assert block.critiques == {p: f"no, says round {number}, of {items[p]}" for p in range(length)}
    assert not store.graph(world.dataset.name, user).reasoned()
    assert store.graph(world.dataset.name, user).rejected()


async def test_only_unexplained_items_are_asked_for_again(world, attributes, build_with, small) -> None:
    asked = []

    class Watched(type(attributes)):
        async def reason(self, block):
            asked.append(set(block.positions))
            return await super().reason(block)

        async def verify(self, block, candidates):
            return [Verdict(float(c.position % 2)) for c in candidates]

    user = next(iter(world.dataset.histories))
    config = small.model_copy(update={"block_size": 50, "held_out": 0, "knowledge": False})
    await build_with(world.dataset, Watched(world.dataset), config, users=[user])
    assert asked[1] == {p for p in asked[0] if p % 2 == 0}


async def test_a_kb_threshold_above_tau_keeps_weak_steps_out(world, nosy, build_with, store, small) -> None:
    await build_with(world.dataset, nosy(world.dataset), small.model_copy(update={"kb_tau": 0.8}))
    scores = [entry.score for entry in store.knowledge(world.dataset.name)]
    assert scores
    assert min(scores) >= 0.8
    accepted = [s.score for user in world.dataset.histories for s in store.graph(world.dataset.name, user).reasoned()]
    assert min(accepted) < 0.8


async def test_roles_may_take_different_minds(world, nosy, attributes, build_with, store, small) -> None:
    mind = nosy(world.dataset)
    report = await build_with(world.dataset, Minds(attributes, mind, attributes), small)
    settings = store.run(world.dataset.name, report.run).settings
    assert (settings["reasoner"], settings["verifier"], settings["imaginer"]) == ("attributes", "nosy", "attributes")
    assert set(report.minds) == {"attributes", "nosy"}
    assert mind.blocks == []
    assert mind.verified


async def test_without_verification_the_reasoners_first_proposals_are_kept(world, attributes, build_with, store) -> None:
    """All scores are 1 then, and a mind gives its best first."""

    class Lettered:
        name = "lettered"

        async def reason(self, block):
            items = block.history.items
            return [Candidate(p, "root", "", None, r, items[p], None, p + 1) for p in block.positions for r in ("z", "m", "a")]

    config = BuildConfig(verification=False, candidates=2, divergence=False, knowledge=False)
    await build_with(world.dataset, Minds(Lettered(), attributes, attributes), config)
    graphs = [store.graph(world.dataset.name, user) for user in world.dataset.histories]
    assert {step.reason for graph in graphs for step in graph.reasoned()} == {"z", "m"}
