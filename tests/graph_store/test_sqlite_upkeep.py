"""Backup while others write, and compacting, as the commands do them."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from llmrg.core.errors import ConfigError, NotAStoreError, StoreError, StoreFullError, StoreUnreachableError
from llmrg.core.records import ReasoningGraph
from llmrg.graph_store.compare import differences
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.graph_store.sqlite_upkeep import backup, compact
from llmrg.testing.store_examples import ITEMS, NAMESPACE, fill, make_graph, make_item, make_knowledge, make_step

USERS = tuple(f"user {n:03}" for n in range(60))


def _large_graph(user: str, mark: str) -> ReasoningGraph:
    reasons = [f"{mark} {n} {random.Random(n).randbytes(40).hex()}" for n in range(240)]  # which do not compress
    return ReasoningGraph(user, tuple(make_step(user, reason=reason, chain=n) for n, reason in enumerate(reasons)), mark)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed store of some hundred pages."""
    path = tmp_path / "graphs.db"
    with SqliteStore(path) as store:
        fill(store, users=USERS)
        store.put_knowledge(NAMESPACE, [make_knowledge(reason=f"reason {n}", vector=(1.0, n)) for n in range(100)])
        for user in USERS:
            store.replace_graph(NAMESPACE, _large_graph(user, "first"))
    return path


def _assert_equal(one: Path, other: Path) -> None:
    with SqliteStore(one) as left, SqliteStore(other) as right:
        assert list(differences(left, right, NAMESPACE)) == []
        assert right.counts(NAMESPACE).graphs == len(USERS)


# -- backup ---------------------------------------------------------------------------------------------------------------
def test_a_backup_holds_what_the_store_holds(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "copy.db"
    told: list[tuple[int, int]] = []
    size = backup(path, target, lambda done, total: told.append((done, total)))
    assert [file.name for file in target.parent.iterdir()] == ["copy.db"]
    assert size == target.stat().st_size
    assert told[-1][0] == told[-1][1] > 100
    _assert_equal(path, target)


def test_a_backup_takes_one_state_while_others_write(path: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    rounds = 0
    told = [0]

    def write(store: SqliteStore) -> None:
        nonlocal rounds
        while not stop.is_set():
            rounds += 1
            store.put_items(NAMESPACE, [make_item(item, f"round {rounds}") for item in ITEMS])
            store.replace_graph(NAMESPACE, _large_graph(USERS[rounds % len(USERS)], f"round {rounds}"))

    def tell(done: int, total: int) -> None:
        assert done > told[-1], "begun anew"
        told.append(done)
        before = rounds
        while rounds < before + 3:  # the writer gets its turns in the middle of the copy
            stop.wait(0.001)

    with SqliteStore(path) as store:
        store.put_items(NAMESPACE, [make_item(item, "round 0") for item in ITEMS])
        writer = threading.Thread(target=write, args=(store,))
        writer.start()
        try:
            backup(path, tmp_path / "copy.db", tell)
        finally:
            stop.set()
            writer.join()
    assert len(told) > 3
    assert rounds >= 3 * (len(told) - 1)
    with SqliteStore(tmp_path / "copy.db") as copy:
        assert len({item.title for item in copy.items(NAMESPACE)}) == 1, "items of two commits"
        for graph in copy.graphs(NAMESPACE, USERS).values():
            assert graph.steps == _large_graph(graph.user, graph.run).steps


def test_what_is_there_is_replaced_only_on_demand_and_only_by_a_backup_of_ours(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    backup(path, target)
    with SqliteStore(path) as store:
        store.replace_graph(NAMESPACE, make_graph(USERS[0], mark="later"))
    with pytest.raises(ConfigError, match=r"copy\.db is there.*--force"):
        backup(path, target)
    backup(path, target, replace=True)
    _assert_equal(path, target)

    notes = tmp_path / "notes.txt"
    notes.write_text("notes")
    with pytest.raises(ConfigError, match="no backup"):
        backup(path, notes, replace=True)
    assert notes.read_text() == "notes"
    with pytest.raises(ConfigError, match="itself"):
        backup(path, path, replace=True)
    with pytest.raises(ConfigError, match="folder"):
        backup(path, tmp_path, replace=True)
    with SqliteStore(target), pytest.raises(ConfigError, match="in use"):
        backup(path, target, replace=True)


def test_a_damaged_store_does_not_replace_a_good_backup(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    backup(path, target)
    good = target.read_bytes()
    content = path.read_bytes()
    path.write_bytes(content[: 40 * 4096] + b"\xaa" * 4096 * 20 + content[60 * 4096 :])
    with pytest.raises(NotAStoreError, match=r"graphs\.db.*damaged"):
        backup(path, target, replace=True)
    assert target.read_bytes() == good
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy.db", "graphs.db"]


def test_a_backup_that_is_stopped_leaves_nothing(path: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup(path, tmp_path / "copy.db", stop)
    assert [file.name for file in tmp_path.iterdir()] == ["graphs.db"]


def test_without_a_store_there_is_nothing_to_do_and_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachableError, match=r"no store at .*none\.db.*--store"):
        backup(tmp_path / "none.db", tmp_path / "copy.db")
    with pytest.raises(StoreUnreachableError, match=r"no store at .*none\.db.*--store"):
        compact(tmp_path / "none.db")
    assert not list(tmp_path.iterdir())


def test_a_target_that_cannot_be_written(path: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(StoreError, match=r"notes\.txt/copy\.db cannot be written"):
        backup(path, tmp_path / "notes.txt" / "copy.db")


# -- compact --------------------------------------------------------------------------------------------------------------
def test_compacting_gives_back_the_space_of_deleted_rows(path: Path) -> None:
    with SqliteStore(path) as store:
        for user in USERS[1:]:
            store.forget_user(NAMESPACE, user)
        kept = store.graph(NAMESPACE, USERS[0])
    size = path.stat().st_size
    before, after = compact(path)
    assert (before, after) == (size, path.stat().st_size)
    assert after < before / 2
    assert [file.name for file in path.parent.iterdir()] == ["graphs.db"]
    with SqliteStore(path) as store:
        assert store.graph(NAMESPACE, USERS[0]) == kept
        assert len(store.knowledge(NAMESPACE)) == 100


def test_compacting_is_refused_while_others_have_the_store_open(path: Path) -> None:
    before = path.read_bytes()
    with SqliteStore(path) as store:
        with pytest.raises(StoreUnreachableError, match=r"others have the store .*graphs\.db open; end them"):
            compact(path)
        assert len(store.graphs(NAMESPACE, USERS)) == len(USERS)
    assert path.read_bytes() == before
    compact(path)


def test_a_foreign_file_is_not_compacted(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(NotAStoreError, match="another program"):
        compact(tmp_path / "other.db")


# -- no room --------------------------------------------------------------------------------------------------------------
TIGHT = """
import sys
from pathlib import Path
from llmrg.core.errors import StoreFullError
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.graph_store.sqlite_upkeep import backup, compact
from llmrg.testing.store_examples import NAMESPACE
path, small = Path(sys.argv[1]), Path(sys.argv[2])
moved = small / "graphs.db"
moved.write_bytes(path.read_bytes())
for attempt in (lambda: backup(path, small / "copy.db"), lambda: compact(moved)):
    try:
        attempt()
    except StoreFullError as error:
        print(error)
    else:
        sys.exit("there was room")
assert [file.name for file in small.iterdir()] == ["graphs.db"], list(small.iterdir())
assert moved.read_bytes() == path.read_bytes()
"""


@pytest.fixture
def small_disk(path: Path, tmp_path: Path) -> list[str]:
    """The start of a command that sees a disk with room for one and a half of the store, at tmp_path/small."""
    unshare = shutil.which("unshare")
    ours = [unshare or "unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    size = int(path.stat().st_size * 1.5)
    (tmp_path / "small").mkdir()
    shell = [*ours, "sh", "-c", f'mount -t tmpfs -o size={size} tmpfs "$1" && shift && exec "$@"', "sh", str(tmp_path / "small")]
    if unshare is None or subprocess.run([*shell, "true"], capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here: needs Linux with `unshare` and user namespaces, or root")
    return shell


def test_no_room_for_a_copy_or_for_compacting(path: Path, tmp_path: Path, small_disk: list[str]) -> None:
    command = [*small_disk, sys.executable, "-c", TIGHT, str(path), str(tmp_path / "small")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    copying, compacting = done.stdout.splitlines()
    assert "no space left" in copying
    assert "copy.db" in copying
    assert "compacting" in compacting
    assert "are free" in compacting


def test_no_room_is_told_before_anything_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total, used, _ = shutil.disk_usage(path.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(total, used, 1000))  # type: ignore[attr-defined]
    with pytest.raises(StoreFullError, match=r"bytes for a while, and 1,000 are free"):
        compact(path)
