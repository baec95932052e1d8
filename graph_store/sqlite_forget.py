"""Deleting a user, a run or a namespace in a SQLite store, so that nothing of it can be read out of the file afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

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
    (kept,) = db.execute("PRAGMA secure_delete").fetchone()
    db.execute("PRAGMA secure_delete = ON")  # overwrites what it deletes
    try:
        for statement in statements:
            db.execute(statement, which)
    finally:
        db.execute(f"PRAGMA secure_delete = {int(kept)}")
    return db.total_changes > before
