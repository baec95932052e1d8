"""Nearest neighbours of a store in a file: exact, and never older than the last commit of anybody."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from llmrg.graph_store import sqlite_vectors
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.store_examples import ITEMS, NAMESPACE, OTHER, fill, make_item, make_knowledge

QUERY = np.array([1.0, 0.0, 0.0], dtype=np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "graphs.db") as store:
        fill(store)
        yield store


def _reasons(store: SqliteStore, limit: int = 5, namespace: str = NAMESPACE) -> list[str]:
    return [entry.reason for entry, _ in store.nearest_knowledge(namespace, ITEMS[1], QUERY, limit)]


def test_the_nearest_are_those_of_a_plain_search(store: SqliteStore) -> None:
    generator = np.random.default_rng(4)
    vectors = np.round(8 * generator.standard_normal((300, 3))) / 8  # coarse: some are equally near, and none is rounded again
    entries = [make_knowledge(reason=str(n), vector=tuple(vector.tolist())) for n, vector in enumerate(vectors)]
    store.put_knowledge(NAMESPACE, entries)
    for query in generator.standard_normal((20, 3)).astype(np.float32):
        found = store.nearest_knowledge(NAMESPACE, ITEMS[1], query, 10)
        cosines = {e.key: np.dot(e.vector, query) / np.linalg.norm(e.vector) / np.linalg.norm(query) for e in entries}
        np.testing.assert_allclose([cosine for _, cosine in found], sorted(cosines.values(), reverse=True)[:10], atol=1e-6)
        np.testing.assert_allclose([cosines[entry.key] for entry, _ in found], [cosine for _, cosine in found], atol=1e-6)
    assert len(store.nearest_knowledge(NAMESPACE, ITEMS[1], QUERY, 1000)) == 300


def test_equally_near_entries_come_in_order_of_key_whatever_the_limit(store: SqliteStore) -> None:
    entries = [make_knowledge(reason=str(n), vector=(1.0, 1.0, 0.0)) for n in range(20)]
    store.put_knowledge(NAMESPACE, entries)
    ordered = [entry.reason for entry in sorted(entries, key=lambda entry: entry.key)]
    assert _reasons(store, 7) == ordered[:7]
    assert _reasons(store, 20) == ordered


def test_what_is_kept_in_memory_is_as_new_as_the_last_commit_of_anybody(store: SqliteStore) -> None:
    """Of this thread, of another thread, of another process's store; also where an entry only gains its vector."""

    def put(to: SqliteStore, reason: str, *vector: float) -> None:
        to.put_knowledge(NAMESPACE, [make_knowledge(reason=reason, vector=vector)])

    put(store, "far", 1.0, 5.0, 0.0)
    assert _reasons(store) == _reasons(store) == ["far"]
    put(store, "nearer", 1.0, 1.0, 0.0)
    assert _reasons(store) == ["nearer", "far"]
    thread = threading.Thread(target=put, args=(store, "near", 1.0, 0.5, 0.0))
    thread.start()
    thread.join()
    assert _reasons(store) == ["near", "nearer", "far"]
    store.prune_knowledge(NAMESPACE, max_score=0.0)
    with SqliteStore(store.path) as other:
        assert _reasons(other) == ["near", "nearer", "far"]
        put(other, "nearest", 1.0, 0.1, 0.0)
        put(
            other,
            "late",
        )
        assert _reasons(store) == ["nearest", "near", "nearer", "far"]
        put(other, "late", 1.0, 0.0, 0.0)
        assert _reasons(store)[0] == "late"
        other.count_uses(NAMESPACE, {make_knowledge(reason="late").key: 3})
        assert store.nearest_knowledge(NAMESPACE, ITEMS[1], QUERY)[0][0].uses == 3
        other.prune_knowledge(NAMESPACE)
        assert _reasons(store) == ["late"]


def test_vectors_are_read_again_only_where_they_changed(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    plain = sqlite_vectors._read

    def counted(db: object, namespace: str, to_item: str, *more: int) -> object:
        read.append(to_item)
        return plain(db, namespace, to_item, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(sqlite_vectors, "_read", counted)
    first = make_knowledge(reason="first", vector=(1.0, 1.0, 0.0))
    store.put_knowledge(NAMESPACE, [first])
    assert _reasons(store) == ["first"]
    store.put_items(NAMESPACE, [make_item(ITEMS[1], "Another title")])
    store.count_uses(NAMESPACE, {first.key: 1})
    store.put_knowledge(NAMESPACE, [first, make_knowledge(0, 2, vector=(1.0, 0.0, 0.0)), make_knowledge(reason="no vector")])
    store.prune_knowledge(NAMESPACE, max_score=0.0)
    assert _reasons(store) == ["first"]
    assert read == [ITEMS[1]]
    store.put_knowledge(NAMESPACE, [make_knowledge(reason="second", vector=(1.0, 0.0, 0.0))])
    assert _reasons(store) == ["second", "first"]
    assert read == [ITEMS[1]] * 2


def test_a_reopened_store_starts_anew(store: SqliteStore) -> None:
    store.put_knowledge(NAMESPACE, [make_knowledge(reason="first", vector=(1.0, 1.0, 0.0))])
    assert _reasons(store) == ["first"]
    store.close()
    with SqliteStore(store.path) as other:
        other.put_knowledge(NAMESPACE, [make_knowledge(reason="second", vector=(1.0, 0.0, 0.0))])
    store.open()
    assert _reasons(store) == ["second", "first"]


def test_more_vectors_than_are_kept_are_found_all_the_same(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_vectors, "_KEPT_BYTES", 30)
    for to_item in (1, 2, 3):
        store.put_knowledge(NAMESPACE, [make_knowledge(0, to_item, f"{to_item} {n}", vector=(1.0, n, 0.0)) for n in range(4)])
    for _ in range(2):
        for to_item in (1, 2, 3):
            found = store.nearest_knowledge(NAMESPACE, ITEMS[to_item], QUERY, 2)
            assert [entry.reason for entry, _ in found] == [f"{to_item} 0", f"{to_item} 1"]


def test_other_namespaces_are_not_searched(store: SqliteStore) -> None:
    fill(store, OTHER)
    store.put_knowledge(NAMESPACE, [make_knowledge(reason="mine", vector=(1.0, 1.0, 0.0))])
    store.put_knowledge(OTHER, [make_knowledge(reason="theirs", vector=(1.0, 0.0, 0.0))])
    assert _reasons(store) == ["mine"]
    assert _reasons(store, namespace=OTHER) == ["theirs"]


def test_threads_search_while_others_write(store: SqliteStore) -> None:
    errors: list[BaseException] = []

    def search() -> None:
        try:
            known = 0
            for _ in range(60):
                found = len(_reasons(store, 1000))
                assert found >= known, "an entry that was seen is gone"
                known = found
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(60):
        store.put_knowledge(NAMESPACE, [make_knowledge(reason=str(n), vector=(1.0, n, 0.0))])
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(_reasons(store, 1000)) == 60
