"""Where a build imagines, and how much of a graph a recommender can see where it learns (positions 1 to L - 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.machine.nodes.plan import blocks_of, cuts_of
from llmrg.agents.minds.attributes import AttributesMind
from llmrg.agents.minds.chat import ChatMind
from llmrg.agents.minds.likelihood import LikelihoodMind
from llmrg.agents.minds.local_lm import Floats, Usage
from llmrg.agents.protocols import Verdict
from llmrg.core.records import ReasoningGraph
from llmrg.data.dataset import Dataset
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.planted import PlantedConfig, PlantedWorld, random_catalogue, simulate
from llmrg.testing.planted_responder import planted_responder
from llmrg.testing.scripted_chat import ScriptedChatModel


class KnowingLM:
    """A stand-in for a language model: it knows the themes of every title."""

    name = weights = "knowing"

    def __init__(self, dataset: Dataset) -> None:
        self.usage = Usage()
        self._themes = {item.title: {value for _, value in item.attributes} for item in dataset.catalogue}

    def telling_apart(self, texts: Sequence[str]) -> list[str]:
        return list(texts)

    def score(self, prompts: Sequence[str], continuations: Sequence[Sequence[str]]) -> list[Floats]:
        titles = [prompt.partition("\n")[0].partition(" by ")[0] for prompt in prompts]
        known = [self._themes.get(title, set()) for title in titles]
        return [np.array([6.0 * (t.strip() in own) for t in tails]) for own, tails in zip(known, continuations, strict=True)]


@pytest.fixture(scope="module")
def town() -> PlantedWorld:
    """Short histories, and longer ones than a chat mind's block."""
    return simulate(random_catalogue(80, 24, seed=1), PlantedConfig(readers=8, min_length=5, max_length=34, noise=0.1, seed=3))


def attributes(world: PlantedWorld, _: Path) -> Any:
    return AttributesMind(world.dataset)


def likelihood(world: PlantedWorld, folder: Path) -> Any:
    return LikelihoodMind(world.dataset, KnowingLM(world.dataset), folder)  # type: ignore[arg-type]


def chat(world: PlantedWorld, _: Path) -> Any:
    return ChatMind(ScriptedChatModel(planted_responder(world.dataset, world.truth, 0.1)), world.dataset)


class Lenient:
    """A verifier that looks at nothing."""

    name, default_tau = "lenient", 0.3

    async def verify(self, block: Any, candidates: Sequence[Any]) -> list[Verdict]:
        return [Verdict(0.9) for _ in candidates]


def visible(dataset: Dataset, graphs: dict[str, ReasoningGraph]) -> tuple[float, float]:
    """Share of training positions that see a reasoned step, and an imagined one."""
    seen, places = np.zeros(2), 0
    for user, history in dataset.histories.items():
        graph = graphs[user]
        for p in range(1, dataset.split.train_length(history)):
            known = graph.before(p)
            seen += (bool(known.reasoned()), bool(known.imagined()))
            places += 1
    return tuple(seen / places)


@pytest.mark.parametrize(
    ("mind_of", "reasoned", "imagined"),
    [(attributes, 0.8, 0.7), (likelihood, 0.8, 0.7), (chat, 0.3, 0.3)],
    ids=["attributes", "likelihood", "chat"],
)
async def test_with_a_minds_defaults_a_recommender_sees_graphs_where_it_learns(
    mind_of: Callable[..., Any], reasoned: float, imagined: float, town, build_with, store, tmp_path
) -> None:
    await build_with(town.dataset, mind_of(town, tmp_path), BuildConfig(retry_wait_s=0))
    graphs = {user: store.graph(town.dataset.name, user) for user in town.dataset.histories}
    found = visible(town.dataset, graphs)
    assert found[0] >= reasoned
    assert found[1] >= imagined
    for user, history in town.dataset.histories.items():  # every one who has a place to learn at
        if town.dataset.split.train_length(history) > 1 and graphs[user].before(len(history)).imagined():
            assert graphs[user].before(town.dataset.split.train_length(history) - 1).imagined()


async def test_a_chat_mind_pays_for_the_ends_of_blocks_only(town, build_with, tmp_path) -> None:
    mind = chat(town, tmp_path)
    report = await build_with(town.dataset, mind, BuildConfig(tries=0, knowledge=False))
    blocks = sum(len(blocks_of(len(h), 0, mind.block_size, 2)) for h in town.dataset.histories.values())
    assert report.counts["diverge.cuts"] <= blocks
    assert report.total("calls") <= 4 * blocks


@pytest.mark.parametrize("paid", ["imaginer", "verifier"])
async def test_where_one_of_two_costs_calls_cuts_are_few(paid, town, build_with, tmp_path) -> None:
    free, dear = attributes(town, tmp_path), chat(town, tmp_path)
    minds = Minds(free, free, dear) if paid == "imaginer" else Minds(free, dear, free)
    users = list(town.dataset.histories)[:2]
    report = await build_with(town.dataset, minds, BuildConfig(), users=users)
    blocks = sum(len(blocks_of(len(town.dataset.histories[user]), 0, 10, 2)) for user in users)
    assert 0 < report.counts["diverge.cuts"] <= blocks


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 7))
def test_cuts_end_with_the_block_and_do_not_depend_on_where_it_begins(start: int, more: int, every: int) -> None:
    stop = start + more
    cuts = cuts_of(start, stop, every)
    assert cuts == sorted(set(cuts))
    assert cuts[-1] == stop
    assert set(cuts[:-1]) == {p for p in range(start + 1, stop) if every and p % every == 0}


@given(st.integers(3, 60), st.integers(1, 30))
def test_every_training_part_of_two_has_a_block_end_that_is_seen_there(length: int, size: int) -> None:
    stops = [stop for _, stop in blocks_of(length, 0, size, 2)]
    assert (min(stops) < length - 2) == (length - 2 >= 2)
    assert len(stops) <= max(2, -(-(length - 2) // size)) + 2


@given(st.integers(1, 60), st.integers(1, 30), st.integers(0, 3), st.data())
def test_a_build_that_goes_on_has_the_blocks_of_one_that_was_never_cut_short(
    length: int, size: int, held_out: int, data: Any
) -> None:
    blocks = blocks_of(length, 0, size, held_out)
    done = data.draw(st.integers(1, len(blocks)))
    assert blocks_of(length, blocks[done - 1][1], size, held_out, resumed=True) == blocks[done:]


async def test_imagined_steps_of_a_cut_know_nothing_later(town, nosy, build_with, with_items, store, tmp_path) -> None:
    """With other items from a position on, all that was imagined up to it is the same, whether minds pry or not."""
    user = max(town.dataset.histories, key=lambda u: len(town.dataset.histories[u]))
    items = town.dataset.histories[user].items
    position = len(items) // 2
    fresh = [item for item in town.dataset.catalogue.ids if item not in items]
    changed = with_items(town.dataset, {user: (*items[:position], *fresh[: len(items) - position])})
    config = BuildConfig(cut_every=1, block_size=6, tau=0.3, retry_wait_s=0)
    for name, minds_of in (
        ("nosy", lambda d: Minds(nosy(d), nosy(d), nosy(d))),
        ("plain", lambda d: Minds(AttributesMind(d), AttributesMind(d), AttributesMind(d))),
        ("prying imaginer", lambda d: Minds(AttributesMind(d), Lenient(), nosy(d))),
        ("prying reasoner", lambda d: Minds(nosy(d), Lenient(), nosy(d))),
    ):
        found = []
        for number, dataset in enumerate((town.dataset, changed)):
            with SqliteStore(tmp_path / f"{name}-{number}") as other:
                await build_with(dataset, minds_of(dataset), config, into=other, users=[user])
                found.append(other.graph(dataset.name, user))
        assert found[0].before(position).steps == found[1].before(position).steps, name
        assert set(range(6, position)) <= set(found[0].cuts()), name
        assert all(step.seen == step.position for step in found[0].steps if step.kind == "imagined")


async def test_a_cut_goes_on_from_the_chains_that_were_known_there(town, build_with, store) -> None:
    mind = AttributesMind(town.dataset)
    await build_with(town.dataset, mind, BuildConfig(cut_every=1, tau=0.3))
    for user, history in town.dataset.histories.items():
        graph = store.graph(town.dataset.name, user)
        ends = {step.chain: step for step in graph.imagined()}
        assert ends
        for step in graph.imagined():
            known = [s for s in graph.reasoned() if s.chain == step.chain and s.seen <= step.position]
            assert (step.cause, step.cause_position) == (known[-1].item, known[-1].position)
            assert step.item not in history.items[: step.position]


async def test_what_was_imagined_and_rejected_is_kept_at_the_ends_of_blocks_only(town, build_with, store) -> None:
    mind = AttributesMind(town.dataset)
    await build_with(town.dataset, mind, BuildConfig(cut_every=1, tau=0.99))
    for user, history in town.dataset.histories.items():
        ends = {stop for _, stop in blocks_of(len(history), 0, 10, 2)}
        rejected = [s for s in store.graph(town.dataset.name, user).rejected() if s.kind == "imagined"]
        assert {s.position for s in rejected} <= ends
