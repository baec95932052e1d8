"""Deleting a user, a run or a namespace in a SQLite store, so that nothing of it can be read out of the file afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from llmrg.graph_store import sqlite_statements as sql


def user(db: sqlite3.Connection, namespace: str, user: str) -> bool:
    """True if there was anything."""
    return _delete(db, sql.FORGET_USER, {"namespace": namespace, "user": user})


def run(db: sqlite3.Connection, namespace: str, run: str) -> bool:
    """True if there was anything."""
    return _delete(db, sql.FORGET_RUN, {"namespace": namespace, "run": run})


def namespace(db: sqlite3.Connection, namespace: str) -> bool:
    """True if there was anything."""
    return _delete(db, sql.FORGET_NAMESPACE, {"namespace": namespace})


def _delete(db: sqlite3.Connection, statements: Sequence[str], which: dict[str, str]) -> bool:
    before = db.total_changes
    with overwriting(db):
        for statement in statements:
            db.execute(statement, which)
    return db.total_changes > before


@contextmanager
def overwriting(db: sqlite3.Connection) -> Iterator[None]:
    """What is deleted meanwhile is overwritten."""
    (kept,) = db.execute("PRAGMA secure_delete").fetchone()
    db.execute("PRAGMA secure_delete = ON")
    try:
        yield
    finally:
        db.execute(f"PRAGMA secure_delete = {int(kept)}")
