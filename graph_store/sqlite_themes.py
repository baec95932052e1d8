"""Themes and profiles in SQLite: inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from itertools import groupby

from llmrg.core.errors import CallerError
from llmrg.core.themes import Appeal, Profile, ProfileSource, Themes
from llmrg.graph_store import sqlite_known
from llmrg.graph_store import sqlite_statements as sql


def put_profile(db: sqlite3.Connection, namespace: str, profile: Profile) -> None:
    """Raises: UnknownItemError: an item is not in the catalogue."""
    source = profile.source
    sqlite_known.check_items(db, namespace, (appeal.item for appeal in profile.appeals))
    db.execute(sql.PUT_PROFILE_SOURCE, (namespace, source.name, source.made, int(source.verified), source.note))
    (number,) = db.execute(sql.PROFILE_SOURCE, (namespace, source.name)).fetchone()
    db.execute(sql.DELETE_APPEALS, (number,))
    db.executemany(sql.PUT_APPEAL, [(number, a.item, a.theme, float(a.score), int(a.uses)) for a in profile.appeals])


def delete_profile(db: sqlite3.Connection, namespace: str, source: str) -> bool:
    row = db.execute(sql.PROFILE_SOURCE, (namespace, source)).fetchone()
    if row is not None:
        db.execute(sql.DELETE_APPEALS, row)
        db.execute(sql.DELETE_PROFILE_SOURCE, row)
    return row is not None


def read(db: sqlite3.Connection, namespace: str) -> Themes:
    appeals = {
        number: tuple(_appeal(*row[1:]) for row in rows)
        for number, rows in groupby(db.execute(sql.APPEALS, (namespace,)), key=lambda row: row[0])
    }
    profiles = tuple(
        Profile(ProfileSource(name, made, bool(verified), note), appeals.get(number, ()))
        for number, name, made, verified, note in db.execute(sql.PROFILE_SOURCES, (namespace,))
    )
    return Themes(dict(db.execute(sql.THEME_TEXTS, (namespace,)).fetchall()), profiles)


def _appeal(item: str, theme: str, score: float, uses: int) -> Appeal:
    """Raises: ValueError: it does not read as it was written."""
    try:
        return Appeal(item, theme, score, uses)
    except CallerError as error:
        raise ValueError(str(error)) from error
