"""Runs that are cut short: by SIGKILL, and by a stop before or after every single write and call."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.minds.attributes import AttributesMind
from llmrg.agents.run.build import build
from llmrg.data.dataset import Dataset
from llmrg.graph_store.sqlite_store import SqliteStore

WATCHED = ("append_draft", "put_knowledge", "count_uses", "replace_graph", "set_user_status", "put_histories")


class DoomedStore(SqliteStore):
    """Kills its own process after so many blocks."""

    blocks_left = 0

    def append_draft(self, *args: Any) -> None:
        super().append_draft(*args)
        self.blocks_left -= 1
        if self.blocks_left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def build_until_killed(dataset: Dataset, path: Path, blocks: int) -> None:
    """The child process."""
    mind = AttributesMind(dataset)
    with DoomedStore(path) as store:
        store.blocks_left = blocks
        asyncio.run(build(dataset, store, Minds(mind, mind, mind), BuildConfig(block_size=4, wave=1, concurrency=1)))


class PowerCutError(BaseException):
    """Not an error that anything catches."""


class Fuse:
    """Lets `after` watched calls through and cuts the power at the next one, before or after it is done; None: never."""

    def __init__(self, after: int | None = None, *, done: bool = False) -> None:
        self.after, self.done, self.count = after, done, 0

    def wrap(self, call: Any) -> Any:
        def run(*args: Any, **options: Any) -> Any:
            self.count += 1
            cut = self.after is not None and self.count > self.after
            if cut and not self.done:
                raise PowerCutError
            result = call(*args, **options)
            if cut:
                raise PowerCutError
            return result

        return run


class FusedStore:
    """A store behind a fuse. (The run's last record is not written either when the power is cut.)"""

    def __init__(self, store: SqliteStore, fuse: Fuse) -> None:
        self._store, self._fuse = store, fuse

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        return self._fuse.wrap(call) if name in WATCHED else call


async def build_fused(dataset: Any, store: SqliteStore, mind: Any, config: BuildConfig, fuse: Fuse) -> Any:
    return await build(dataset, FusedStore(store, fuse), Minds(mind, mind, mind), config)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def undisturbed(world, contents, tmp_path_factory) -> Any:
    mind = AttributesMind(world.dataset)
    with SqliteStore(tmp_path_factory.mktemp("undisturbed") / "graphs.db") as store:
        asyncio.run(build(world.dataset, store, Minds(mind, mind, mind), BuildConfig(block_size=4, wave=1, concurrency=1)))
        return contents(store, world.dataset)


def test_killed_and_resumed_it_ends_with_the_same(world, undisturbed, contents, attributes, tmp_path: Path) -> None:
    """Killed with SIGKILL again and again, each time a little further on."""
    path = tmp_path / "graphs.db"
    for blocks in (1, 2, 4):
        child = get_context("fork").Process(target=build_until_killed, args=(world.dataset, path, blocks))
        child.start()
        child.join(60)
        assert child.exitcode == -signal.SIGKILL
    with SqliteStore(path) as store:
        (run,) = store.runs(world.dataset.name)
        assert run.status == "running"
        done = [user for user, (status, _) in store.user_statuses(world.dataset.name, run.id).items() if status == "done"]
        assert 0 < len(done) < len(world.dataset.histories)
        config = BuildConfig(block_size=4, wave=1, concurrency=1)
        report = asyncio.run(build(world.dataset, store, Minds(attributes, attributes, attributes), config))
        assert (report.run, report.skipped) == (run.id, len(done))
        assert contents(store, world.dataset) == undisturbed


async def test_cut_anywhere_and_resumed_it_ends_with_the_same(world, nosy, contents, tmp_path: Path) -> None:
    """The power is cut before and after every write in turn; resumed, graphs and knowledge are as if it never was."""
    dataset = world.dataset.only(list(world.dataset.histories)[:2])
    config = BuildConfig(block_size=4, wave=1, concurrency=1, retry_wait_s=0)
    with SqliteStore(tmp_path / "whole") as store:
        fuse = Fuse()
        await build_fused(dataset, store, nosy(dataset), config, fuse)
        whole = contents(store, dataset)
        uses = {k.key: k.uses for k in store.knowledge(dataset.name)}
    writes = fuse.count
    assert writes > 10
    for at in range(writes):
        for done in (False, True):
            with SqliteStore(tmp_path / f"{at}-{done}", synchronous="normal") as store:
                with pytest.raises(PowerCutError):
                    await build_fused(dataset, store, nosy(dataset), config, Fuse(at, done=done))
                await build_fused(dataset, store, nosy(dataset), config, Fuse())
                assert contents(store, dataset) == whole, (at, done)
                assert all(k.uses <= uses[k.key] for k in store.knowledge(dataset.name))


async def test_what_is_done_is_not_asked_again(world, nosy, store, tmp_path: Path) -> None:
    dataset = world.dataset
    config = BuildConfig(block_size=4, wave=1, concurrency=1, retry_wait_s=0)
    first, second = nosy(dataset), nosy(dataset)
    with pytest.raises(PowerCutError):
        await build_fused(dataset, store, first, config, Fuse(15))
    await build_fused(dataset, store, second, config, Fuse())
    alone = nosy(dataset)
    with SqliteStore(tmp_path / "alone") as other:
        await build_fused(dataset, other, alone, config, Fuse())
    assert len(first.blocks) > 2
    asked = [(block.user, block.positions) for block in first.blocks + second.blocks]
    expected = [(block.user, block.positions) for block in alone.blocks]
    assert len(expected) <= len(asked) <= len(expected) + 1 + config.tries  # the block under way is asked for again


async def test_done_users_are_skipped(world, nosy, build_with, small) -> None:
    mind = nosy(world.dataset)
    await build_with(world.dataset, mind, small)
    calls = mind.calls()
    report = await build_with(world.dataset, mind, small)
    assert (report.built, report.skipped, report.users) == (0, len(world.dataset.histories), len(world.dataset.histories))
    assert mind.calls() == calls


async def test_a_new_item_costs_one_block(world, nosy, build_with, with_items, store, small) -> None:
    user, config = next(iter(world.dataset.histories)), small.model_copy(update={"tries": 0})
    await build_with(world.dataset, nosy(world.dataset), config)
    before = store.graph(world.dataset.name, user)
    items = world.dataset.histories[user].items
    new = next(item for item in world.dataset.catalogue.ids if item not in items)
    grown = with_items(world.dataset, {user: (*items, new)})
    mind = nosy(grown)
    report = await build_with(grown, mind, config)
    assert (report.built, report.skipped) == (1, report.users - 1)
    assert [block.positions for block in mind.blocks] == [(len(items),)]
    after = store.graph(world.dataset.name, user)
    assert set(before.steps) < set(after.steps)
    assert {s.position for s in after.steps if s not in before.steps} <= {len(items), len(items) + 1}
    assert store.history(world.dataset.name, user).items == (*items, new)


async def test_a_run_cut_while_a_history_grows_is_not_taken_for_done(world, nosy, contents, with_items, small, tmp_path) -> None:
    dataset = world.dataset.only(list(world.dataset.histories)[:1])
    (user,) = dataset.histories
    items = dataset.histories[user].items
    grown = with_items(dataset, {user: (*items, *(i for i in dataset.catalogue.ids if i not in items))[: len(items) + 2]})
    with SqliteStore(tmp_path / "whole") as store:
        await build_fused(dataset, store, nosy(dataset), small, Fuse())
        fuse = Fuse()
        await build_fused(grown, store, nosy(grown), small, fuse)
        whole = contents(store, grown)
    for at in range(fuse.count):
        with SqliteStore(tmp_path / str(at)) as store:
            await build_fused(dataset, store, nosy(dataset), small, Fuse())
            with pytest.raises(PowerCutError):
                await build_fused(grown, store, nosy(grown), small, Fuse(at))
            await build_fused(grown, store, nosy(grown), small, Fuse())
            assert contents(store, grown) == whole, at


async def test_a_changed_history_is_built_anew(world, nosy, build_with, with_items, store, small) -> None:
    user = next(iter(world.dataset.histories))
    await build_with(world.dataset, nosy(world.dataset), small)
    changed = with_items(world.dataset, {user: tuple(reversed(world.dataset.histories[user].items))})
    report = await build_with(changed, nosy(changed), small)
    assert report.built == 1
    assert all(step.item == changed.histories[user].items[step.position] for step in store.graph(changed.name, user).reasoned())


async def test_a_history_changed_under_a_draft_fails_with_the_remedy(world, nosy, build_with, with_items, store, small) -> None:
    user = next(iter(world.dataset.histories))
    with pytest.raises(PowerCutError):
        await build_fused(world.dataset, store, nosy(world.dataset), small, Fuse(6))
    changed = with_items(world.dataset, {user: tuple(reversed(world.dataset.histories[user].items))})
    report = await build_with(changed, nosy(changed), small, users=[user])
    assert "has changed" in report.failed[user]
    report = await build_with(changed, nosy(changed), small, users=[user], resume=False)
    assert (report.built, report.failed) == (1, {})


async def test_costs_add_up_over_the_calls_of_one_run(world, nosy, build_with, store, small) -> None:
    users = list(world.dataset.histories)
    first = await build_with(world.dataset, nosy(world.dataset), small, users=users[:1])
    second = await build_with(world.dataset, nosy(world.dataset), small, users=users)
    run = store.run(world.dataset.name, first.run)
    assert run.costs["calls"] == first.total("calls") + second.total("calls")
    assert run.costs["reason.asked"] == first.counts["reason.asked"] + second.counts["reason.asked"]
    assert replace(run, ended_at=None).status == "done"


async def test_a_draft_that_a_long_history_left_behind_is_gone_on_with(world, store, attributes, with_items) -> None:
    """The positions between its end and the last `l_tru` are never built; the draft grows from its own end all the same."""
    items = tuple(world.dataset.catalogue.ids[:40])
    config = BuildConfig(block_size=2, l_tru=4, wave=1, concurrency=1)
    cut = Fuse(3)
    with pytest.raises(PowerCutError):
        await build_fused(with_items(world.dataset, {"u": items[:6]}).only(["u"]), store, attributes, config, cut)
    (run,) = store.runs(world.dataset.name)
    begun = store.draft(world.dataset.name, run.id, "u")[1]
    assert 0 < begun < 6
    await build_fused(with_items(world.dataset, {"u": items}).only(["u"]), store, attributes, config, Fuse())
    graph = store.graph(world.dataset.name, "u")
    assert graph.run == run.id
    positions = {step.position for step in graph.steps if step.kind == "reasoned"}
    assert min(positions) < begun
    assert max(positions) >= 36
    assert not positions & set(range(begun, 36))
