"""What can be wrong inside a SQLite store, and how each is mended."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Final

from llmrg.core.graph_table import GraphTable
from llmrg.graph_store.checks import items_of
from llmrg.graph_store.packed_graph import unpack
from llmrg.graph_store.protocol import Problem
from llmrg.graph_store.sqlite_migrations import LOOKUPS
from llmrg.graph_store.sqlite_rows import sizes_of

_OWNERLESS_GRAPHS: Final = """SELECT id FROM graphs WHERE NOT EXISTS (
    SELECT 1 FROM users WHERE users.namespace = graphs.namespace AND users.user = graphs.user)"""
_STRAY_DRAFTS: Final = """SELECT id FROM drafts WHERE NOT EXISTS (
    SELECT 1 FROM users WHERE users.namespace = drafts.namespace AND users.user = drafts.user)"""
_UNREADABLE_GRAPHS: Final = "SELECT id FROM graphs WHERE packed_items(CAST(packed AS BLOB), user, run, version) IS NULL"
_UNREADABLE_DRAFTS: Final = """SELECT drafts.id FROM drafts JOIN draft_blocks AS b ON b.draft = drafts.id
    WHERE packed_items(CAST(b.packed AS BLOB), drafts.user, drafts.run, 0) IS NULL"""
_BROKEN_GRAPHS: Final = """SELECT id FROM graphs WHERE EXISTS (
    SELECT 1 FROM json_each(packed_items(CAST(packed AS BLOB), user, run, version)) AS named WHERE NOT EXISTS (
        SELECT 1 FROM items WHERE items.namespace = graphs.namespace AND items.id = named.value))"""
_MISCOUNTED_GRAPHS: Final = (
    "SELECT id FROM graphs WHERE json_array(accepted, rejected, imagined) <> packed_sizes(CAST(packed AS BLOB))"
)
_NO_ITEM: Final = """NOT EXISTS (SELECT 1 FROM profile_sources AS p JOIN items ON items.namespace = p.namespace
    WHERE p.id = appeals.source AND items.id = appeals.item)"""
_NO_NAME: Final = "trim(theme, ' ' || char(9, 10, 11, 12, 13)) = ''"


@dataclass(frozen=True)
class _Check:
    what: str
    find: str
    """Selects one row for each case; its first column is an example."""
    mend: tuple[str, ...] = ()
    how: str = ""


CHECKS: Final = (
    _Check(
        "graphs whose user is missing",
        f"SELECT user FROM graphs WHERE id IN ({_OWNERLESS_GRAPHS})",
        (f"DELETE FROM graphs WHERE id IN ({_OWNERLESS_GRAPHS})",),
        "delete them",
    ),
    _Check(
        "graphs that cannot be read",
        f"SELECT user FROM graphs WHERE id IN ({_UNREADABLE_GRAPHS})",
        (f"DELETE FROM graphs WHERE id IN ({_UNREADABLE_GRAPHS})",),
        "delete them, so that the next build makes them anew; a backup may have them whole",
    ),
    _Check(
        "drafts that cannot be read",
        f"SELECT user FROM drafts WHERE id IN ({_UNREADABLE_DRAFTS})",
        (f"DELETE FROM drafts WHERE id IN ({_UNREADABLE_DRAFTS})",),
        "delete them, so that the next build begins these users anew",
    ),
    _Check(
        "graphs with a step whose item is missing",
        f"SELECT user FROM graphs WHERE id IN ({_BROKEN_GRAPHS})",
        (f"DELETE FROM graphs WHERE id IN ({_BROKEN_GRAPHS})",),
        "delete them, so that the next build makes them anew",
    ),
    _Check(
        "graphs whose counts differ from their steps",
        f"SELECT user FROM graphs WHERE id IN ({_MISCOUNTED_GRAPHS})",
        (
            f"""UPDATE graphs SET (accepted, rejected, imagined) = (
            SELECT json_extract(sizes, '$[0]'), json_extract(sizes, '$[1]'), json_extract(sizes, '$[2]')
            FROM (SELECT packed_sizes(CAST(packed AS BLOB)) AS sizes)) WHERE id IN ({_MISCOUNTED_GRAPHS})""",
        ),
        "count again",
    ),
    _Check(
        "users marked done without a graph",
        """SELECT user FROM user_statuses AS s WHERE status = 'done' AND NOT EXISTS (
            SELECT 1 FROM graphs WHERE graphs.namespace = s.namespace AND graphs.user = s.user)""",
        (
            """UPDATE user_statuses SET status = 'pending' WHERE status = 'done' AND NOT EXISTS (
            SELECT 1 FROM graphs WHERE graphs.namespace = user_statuses.namespace AND graphs.user = user_statuses.user)""",
        ),
        "mark them pending, so that the next build makes their graphs",
    ),
    _Check(
        "statuses of a run that is missing",
        """SELECT run FROM user_statuses AS s WHERE NOT EXISTS (
            SELECT 1 FROM runs WHERE runs.namespace = s.namespace AND runs.id = s.run)""",
        (
            """DELETE FROM user_statuses WHERE NOT EXISTS (
            SELECT 1 FROM runs WHERE runs.namespace = user_statuses.namespace AND runs.id = user_statuses.run)""",
        ),
        "delete them",
    ),
    _Check(
        "drafts whose user is missing",
        f"SELECT user FROM drafts WHERE id IN ({_STRAY_DRAFTS})",
        (f"DELETE FROM draft_blocks WHERE draft IN ({_STRAY_DRAFTS})", f"DELETE FROM drafts WHERE id IN ({_STRAY_DRAFTS})"),
        "delete them",
    ),
    _Check(
        "draft blocks without a draft",
        "SELECT draft FROM draft_blocks WHERE draft NOT IN (SELECT id FROM drafts)",
        ("DELETE FROM draft_blocks WHERE draft NOT IN (SELECT id FROM drafts)",),
        "delete them",
    ),
    _Check(
        "histories that name a missing item",
        """SELECT DISTINCT user FROM users, json_each(users.items) AS taken WHERE NOT EXISTS (
            SELECT 1 FROM items WHERE items.namespace = users.namespace AND items.id = taken.value)""",
        how="run `llmrg build`, which puts the catalogue again",
    ),
    _Check(
        "knowledge whose items are missing",
        """SELECT key FROM knowledge AS k WHERE NOT EXISTS (
            SELECT 1 FROM items WHERE items.namespace = k.namespace AND items.id = k.from_item) OR NOT EXISTS (
            SELECT 1 FROM items WHERE items.namespace = k.namespace AND items.id = k.to_item)""",
        (
            """DELETE FROM knowledge WHERE NOT EXISTS (
            SELECT 1 FROM items WHERE items.namespace = knowledge.namespace AND items.id = knowledge.from_item) OR NOT EXISTS (
            SELECT 1 FROM items WHERE items.namespace = knowledge.namespace AND items.id = knowledge.to_item)""",
        ),
        "delete it",
    ),
    _Check(
        "appeals whose profile is missing",
        "SELECT item FROM appeals WHERE source NOT IN (SELECT id FROM profile_sources)",
        ("DELETE FROM appeals WHERE source NOT IN (SELECT id FROM profile_sources)",),
        "delete them",
    ),
    _Check(
        "appeals of missing items",
        f"SELECT item FROM appeals WHERE {_NO_ITEM}",
        (f"DELETE FROM appeals WHERE {_NO_ITEM}",),
        "delete them; put the catalogue and the profile again to have them back",
    ),
    _Check(
        "themes without a name",
        f"SELECT item FROM appeals WHERE {_NO_NAME} UNION ALL SELECT text FROM theme_texts WHERE {_NO_NAME}",
        (f"DELETE FROM appeals WHERE {_NO_NAME}", f"DELETE FROM theme_texts WHERE {_NO_NAME}"),
        "delete the appeals and the wordings that name them",
    ),
    _Check(
        "knowledge without provenance",
        "SELECT key FROM knowledge WHERE source_user = ''",
        how="nothing: it is used as if known from the start; say where it is from (`source_user`) when you put it",
    ),
)


def problems(db: sqlite3.Connection) -> list[Problem]:
    """Inside the caller's transaction."""
    damage = [text for (text,) in db.execute("PRAGMA quick_check(5)") if text != "ok"]
    if damage:
        return [Problem("damaged pages", len(damage), tuple(damage), "put a backup in the file's place", False)]
    _add_functions(db)
    problems_there = [_problem(db, check) for check in CHECKS]
    lost = [name for name in LOOKUPS if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (name,)).fetchone()]
    if lost:
        problems_there.append(Problem("missing indexes or triggers", len(lost), tuple(lost), "make them again", True))
    return [problem for problem in problems_there if problem.count]


def repair(db: sqlite3.Connection) -> None:
    """Mend all that can be mended, inside the caller's transaction. In this order: deleting a graph leaves a user marked done."""
    _add_functions(db)
    for check in CHECKS:
        for statement in check.mend:
            db.execute(statement)
    for statement in LOOKUPS.values():
        db.execute(statement)


def _problem(db: sqlite3.Connection, check: _Check) -> Problem:
    (count,) = db.execute(f"SELECT count(*) FROM ({check.find})").fetchone()
    examples = [str(row[0]) for row in db.execute(f"{check.find} LIMIT 3")] if count else []
    return Problem(check.what, count, tuple(examples), check.how, bool(check.mend))


def _add_functions(db: sqlite3.Connection) -> None:
    db.create_function("packed_items", 4, _packed_items, deterministic=True)
    db.create_function("packed_sizes", 1, _packed_sizes, deterministic=True)


def _packed_items(packed: object, user: str, run: str, version: int) -> str | None:
    """The items that the steps speak of, as JSON; None for bytes that are no graph of this user, run and version."""
    table = _table(packed)
    if table is None or (table.users[0], table.runs[0], table.versions[0]) != (user, run, version):
        return None
    return json.dumps(sorted(items_of(table[user].steps)))


def _packed_sizes(packed: object) -> str | None:
    """(accepted, rejected, imagined) as JSON, written as SQLite writes it."""
    table = _table(packed)
    if table is None:
        return None
    return json.dumps(sizes_of(table[table.users[0]]), separators=(",", ":"))


def _table(packed: object) -> GraphTable | None:
    try:
        return unpack([packed]) if isinstance(packed, bytes) else None
    except ValueError:
        return None
