"""Made `version_3.zip`, a SQLite store of schema version 3, with the code of commit a088318:

git worktree add /tmp/before a088318 && PYTHONPATH=/tmp/before python tests/graph_store/kept/make_version_3.py
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from llmrg.core.records import ReasoningGraph
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.store_examples import (
    ITEMS,
    NAMESPACE,
    ODD_IDS,
    OTHER,
    SEVEN_USERS,
    fill,
    fill_everything,
    make_graph,
    make_run,
    make_step,
)


def fill_version_3(store: SqliteStore) -> None:
    """Every kind of row: graphs replaced, empty and with odd texts, drafts of one and of two blocks, themes, runs."""
    fill_everything(store, users=SEVEN_USERS)
    store.replace_graph(NAMESPACE, make_graph(SEVEN_USERS[2], mark="second", run="run 2"))
    store.replace_graph(NAMESPACE, ReasoningGraph(SEVEN_USERS[3], (), "run 2"))
    steps = make_graph(SEVEN_USERS[0], run="run 3").steps
    store.append_draft(NAMESPACE, "run 3", SEVEN_USERS[0], steps[:3], 4, 0)
    store.append_draft(NAMESPACE, "run 3", SEVEN_USERS[0], steps[2:], 8, 4)
    store.append_draft(NAMESPACE, "run 3", SEVEN_USERS[1], (), 2, 0)
    odd = tuple(name for name in ODD_IDS.values() if len(name) < 100)
    fill(store, OTHER, odd)
    for user in odd:
        reasons = (
            make_step(user, reason=user),
            make_step(user, 2, reason=user, cause_kind="attribute", cause=user, cause_position=None),
        )
        store.replace_graph(OTHER, ReasoningGraph(user, reasons, user))
        store.append_draft(OTHER, "run 1", user, (make_step(user, 3, reason=user, cause=ITEMS[0], cause_position=0),), 4, 0)
    store.put_run(OTHER, make_run("run 1"))


def write(fill: Callable[[SqliteStore], None], name: str) -> None:
    """A store, zipped, beside this file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graphs.db"
        with SqliteStore(path) as opened:
            fill(opened)
        with zipfile.ZipFile(Path(__file__).with_name(name), "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.write(path, path.name)


if __name__ == "__main__":
    write(fill_version_3, "version_3.zip")
