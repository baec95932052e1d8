"""A build says which graphs of other runs it is about to replace, before it does."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from llmrg.agents.minds.attributes import AttributesMind
from llmrg.graph_store.sqlite_store import SqliteStore


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.name == "llmrg.agents.replaced"]
    caplog.clear()
    return found


async def test_graphs_of_another_run_are_told_once(
    world: Any, store: SqliteStore, build_with: Any, small: Any, caplog: Any
) -> None:
    mind, users = AttributesMind(world.dataset), list(world.dataset.histories)
    how = {"users": users}
    caplog.set_level(logging.WARNING)
    first = await build_with(world.dataset, mind, small, **how)
    assert told(caplog) == []  # nothing was there
    await build_with(world.dataset, mind, small, **how)
    assert told(caplog) == []  # the same run, done already

    other = small.model_copy(update={"divergence": False})
    second = await build_with(world.dataset, mind, other, users=users[:2])
    (line,) = told(caplog)
    assert line.startswith(f"2 of 2 users have a graph of another run ({first.run} by attributes), which this run ({second.run})")
    assert "llmrg export" in line
    await build_with(world.dataset, mind, other, users=users[:2])
    assert told(caplog) == []

    await build_with(world.dataset, mind, other, **how)  # the two that are left
    (line,) = told(caplog)
    assert line.startswith(f"2 of 4 users have a graph of another run ({first.run} by attributes)")
    store.delete_graph(world.dataset.name, users[0])
    await build_with(world.dataset, mind, small, users=users[:1])
    assert told(caplog) == []  # its graph was deleted: there is nothing to lose


async def test_graphs_of_several_runs_are_named(world: Any, build_with: Any, small: Any, caplog: Any) -> None:
    mind, users = AttributesMind(world.dataset), list(world.dataset.histories)[:3]
    runs = []
    for user, tau in zip(users, (0.1, 0.2, 0.3), strict=True):
        runs.append((await build_with(world.dataset, mind, small.model_copy(update={"tau": tau}), users=[user])).run)
    caplog.set_level(logging.WARNING)
    caplog.clear()
    await build_with(world.dataset, mind, small.model_copy(update={"tau": 0.4}), users=users)
    (line,) = told(caplog)
    assert line.startswith("3 of 3 users")
    assert all(run in line for run in runs)
