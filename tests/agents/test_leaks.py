"""The leak rule, with planted leaks: nothing later than a step's `seen`, and nobody's held-out item, shows in a graph.

`NosyMind` puts a digest of all that it was shown into its reasons, scores and choices. So graphs are equal where the inputs were.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmrg.agents.config import BuildConfig
from llmrg.agents.machine.nodes import reason, verify
from llmrg.agents.machine.nodes.plan import blocks_of
from llmrg.core.records import Knowledge
from llmrg.graph_store.sqlite_store import SqliteStore


def changed_from(dataset, position, users):
    """The data set with other items at `position` and after it (negative: counted from the end), each new to its user."""
    histories = {}
    for user in users:
        items = dataset.histories[user].items
        at = position % len(items)
        fresh = [item for item in dataset.catalogue.ids if item not in items]
        histories[user] = (*items[:at], *fresh[3 : 3 + len(items) - at])
    return histories


async def both(world, changed, mind_of, build_with, tmp_path, config, **options):
    """Graphs by user of the world and of the changed one, built apart."""
    found = []
    for name, dataset in (("one", world.dataset), ("other", changed)):
        with SqliteStore(tmp_path / name) as store:
            await build_with(dataset, mind_of(dataset), config, into=store, **options)
            found.append(store.graphs(dataset.name, options.get("users") or list(dataset.histories)))
    return found


async def test_a_mind_never_sees_beyond_its_block_or_cut(world, nosy, build_with, small, chance) -> None:
    mind = nosy(world.dataset)
    await build_with(world.dataset, mind, small, vectors=chance)
    assert mind.blocks
    assert mind.cuts
    for block in mind.blocks:
        full = world.dataset.histories[block.user].items
        start, stop = next(
            b for b in blocks_of(len(full), 0, small.block_size, world.dataset.split.held_out) if b[1] == len(block.history)
        )
        assert block.history.items == full[:stop]
        assert set(block.positions) <= set(range(start, stop))
        assert all(chain.tail_position < start for chain in block.chains)
        assert block.history.at == world.dataset.histories[block.user].at[:stop]
    for block, candidates in mind.verified:
        full = world.dataset.histories[block.user].items
        assert block.history.items == full[: len(block.history)]
        assert all(c.position <= len(block.history) and c.seen <= len(block.history) for c in candidates)
    for cut in mind.cuts:
        full = world.dataset.histories[cut.user].items
        assert len(cut.history) == cut.position
        assert cut.history.items == full[: cut.position]
        assert all(chain.tail_position < cut.position for chain in cut.chains)


@pytest.mark.parametrize("kind", ["nosy", "attributes"])
async def test_changing_all_held_out_items_changes_no_earlier_step(
    kind, world, nosy, attributes, build_with, with_items, small, chance, tmp_path
) -> None:
    changed = with_items(world.dataset, changed_from(world.dataset, -2, world.dataset.histories))
    mind_of = nosy if kind == "nosy" else type(attributes)
    one, other = await both(world, changed, mind_of, build_with, tmp_path, small, vectors=chance)
    for user, history in world.dataset.histories.items():
        p = len(history) - 2
        assert one[user].before(p).steps == other[user].before(p).steps
        assert one[user].before(p).steps
        assert one[user].steps != other[user].steps


@pytest.mark.parametrize("kind", ["nosy", "attributes"])
@pytest.mark.parametrize("position", [3, 5])
async def test_changing_later_items_of_a_user_changes_no_step_that_had_not_seen_them(
    kind, position, world, nosy, attributes, build_with, with_items, small, chance, tmp_path
) -> None:
    user = list(world.dataset.histories)[2]
    changed = with_items(world.dataset, changed_from(world.dataset, position, [user]))
    mind_of = nosy if kind == "nosy" else type(attributes)
    users = list(world.dataset.histories)[:3]
    one, other = await both(world, changed, mind_of, build_with, tmp_path, small, vectors=chance, users=users)
    assert one[user].before(position).steps == other[user].before(position).steps
    assert one[user].steps != other[user].steps


async def test_a_prefix_gives_the_same_steps_as_the_whole(world, nosy, build_with, with_items, small, chance, tmp_path) -> None:
    """Built for the history without its last item (one item held out instead of two): equal up to there."""
    user = max(world.dataset.histories, key=lambda u: len(world.dataset.histories[u]))
    items = world.dataset.histories[user].items
    shorter = with_items(world.dataset, {user: items[:-1]})
    graphs = []
    for dataset, held_out in ((world.dataset, 2), (shorter, 1)):
        with SqliteStore(tmp_path / str(held_out)) as store:
            config = small.model_copy(update={"held_out": held_out})
            await build_with(dataset, nosy(dataset), config, into=store, users=[user], vectors=chance)
            graphs.append(store.graph(dataset.name, user))
    assert graphs[0].before(len(items) - 1).steps == graphs[1].steps


@pytest.mark.parametrize("place", [reason, verify])
async def test_a_planted_leak_would_be_found(
    place, world, nosy, build_with, with_items, small, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks above are worth something: a node that shows the whole history fails them."""

    def whole_history(context, state, positions):
        block = honest(context, state, positions)
        return replace(block, history=context.history(state["user"]))

    honest = place.block_of
    monkeypatch.setattr(place, "block_of", whole_history)
    user = next(iter(world.dataset.histories))
    changed = with_items(world.dataset, changed_from(world.dataset, -1, [user]))

    class Sly(nosy):
        """Does not own up to what it was shown."""

        async def reason(self, block):
            return [replace(c, seen=c.position + 1) for c in await super().reason(block)]

        async def verify(self, block, candidates):
            return [replace(v, seen=0) for v in await super().verify(block, candidates)]

    one, other = await both(world, changed, Sly, build_with, tmp_path, small, users=[user])
    p = len(world.dataset.histories[user]) - 2
    assert one[user].before(p).steps != other[user].before(p).steps


async def test_held_out_items_never_enter_the_knowledge_base(world, nosy, attributes, build_with, store, small, chance) -> None:
    for mind in (attributes, nosy(world.dataset)):
        await build_with(world.dataset, mind, small, vectors=chance)
    entries = store.knowledge(world.dataset.name)
    assert entries
    for entry in entries:
        items = world.dataset.histories[entry.source_user].items
        training = items[: len(items) - world.dataset.split.held_out]
        assert entry.source_position < len(training)
        assert {entry.from_item, entry.to_item} <= set(training)


async def test_nobody_is_told_of_anothers_held_out_step(shelf, attributes, build_with, store) -> None:
    """`a -> b` stands at the end of the first history: the second user, who took the same, must not recall it."""
    titles = {"a": ("odd",), "b": ("odd",), "x": ("even",), "y": ("even",), "z": ("prime",)}
    dataset = shelf(titles, {"first": ["x", "y", "a", "b"], "second": ["x", "a", "b", "z", "y"]})
    lenient = BuildConfig(tau=0.1, wave=1)
    await build_with(dataset, type(attributes)(dataset), lenient)
    assert store.knowledge_for("shelf", [("a", "b")], "attributes")[0].source_user == "second"
    assert [s.origin for s in store.graph("shelf", "second").reasoned() if s.item == "b"] == ["model"]
    assert [s.origin for s in store.graph("shelf", "second").reasoned() if s.item == "y"] == ["knowledge"]  # x -> y is shared
    longer = shelf(titles, {"third": ["x", "y", "a", "b", "z", "x"], "second": ["x", "a", "b", "z", "y"]})
    await build_with(longer, type(attributes)(longer), lenient, users=["third"])
    assert [s.origin for s in store.graph("shelf", "third").reasoned() if s.item == "b"] == ["knowledge"]


async def test_a_users_own_later_entry_is_not_recalled(shelf, attributes, build_with, store) -> None:
    """Even if an earlier run has left it in the store."""
    titles = {"a": ("odd",), "b": ("odd",), "c": ("even",), "d": ("prime",)}
    dataset = shelf(titles, {"u": ["a", "b", "c", "d", "a", "b", "c", "d"]})
    store.put_items("shelf", dataset.catalogue)
    store.put_knowledge("shelf", [Knowledge("a", "secret", "b", 0.9, 0, "u", 5, mind="attributes")])
    await build_with(dataset, type(attributes)(dataset))
    assert "secret" not in {step.reason for step in store.graph("shelf", "u").steps}
    store.put_knowledge("shelf", [Knowledge("a", "open", "b", 0.9, 0, "somebody", 5, mind="attributes")])
    await build_with(dataset, type(attributes)(dataset), resume=False)
    assert "open" in {step.reason for step in store.graph("shelf", "u").steps}


async def test_a_second_run_on_the_same_store_recalls_no_more_of_ones_own(world, nosy, build_with, store, small) -> None:
    """All that a user contributed is in the store by then; still each block is told only what came before it."""
    user = max(world.dataset.histories, key=lambda u: len(world.dataset.histories[u]))
    await build_with(world.dataset, nosy(world.dataset), small, users=[user])
    first = store.graph(world.dataset.name, user)
    await build_with(world.dataset, nosy(world.dataset), small, users=[user], resume=False)
    assert store.graph(world.dataset.name, user).steps == first.steps


async def test_an_entry_counts_as_late_as_all_that_its_maker_had_seen(world, nosy, build_with, store, small) -> None:
    """A mind that reads a block at once knows the block's end when it explains the block's beginning."""
    user = next(iter(world.dataset.histories))
    await build_with(world.dataset, nosy(world.dataset), small, users=[user])
    stops = {stop for _, stop in blocks_of(len(world.dataset.histories[user]), 0, small.block_size, world.dataset.split.held_out)}
    entries = store.knowledge(world.dataset.name)
    assert entries
    assert {entry.source_position + 1 for entry in entries} <= stops


async def test_a_verifier_that_reads_ahead_delays_the_step(world, nosy, attributes, build_with, store, small) -> None:
    """Reasons made item by item, scores given with the whole block in view: the steps count as having seen the block."""
    from llmrg.agents.context import Minds

    user = next(iter(world.dataset.histories))
    minds = Minds(attributes, nosy(world.dataset), attributes)
    await build_with(world.dataset, minds, small, users=[user])
    stops = [stop for _, stop in blocks_of(len(world.dataset.histories[user]), 0, small.block_size, world.dataset.split.held_out)]
    for step in store.graph(world.dataset.name, user).steps:
        if step.kind == "reasoned":
            assert step.seen == next(stop for stop in stops if stop > step.position)
        else:
            assert step.seen == step.position


async def test_suggestions_are_unseen_and_from_others(world, nosy, build_with, with_items, small, tmp_path) -> None:
    """What follows a tail in the user's own history is not suggested; changing the user's later items changes no suggestion."""
    user = next(iter(world.dataset.histories))
    told = []
    for name, dataset in (("one", world.dataset), ("two", with_items(world.dataset, changed_from(world.dataset, 5, [user])))):
        mind = nosy(dataset)
        with SqliteStore(tmp_path / name) as store:
            await build_with(dataset, mind, small, into=store, users=[user])
        for cut in mind.cuts:
            assert not {item for items in cut.suggestions.values() for item in items} & set(cut.history.items)
        told.append([cut.suggestions for cut in mind.cuts if cut.position <= 5])
    assert told[0] == told[1]
    assert any(told[0])


async def test_alone_in_the_world_nothing_is_suggested(world, nosy, build_with, small) -> None:
    user = next(iter(world.dataset.histories))
    alone = world.dataset.only([user])
    mind = nosy(alone)
    await build_with(alone, mind, small)
    assert mind.cuts
    assert not any(items for cut in mind.cuts for items in cut.suggestions.values())
