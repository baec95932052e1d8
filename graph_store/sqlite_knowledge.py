"""The knowledge base in SQLite: upsert and look-up by pair."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from llmrg.core.errors import StoreError
from llmrg.core.records import Knowledge
from llmrg.graph_store import sqlite_rows
from llmrg.graph_store import sqlite_statements as sql

_KEY = 8
"""Column of a knowledge row."""


def put(db: sqlite3.Connection, namespace: str, entries: Sequence[Knowledge]) -> None:
    """Upsert inside the caller's transaction."""
    size = vector_size(db, namespace)
    for entry in entries:
        if not len(entry.vector):
            continue
        if size is None:
            size = len(entry.vector)
            db.execute(sql.PUT_VECTOR_SIZE, (namespace, size))
        check_size(namespace, len(entry.vector), size)
    db.executemany(sql.PUT_KNOWLEDGE, [sqlite_rows.knowledge_row(namespace, entry) for entry in entries])


def of_pairs(db: sqlite3.Connection, namespace: str, pairs: Sequence[tuple[str, str]]) -> list[Knowledge]:
    """Entries of these (from item, to item) pairs: score descending, then key."""
    rows = [row for pair in dict.fromkeys(pairs) for row in db.execute(sql.KNOWLEDGE_FOR_PAIR, (namespace, *pair))]
    return [sqlite_rows.knowledge_from(row) for row in sorted(rows, key=lambda row: (-row[3], row[_KEY]))]


def vector_size(db: sqlite3.Connection, namespace: str) -> int | None:
    """The dimension D of all vectors of the namespace; None while it has none."""
    row = db.execute(sql.VECTOR_SIZE, (namespace,)).fetchone()
    return None if row is None else int(row[0])


def check_size(namespace: str, given: int, stored: int) -> None:
    """Raises: StoreError: the dimension given is not the one stored."""
    if given != stored:
        raise StoreError(
            f"a vector of dimension {given} does not fit namespace {namespace!r}, whose vectors have dimension {stored}; "
            "use the text encoder that built it, or another namespace"
        )
