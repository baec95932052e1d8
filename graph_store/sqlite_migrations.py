"""The schema of the SQLite store, version by version: made in a new file, checked at opening, brought forward on demand.

Ids are compared by their bytes, which for UTF-8 is the order of code points. A graph is one row with its steps packed in it. A
migration is one transaction: done whole, or not at all.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llmrg.core.errors import StoreVersionError
from llmrg.graph_store.sqlite_errors import not_a_store
from llmrg.graph_store.sqlite_forget import overwriting
from llmrg.graph_store.sqlite_packing import pack_steps, round_vectors

APPLICATION_ID: Final = 0x4C4D5247
"""`LMRG`: tells our files from other SQLite files."""


@dataclass(frozen=True)
class Migration:
    """What leads to schema `version` from the one before."""

    version: int
    does: str
    """One line for people."""
    tables: tuple[str, ...]
    lookups: tuple[str, ...] = ()
    """Indexes and triggers; may be made again at any time."""
    move: Callable[[sqlite3.Connection], None] | None = None
    """Fills the tables from those before, or rewrites their rows."""
    drops: tuple[str, ...] = ()
    """Tables that have had their day."""


def _counting(name: str, event: str, row: str, condition: str) -> str:
    return f"""CREATE TRIGGER IF NOT EXISTS {name} AFTER {event} ON knowledge WHEN {condition} BEGIN
        INSERT INTO vector_changes (namespace, to_item, changes) VALUES ({row}.namespace, {row}.to_item, 1)
        ON CONFLICT (namespace, to_item) DO UPDATE SET changes = changes + 1; END"""


MIGRATIONS: Final = (
    Migration(
        1,
        "tables and indexes",
        (
            """CREATE TABLE items (
                namespace TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL, attributes TEXT NOT NULL,
                PRIMARY KEY (namespace, id)) WITHOUT ROWID""",
            """CREATE TABLE users (
                namespace TEXT NOT NULL, user TEXT NOT NULL, items TEXT NOT NULL, at TEXT NOT NULL, attributes TEXT NOT NULL,
                PRIMARY KEY (namespace, user))""",
            """CREATE TABLE graphs (
                id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, user TEXT NOT NULL, run TEXT NOT NULL, version INTEGER NOT NULL,
                accepted INTEGER NOT NULL, rejected INTEGER NOT NULL, imagined INTEGER NOT NULL,
                UNIQUE (namespace, user))""",
            """CREATE TABLE steps (
                graph INTEGER NOT NULL, ordinal INTEGER NOT NULL, position INTEGER NOT NULL, kind TEXT NOT NULL,
                cause_kind TEXT NOT NULL, cause TEXT NOT NULL, cause_position INTEGER, reason TEXT NOT NULL, item TEXT NOT NULL,
                score REAL NOT NULL, chain INTEGER NOT NULL, seen INTEGER NOT NULL, accepted INTEGER NOT NULL,
                why_rejected TEXT NOT NULL, origin TEXT NOT NULL, grounding REAL NOT NULL,
                PRIMARY KEY (graph, ordinal)) WITHOUT ROWID""",
            """CREATE TABLE drafts (
                id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, run TEXT NOT NULL, user TEXT NOT NULL, through INTEGER NOT NULL,
                UNIQUE (namespace, run, user))""",
            """CREATE TABLE draft_steps (
                id INTEGER PRIMARY KEY, draft INTEGER NOT NULL, step TEXT NOT NULL,
                UNIQUE (draft, step))""",
            """CREATE TABLE knowledge (
                id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, key TEXT NOT NULL, from_item TEXT NOT NULL,
                reason TEXT NOT NULL, to_item TEXT NOT NULL, score REAL NOT NULL, uses INTEGER NOT NULL,
                source_user TEXT NOT NULL, source_position INTEGER NOT NULL, vector BLOB,
                UNIQUE (namespace, key))""",
            "CREATE TABLE vector_sizes (namespace TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID",
            """CREATE TABLE runs (
                namespace TEXT NOT NULL, id TEXT NOT NULL, status TEXT NOT NULL, settings TEXT NOT NULL, costs TEXT NOT NULL,
                started_at REAL NOT NULL, ended_at REAL,
                PRIMARY KEY (namespace, id))""",
            """CREATE TABLE user_statuses (
                namespace TEXT NOT NULL, run TEXT NOT NULL, user TEXT NOT NULL, status TEXT NOT NULL, cause TEXT NOT NULL,
                PRIMARY KEY (namespace, run, user)) WITHOUT ROWID""",
        ),
        (
            "CREATE INDEX IF NOT EXISTS knowledge_by_pair ON knowledge (namespace, to_item, from_item)",
            "CREATE INDEX IF NOT EXISTS knowledge_by_use ON knowledge (namespace, uses DESC, score DESC, key)",
        ),
    ),
    Migration(
        2,
        "the name of the text encoder, and a counter of vector changes for each item",
        (
            """CREATE TABLE vector_changes (
                namespace TEXT NOT NULL, to_item TEXT NOT NULL, changes INTEGER NOT NULL,
                PRIMARY KEY (namespace, to_item)) WITHOUT ROWID""",
            "ALTER TABLE vector_sizes ADD COLUMN encoder TEXT NOT NULL DEFAULT ''",
        ),
        (
            _counting("vector_added", "INSERT", "NEW", "NEW.vector IS NOT NULL"),
            _counting("vector_changed", "UPDATE OF vector", "NEW", "NEW.vector IS NOT OLD.vector"),
            _counting("vector_gone", "DELETE", "OLD", "OLD.vector IS NOT NULL"),
        ),
    ),
    Migration(
        3,
        "themes and profiles of items, whose knowledge it is (that of before is nobody's), which calls a draft was made of",
        (
            "ALTER TABLE knowledge ADD COLUMN mind TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE drafts ADD COLUMN blocks TEXT NOT NULL DEFAULT ''",
            """CREATE TABLE theme_texts (
                namespace TEXT NOT NULL, text TEXT NOT NULL, theme TEXT NOT NULL,
                PRIMARY KEY (namespace, text)) WITHOUT ROWID""",
            """CREATE TABLE profile_sources (
                id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, made TEXT NOT NULL,
                verified INTEGER NOT NULL, note TEXT NOT NULL,
                UNIQUE (namespace, name))""",
            """CREATE TABLE appeals (
                source INTEGER NOT NULL, item TEXT NOT NULL, theme TEXT NOT NULL, score REAL NOT NULL, uses INTEGER NOT NULL,
                PRIMARY KEY (source, item, theme)) WITHOUT ROWID""",
        ),
    ),
    Migration(
        4,
        "graphs of a user's runs stand side by side, each packed in one row; `llmrg store compact` then gives space back",
        (
            "ALTER TABLE graphs RENAME TO old_graphs",
            "ALTER TABLE drafts RENAME TO old_drafts",
            """CREATE TABLE graphs (
                id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, user TEXT NOT NULL, run TEXT NOT NULL, version INTEGER NOT NULL,
                accepted INTEGER NOT NULL, rejected INTEGER NOT NULL, imagined INTEGER NOT NULL, packed BLOB NOT NULL,
                UNIQUE (namespace, user, run))""",
            """CREATE TABLE drafts (
                id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, run TEXT NOT NULL, user TEXT NOT NULL, through INTEGER NOT NULL,
                UNIQUE (namespace, run, user))""",
            """CREATE TABLE draft_blocks (
                id INTEGER PRIMARY KEY, draft INTEGER NOT NULL, key TEXT NOT NULL, packed BLOB NOT NULL,
                UNIQUE (draft, key))""",
        ),
        move=pack_steps,
        drops=("old_graphs", "old_drafts", "steps", "draft_steps"),
    ),
    Migration(
        5,
        "vectors of the knowledge base are rounded to half precision; `llmrg store compact` then gives space back",
        (),
        move=round_vectors,
    ),
)
CURRENT_VERSION: Final = MIGRATIONS[-1].version

LOOKUPS: Final = {re.split(r" ON | AFTER ", text.split(" EXISTS ")[1])[0]: text for m in MIGRATIONS for text in m.lookups}
"""Name of each index and trigger -> what makes it."""
_TABLES: Final = frozenset(text.split()[2] for m in MIGRATIONS for text in m.tables) - {n for m in MIGRATIONS for n in m.drops}


def is_new(db: sqlite3.Connection, path: Path) -> bool:
    """True for an empty file. Raises: NotAStoreError: a database that somebody else made."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    if application == APPLICATION_ID:
        return False
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application or tables or stored_version(db):
        raise not_a_store(path, f"a SQLite file of another program, application id {application:#x}, {tables} tables")
    return True


def stored_version(db: sqlite3.Connection) -> int:
    """0 in a new file."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def pending(db: sqlite3.Connection, path: Path) -> tuple[Migration, ...]:
    """Migrations that the file lacks. Raises: StoreVersionError: newer code made it."""
    version = stored_version(db)
    if version > CURRENT_VERSION:
        raise StoreVersionError(
            f"{path} has schema version {version}, this release of llmrg knows up to {CURRENT_VERSION}; "
            "update with `pip install -U llmrg`"
        )
    return tuple(migration for migration in MIGRATIONS if migration.version > version)


def migrate(db: sqlite3.Connection, todo: tuple[Migration, ...]) -> None:
    """Inside the caller's transaction."""
    for migration in todo:
        for statement in (*migration.tables, *migration.lookups):
            db.execute(statement)
        with overwriting(db):  # else a user who is forgotten later would still stand in the space that rows leave
            if migration.move is not None:
                migration.move(db)
            for table in migration.drops:
                db.execute(f"DROP TABLE {table}")
    db.execute(f"PRAGMA user_version = {CURRENT_VERSION}")
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def check(db: sqlite3.Connection, path: Path) -> None:
    """Raises: StoreVersionError: newer or older code made the file; NotAStoreError: it lacks tables."""
    if pending(db, path):
        raise StoreVersionError(
            f"{path} has schema version {stored_version(db)}, this release of llmrg needs {CURRENT_VERSION}: "
            f"bring it forward with `llmrg store migrate --store sqlite:///{path}` (--dry-run says what that does)"
        )
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if missing := _TABLES - there:
        raise not_a_store(path, f"tables are missing: {', '.join(sorted(missing))}")
