"""The write-ahead log of a store stays small, whatever its readers do."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.graph_store.sqlite_wal import LIMIT_BYTES, WriteAheadLog
from llmrg.testing.store_examples import NAMESPACE, fill, make_knowledge

BATCH = 250
VECTOR = tuple(np.arange(1, 1025, dtype=float))
"""4 KiB: a batch is about a megabyte."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "graphs.db") as store:
        fill(store)
        yield store


def _write(store: SqliteStore, batches: int) -> int:
    """Largest size of the log, in bytes, while so many megabytes are written."""
    log, largest = Path(f"{store.path}-wal"), 0
    for batch in range(batches):
        store.put_knowledge(NAMESPACE, [make_knowledge(reason=f"{batch} {n}", vector=VECTOR) for n in range(BATCH)])
        largest = max(largest, log.stat().st_size)
    return largest


def _read_without_pause(path: Path, stop: threading.Event, read_s: float) -> None:
    """Two readers in turn: each begins before the other ends, so that there is never a moment without one."""
    with ExitStack() as stack:
        readers = [stack.enter_context(closing(sqlite3.connect(path, isolation_level=None, timeout=30))) for _ in range(2)]
        turn = 0
        while not stop.is_set():
            reader, other = readers[turn % 2], readers[1 - turn % 2]
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM items").fetchone()
            if other.in_transaction:
                other.execute("COMMIT")
            time.sleep(read_s)
            turn += 1


@contextmanager
def _readers(path: Path, read_s: float = 0.02) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=_read_without_pause, args=(path, stop, read_s))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_the_log_stays_small_under_readers_that_always_overlap(store: SqliteStore) -> None:
    with _readers(store.path):
        largest = _write(store, 60)
    assert largest < 2 * LIMIT_BYTES
    assert len(store.knowledge(NAMESPACE, limit=20_000)) == 60 * BATCH


def test_sqlite_alone_does_not_keep_it_small(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason for `sqlite_wal`: when this fails, SQLite has learnt it, and ours can go."""
    monkeypatch.setattr(WriteAheadLog, "keep_small", lambda *_: None)
    with _readers(store.path):
        assert _write(store, 60) > 3 * LIMIT_BYTES


def test_a_long_reader_keeps_its_state_and_the_log_is_cut_when_it_is_gone(store: SqliteStore) -> None:
    """For as long as it reads, the log must grow."""
    with closing(sqlite3.connect(store.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM knowledge").fetchone() == (0,)
        assert _write(store, 40) > 2 * LIMIT_BYTES
        assert reader.execute("SELECT count(*) FROM knowledge").fetchone() == (0,)
    _write(store, 20)
    assert Path(f"{store.path}-wal").stat().st_size <= LIMIT_BYTES
