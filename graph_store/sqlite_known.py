"""Whether what a record names is in the SQLite store: inside the caller's transaction, before anything is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from llmrg.core.errors import UnknownItemError, UnknownUserError
from llmrg.core.records import Step
from llmrg.graph_store import checks
from llmrg.graph_store import sqlite_statements as sql


def check_owner(db: sqlite3.Connection, namespace: str, user: str, steps: Iterable[Step]) -> None:
    """Raises: UnknownUserError: no history of the user; UnknownItemError: an item of a step is not in the catalogue."""
    if db.execute(sql.HAS_USER, (namespace, user)).fetchone() is None:
        raise unknown_user(db, namespace, user)
    check_items(db, namespace, checks.items_of(steps))


def check_items(db: sqlite3.Connection, namespace: str, items: Iterable[str]) -> None:
    """Raises: UnknownItemError: one of the items is not in the catalogue."""
    for item in dict.fromkeys(items):
        if db.execute(sql.HAS_ITEM, (namespace, item)).fetchone() is None:
            raise UnknownItemError(item)


def unknown_user(db: sqlite3.Connection, namespace: str, user: str) -> UnknownUserError:
    """The error, with a user who is there as an example."""
    row = db.execute(sql.ANY_USER, (namespace,)).fetchone()
    return UnknownUserError(user, "" if row is None else row[0])
