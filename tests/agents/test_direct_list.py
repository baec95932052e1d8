"""The control without a graph."""

from __future__ import annotations

from llmrg.agents.config import BuildConfig
from llmrg.agents.direct_list import direct_list
from llmrg.agents.estimate.stand_in import StandInModel
from llmrg.agents.machine.nodes.plan import blocks_of
from llmrg.agents.minds.chat import ChatMind
from llmrg.testing.planted_responder import planted_responder
from llmrg.testing.scripted_chat import ScriptedChatModel

CONFIG = BuildConfig(block_size=4)


async def test_lists_are_unseen_items_at_every_cut_and_know_nothing_later(world, nosy) -> None:
    mind = nosy(world.dataset)
    graphs = await direct_list(world.dataset, mind, CONFIG)
    assert graphs.keys() == world.dataset.histories.keys()
    for user, graph in graphs.items():
        history = world.dataset.histories[user]
        assert graph.cuts() == tuple(stop for _, stop in blocks_of(len(history), 0, 4, 2))
        for step in graph.steps:
            assert step.seen == step.position
            assert step.item not in history.items[: step.position]
            assert (step.kind, step.score, step.accepted) == ("imagined", 1.0, True)
        assert len(graph.chains()) == len(graph.steps)
    assert all(cut.history.items == world.dataset.histories[cut.user].items[: cut.position] for cut in mind.cuts)


async def test_a_chat_model_is_asked_once_a_cut_and_its_titles_are_grounded(world) -> None:
    model = ScriptedChatModel(planted_responder(world.dataset, world.truth, 0.0))
    users = list(world.dataset.histories)[:2]
    calls = []
    await direct_list(
        world.dataset, ChatMind(model, world.dataset), CONFIG, users=users, progress=lambda *told: calls.append(told)
    )
    cuts = sum(len(blocks_of(len(world.dataset.histories[user]), 0, 4, 2)) for user in users)
    assert len(model.requests) == cuts
    assert calls == [(1, 2), (2, 2)]
    unknown = await direct_list(world.dataset, ChatMind(StandInModel(), world.dataset), CONFIG, users=users)
    assert all(graph.steps == () for graph in unknown.values())
