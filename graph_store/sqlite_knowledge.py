"""The knowledge base in SQLite: upsert, look-up by pair, whose vectors they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any

from llmrg.core.records import Knowledge, VectorSpace
from llmrg.graph_store import checks, sqlite_rows
from llmrg.graph_store import sqlite_statements as sql

_PAIRS_AT_ONCE = 400
"""Of one statement: SQLite before 3.32 takes 999 parameters."""
_KEY = 8
"""Column of a knowledge row."""


def put(db: sqlite3.Connection, namespace: str, entries: Sequence[Knowledge]) -> None:
    """Upsert inside the caller's transaction."""
    stored = space(db, namespace)
    for size in (len(entry.vector) for entry in entries if len(entry.vector)):
        if stored is None:
            stored = VectorSpace("", size)
            db.execute(sql.PUT_VECTOR_SPACE, (namespace, stored.encoder, stored.dimension))
        checks.check_dimension(namespace, size, stored.dimension)
    db.executemany(sql.PUT_KNOWLEDGE, [sqlite_rows.knowledge_row(namespace, entry) for entry in entries])


def of_pairs(db: sqlite3.Connection, namespace: str, pairs: Sequence[tuple[str, str]], mind: str) -> list[Knowledge]:
    """A mind's entries of these (from item, to item) pairs: score descending, then key."""
    rows: list[tuple[Any, ...]] = []
    distinct = list(dict.fromkeys(pairs))
    for start in range(0, len(distinct), _PAIRS_AT_ONCE):
        some = distinct[start : start + _PAIRS_AT_ONCE]
        rows += db.execute(sql.knowledge_for_pairs(len(some)), (*chain.from_iterable(some), namespace, mind))
    return [sqlite_rows.knowledge_from(row) for row in sorted(rows, key=lambda row: (-row[3], row[_KEY]))]


def claim(db: sqlite3.Connection, namespace: str, claimed: VectorSpace) -> None:
    """Inside the caller's transaction. Raises: StoreError: there are vectors of another space."""
    stored = space(db, namespace)
    if stored is not None and db.execute(sql.ANY_VECTOR, (namespace,)).fetchone():
        checks.check_claim(namespace, claimed, stored)
    if stored != claimed:
        db.execute(sql.PUT_VECTOR_SPACE, (namespace, claimed.encoder, claimed.dimension))


def space(db: sqlite3.Connection, namespace: str) -> VectorSpace | None:
    row = db.execute(sql.VECTOR_SPACE, (namespace,)).fetchone()
    return None if row is None else VectorSpace(*row)
