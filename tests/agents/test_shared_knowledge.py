"""Whose knowledge a build may use, and what may enter it."""

from __future__ import annotations

from typing import Any

import pytest

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.minds.attributes import AttributesMind
from llmrg.testing.planted import PlantedConfig, random_catalogue, simulate

CONFIG = BuildConfig(block_size=4, wave=1, concurrency=1, tau=0.3, retry_wait_s=0)


@pytest.fixture(scope="module")
def world() -> Any:
    """Few items, so that users share pairs of them."""
    return simulate(random_catalogue(24, 6, seed=1), PlantedConfig(readers=8, min_length=7, max_length=11, seed=5))


@pytest.fixture
def attributes(world: Any) -> AttributesMind:
    return AttributesMind(world.dataset)


def origins(store: Any, dataset: Any) -> set[str]:
    return {step.origin for user in dataset.histories for step in store.graph(dataset.name, user).steps}


class Renamed(AttributesMind):
    """The same under another name."""

    def __init__(self, dataset: Any, name: str) -> None:
        super().__init__(dataset)
        self.name = name


async def test_the_control_without_verification_does_not_read_what_was_verified(world, attributes, build_with, store) -> None:
    await build_with(world.dataset, attributes, CONFIG)
    known = store.knowledge(world.dataset.name)
    assert known
    report = await build_with(world.dataset, attributes, CONFIG.model_copy(update={"verification": False}))
    assert origins(store, world.dataset) == {"model"}
    assert "recall.asked" not in report.counts
    assert store.knowledge(world.dataset.name) == known


@pytest.mark.parametrize("role", ["reasoner", "verifier"])
async def test_a_mind_does_not_recall_what_another_one_put_there(role, world, attributes, build_with, store) -> None:
    """Another one is who reasons or verifies by another name."""
    await build_with(world.dataset, attributes, CONFIG)
    before = store.knowledge(world.dataset.name)
    other = Renamed(world.dataset, "others")
    minds = Minds(other, attributes, attributes) if role == "reasoner" else Minds(attributes, other, attributes)
    users = list(world.dataset.histories)
    first = await build_with(world.dataset, minds, CONFIG, users=users[:1])
    assert first.counts.get("recall.hits", 0) == 0
    await build_with(world.dataset, minds, CONFIG)
    assert "knowledge" in origins(store, world.dataset), "it recalls its own"
    theirs = [entry for entry in store.knowledge(world.dataset.name) if entry.key not in {e.key for e in before}]
    assert theirs
    assert {entry.mind for entry in theirs} != {entry.mind for entry in before}


async def test_another_imaginer_changes_nothing_of_what_is_known(world, attributes, build_with, store) -> None:
    await build_with(world.dataset, attributes, CONFIG)
    minds = Minds(attributes, attributes, Renamed(world.dataset, "others"))
    report = await build_with(world.dataset, minds, CONFIG)
    assert report.counts["recall.hits"] > 0


@pytest.mark.parametrize("held_out", [0, 1, 2, 4])
async def test_what_the_split_holds_out_is_never_shared_whatever_the_build_says(held_out, world, nosy, build_with, store) -> None:
    for mind in (AttributesMind(world.dataset), nosy(world.dataset)):
        await build_with(world.dataset, mind, CONFIG.model_copy(update={"held_out": held_out}))
    entries = store.knowledge(world.dataset.name)
    assert entries
    for entry in entries:
        history = world.dataset.histories[entry.source_user]
        assert entry.source_position < world.dataset.split.train_length(history)


async def test_a_later_honest_run_recalls_no_test_item_of_a_build_without_held_out_items(shelf, build_with, store) -> None:
    titles = {"a": ("odd",), "b": ("odd",), "x": ("even",), "y": ("even",), "z": ("prime",)}
    dataset = shelf(titles, {"first": ["x", "y", "a", "b"], "second": ["a", "b", "z", "y"]})
    lenient = BuildConfig(tau=0.1, wave=1)
    await build_with(dataset, AttributesMind(dataset), lenient.model_copy(update={"held_out": 0}), users=["first"])
    await build_with(dataset, AttributesMind(dataset), lenient, users=["second"])
    assert [s.origin for s in store.graph("shelf", "second").reasoned() if s.item == "b"] == ["model"]


async def test_a_history_too_short_to_be_split_shares_nothing_that_may_be_held_out_later(shelf, build_with, store) -> None:
    """Of two items none is held out today; with a third one, the second is."""
    dataset = shelf({"a": ("odd",), "b": ("odd",), "c": ("even",)}, {"u": ["a", "b"]})
    await build_with(dataset, AttributesMind(dataset), BuildConfig(tau=0.1))
    assert store.knowledge("shelf") == []


async def test_a_build_with_nothing_new_asks_for_no_vectors(world, attributes, store) -> None:
    """They come from a model that takes long to load."""
    from llmrg.agents.run.build import build
    from llmrg.encoders.text import HashedVectors

    class Counting(HashedVectors):
        asked = 0

        def embed(self, texts: Any) -> Any:
            Counting.asked += 1
            return super().embed(texts)

    minds = Minds(attributes, attributes, attributes)
    users = list(world.dataset.histories)
    await build(world.dataset, store, minds, CONFIG, users=users[:4], vectors=Counting())
    known, asked = store.knowledge(world.dataset.name), Counting.asked
    assert asked > 0
    assert all(entry.vector for entry in known)
    report = await build(world.dataset, store, minds, CONFIG, users=users[:4], vectors=Counting())
    assert (report.skipped, Counting.asked) == (4, asked)
    await build(world.dataset, store, minds, CONFIG, users=users, vectors=Counting())
    assert Counting.asked > asked
    assert len(store.knowledge(world.dataset.name)) > len(known)
