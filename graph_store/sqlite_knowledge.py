"""The knowledge base in SQLite: upsert, look-up by pair, and exact nearest neighbours by NumPy."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np

from llmrg.core.errors import StoreError
from llmrg.core.records import Knowledge
from llmrg.graph_store import sqlite_rows
from llmrg.graph_store import sqlite_schema as sql

_VECTOR = 7
_KEY = 8
"""Columns of a knowledge row."""


def put(db: sqlite3.Connection, namespace: str, entries: Sequence[Knowledge]) -> None:
    """Upsert inside the caller's transaction."""
    size = _vector_size(db, namespace)
    for entry in entries:
        if not len(entry.vector):
            continue
        if size is None:
            size = len(entry.vector)
            db.execute(sql.PUT_VECTOR_SIZE, (namespace, size))
        _check_size(namespace, len(entry.vector), size)
    db.executemany(sql.PUT_KNOWLEDGE, [sqlite_rows.knowledge_row(namespace, entry) for entry in entries])


def of_pairs(db: sqlite3.Connection, namespace: str, pairs: Sequence[tuple[str, str]]) -> list[Knowledge]:
    """Entries of these (from item, to item) pairs: score descending, then key."""
    rows = [row for pair in dict.fromkeys(pairs) for row in db.execute(sql.KNOWLEDGE_FOR_PAIR, (namespace, *pair))]
    return [sqlite_rows.knowledge_from(row) for row in sorted(rows, key=lambda row: (-row[3], row[_KEY]))]


def nearest(db: sqlite3.Connection, namespace: str, to_item: str, query: np.ndarray, limit: int) -> list[tuple[Knowledge, float]]:
    """Entries that lead to `to_item`: cosine descending, then key."""
    size = _vector_size(db, namespace)
    if size is None:
        return []
    _check_size(namespace, len(query), size)
    rows = sorted(db.execute(sql.KNOWLEDGE_TO, (namespace, to_item)), key=lambda row: str(row[_KEY]))
    stored = np.frombuffer(b"".join(row[_VECTOR] for row in rows), dtype="<f4").reshape(len(rows), size)
    cosines = _cosines(stored, query.astype(np.float32))
    best = np.argsort(-cosines, kind="stable")[:limit]  # rows are in order of key, which settles ties
    return [(sqlite_rows.knowledge_from(rows[i]), float(cosines[i])) for i in best]


def _cosines(stored: np.ndarray, query: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(stored, axis=1) * np.linalg.norm(query)
    cosines: np.ndarray = np.clip(stored @ query / np.maximum(norms, np.finfo(np.float32).tiny), -1.0, 1.0)
    return cosines


def _vector_size(db: sqlite3.Connection, namespace: str) -> int | None:
    row = db.execute(sql.VECTOR_SIZE, (namespace,)).fetchone()
    return None if row is None else int(row[0])


def _check_size(namespace: str, given: int, stored: int) -> None:
    if given != stored:
        raise StoreError(
            f"a vector of dimension {given} does not fit namespace {namespace!r}, whose vectors have dimension {stored}; "
            "use the text encoder that built it, or another namespace"
        )
