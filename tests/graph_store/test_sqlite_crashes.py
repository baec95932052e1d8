"""What befalls a store in a file while it is used: ended threads, other processes, kill -9, a full disk."""

from __future__ import annotations

import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from llmrg.core.errors import StoreFullError, StoreUnreachableError
from llmrg.core.records import ReasoningGraph
from llmrg.graph_store.sqlite_connections import SqliteConnections
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.store_examples import NAMESPACE, fill, make_graph, make_knowledge, make_step

COUNTER = """
import sys
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.store_examples import NAMESPACE, fill, make_graph, make_knowledge
mark = sys.argv[2]
with SqliteStore(sys.argv[1]) as store:
    fill(store)
    fill(store, users=(mark,))
    store.put_knowledge(NAMESPACE, [make_knowledge()])
    for n in range(40):
        store.count_uses(NAMESPACE, {make_knowledge().key: 1})
        store.replace_graph(NAMESPACE, make_graph(mark=mark))
        store.replace_graph(NAMESPACE, make_graph(mark, mark=f"{mark} {n}"))
"""
FILLER = """
import random
import sys
from pathlib import Path
from llmrg.core.errors import StoreFullError
from llmrg.core.records import ReasoningGraph
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.store_examples import NAMESPACE, fill, make_step
folder = Path(sys.argv[1])
ballast = folder / "ballast"
ballast.write_bytes(b"x" * 400_000)
store = SqliteStore(folder / "graphs.db")
store.open()
users = tuple(f"user {n}" for n in range(400))
fill(store, users=users)
def graph(user):
    reasons = [f"{user} {random.Random(n).randbytes(40).hex()}" for n in range(100)]
    return ReasoningGraph(user, tuple(make_step(user, reason=reason, chain=n) for n, reason in enumerate(reasons)), "run 1")
kept = []
try:
    for user in users:
        store.replace_graph(NAMESPACE, graph(user))
        kept.append(user)
except StoreFullError as error:
    assert "no space" in str(error), error
else:
    sys.exit("the disk was never full")
assert len(kept) > 3, kept
def check(store):
    found = store.graphs(NAMESPACE, users)
    assert sorted(found) == sorted(kept)
    assert all(found[user].steps == graph(user).steps for user in kept)
check(store)
ballast.unlink()
store.replace_graph(NAMESPACE, graph(users[len(kept)]))
kept.append(users[len(kept)])
check(store)
store.close()
with SqliteStore(folder / "graphs.db") as again:
    check(again)
print("whole", len(kept))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "graphs.db"


@pytest.fixture
def filled(path: Path) -> Path:
    """A closed store with two graphs."""
    with SqliteStore(path) as store:
        fill(store)
        store.replace_graph(NAMESPACE, make_graph("ann"))
        store.replace_graph(NAMESPACE, make_graph("bob"))
    return path


@pytest.fixture
def running() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python programs and sees to it that none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


# -- threads and processes ------------------------------------------------------------------------------------------------
def test_connections_of_ended_threads_are_closed(filled: Path) -> None:
    fds = Path("/proc/self/fd")
    if not fds.exists():
        pytest.skip("open files cannot be counted here")

    def opened() -> int:
        links = [os.readlink(fd) for fd in fds.iterdir() if fd.is_symlink()]
        return links.count(str(filled.resolve()))

    with SqliteStore(filled) as store:
        for _ in range(30):
            thread = threading.Thread(target=store.counts, args=(NAMESPACE,))
            thread.start()
            thread.join()
        assert opened() < 5
    assert opened() == 0


def test_a_lock_held_for_too_long_is_told_while_readers_go_on(filled: Path) -> None:
    with SqliteStore(filled, timeout_s=0.1) as store, closing(sqlite3.connect(filled, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnreachableError, match=r"locked for 0\.1 s"):
            store.replace_graph(NAMESPACE, make_graph())
        assert store.graph(NAMESPACE, "ann").version == 1
        other.execute("ROLLBACK")
        assert store.replace_graph(NAMESPACE, make_graph()) == 2


def _write_in_a_child(store: SqliteStore) -> None:
    assert store.graph(NAMESPACE, "ann").version == 1
    store.replace_graph(NAMESPACE, make_graph(mark="child"))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_child_has_connections_of_its_own(filled: Path) -> None:
    with SqliteStore(filled) as store:
        child = multiprocessing.get_context("fork").Process(target=_write_in_a_child, args=(store,))
        child.start()
        child.join(60)
        assert child.exitcode == 0
        assert store.graph(NAMESPACE, "ann") == replace(make_graph(mark="child"), version=2)
        store.replace_graph(NAMESPACE, make_graph())


def test_processes_make_and_write_one_store_at_once(path: Path, running: Callable[..., subprocess.Popen[str]]) -> None:
    """No count and no version is lost, and who reads meanwhile sees whole graphs."""
    marks = ("north", "east", "south", "west")
    writers = [running(COUNTER, path, mark) for mark in marks]
    with SqliteStore(path) as store:
        while any(writer.poll() is None for writer in writers):
            for graph in store.graphs(NAMESPACE, ["ann", *marks]).values():
                assert len({step.reason.partition(":")[0] for step in graph.steps}) == 1
                assert len(graph.steps) == len(make_graph().steps)
            time.sleep(0.01)
        for writer in writers:
            _, errors = writer.communicate(timeout=120)
            assert writer.returncode == 0, errors
        assert store.knowledge(NAMESPACE)[0].uses == 160
        found = store.graphs(NAMESPACE, ["ann", *marks])
    assert found["ann"].version == 160
    assert found["ann"].steps in [make_graph(mark=mark).steps for mark in marks]
    for mark in marks:
        assert found[mark] == replace(make_graph(mark, mark=f"{mark} 39"), version=40)


# -- a full disk ----------------------------------------------------------------------------------------------------------
def test_a_file_that_may_not_grow_keeps_what_it_has(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = SqliteConnections._connect

    def limited(self: SqliteConnections) -> sqlite3.Connection:
        connection = connect(self)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        return connection

    monkeypatch.setattr(SqliteConnections, "_connect", limited)
    large = tuple(make_step(reason=random.Random(n).randbytes(100).hex(), chain=n) for n in range(500))
    with SqliteStore(filled) as store:
        with pytest.raises(StoreFullError, match="no space left"):
            store.replace_graph(NAMESPACE, ReasoningGraph("ann", large, "run 2"))
        with pytest.raises(StoreFullError):
            store.put_knowledge(NAMESPACE, [make_knowledge(reason="long" * 100_000)])
        assert store.graph(NAMESPACE, "ann") == replace(make_graph(), version=1)
        assert store.knowledge(NAMESPACE) == []
        assert store.replace_graph(NAMESPACE, make_graph("bob", mark="small")) == 2


def test_a_full_disk_keeps_what_it_has(tmp_path: Path, small_disk: Callable[[Path, str], list[str]]) -> None:
    shell = small_disk(tmp_path, "2m")
    done = subprocess.run([*shell, sys.executable, "-c", FILLER, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("whole")


LIMITED = """
import resource, sys
from pathlib import Path
from llmrg.core.errors import StoreFullError
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.store_examples import NAMESPACE, make_graph, make_knowledge
path = Path(sys.argv[1])
with SqliteStore(path) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100_000, resource.RLIM_INFINITY))
    try:
        store.put_knowledge(NAMESPACE, [make_knowledge(reason="long" * 100_000)])
    except StoreFullError as error:
        print(error)
    else:
        sys.exit("the limit was not felt")
    assert store.knowledge(NAMESPACE) == []
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert store.replace_graph(NAMESPACE, make_graph(mark="after")) == 2
"""


def test_a_limit_on_file_sizes_is_told(filled: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, str(filled)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "the disk took no more" in done.stdout
    with SqliteStore(filled) as store:
        assert store.graph(NAMESPACE, "ann").steps == make_graph(mark="after").steps
