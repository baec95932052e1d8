"""Themes and profiles in Neo4j.

Programs read a profile from one property of its (:ProfileSource), which is replaced in one transaction: never half old and half
new. The relations beside it are there to be looked at and walked along, and are made right after it, some thousand a transaction;
whoever finds that another writer has replaced the profile meanwhile leaves the rest to that one. A (:Theme) lives for as long as
the text of a reason belongs to it or an item stands for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, LiteralString
from uuid import uuid4

from llmrg.core.themes import Profile, ProfileSource, Themes
from llmrg.graph_store import neo4j_cypher_themes as cypher
from llmrg.graph_store import neo4j_rows
from llmrg.graph_store.neo4j_catalogue import check_items, write_rows
from llmrg.graph_store.neo4j_labels import Label
from llmrg.graph_store.neo4j_link import Neo4jLink
from llmrg.graph_store.neo4j_rows import Row, node_key, space_of
from llmrg.graph_store.packed_profile import unpack

if TYPE_CHECKING:
    from neo4j import ManagedTransaction


# -- texts ----------------------------------------------------------------------------------------------------------------
def put_texts(link: Neo4jLink, namespace: str, of_text: Mapping[str, str]) -> None:
    rows = by_key(neo4j_rows.theme_text_row(namespace, text, theme) for text, theme in of_text.items())
    themes = _theme_rows(namespace, of_text.values())
    left: set[str] = set()
    for portion in neo4j_rows.batches(rows, neo4j_rows.LOAD):
        left |= link.write(partial(_put_texts, namespace=namespace, rows=portion))
    _link_reasons(link, cypher.LINK_REASONS_OF_TEXTS, rows)
    _link_reasons(link, cypher.LINK_REASONS_OF_THEMES, themes)
    _delete_unused(link, namespace, left)


def _put_texts(tx: ManagedTransaction, namespace: str, rows: Sequence[Row]) -> set[str]:
    """Keys of the themes to which these texts belonged."""
    write_rows(tx, cypher.PUT_THEMES, _theme_rows(namespace, (row["theme"] for row in rows)))
    write_rows(tx, cypher.LOCK_THEME_TEXTS, rows)
    left = {key for batch in neo4j_rows.batches(rows) for key in tx.run(cypher.THEMES_LEFT_BY_TEXTS, rows=batch).value("key")}
    write_rows(tx, cypher.SET_THEME_TEXTS, rows)
    return left


# -- profiles -------------------------------------------------------------------------------------------------------------
def put_profile(link: Neo4jLink, namespace: str, profile: Profile) -> None:
    """Raises: UnknownItemError: an item is not in the catalogue."""
    row = neo4j_rows.profile_row(namespace, profile, uuid4().hex)
    link.write(lambda tx: _set_profile(tx, namespace, profile, row))
    left, ours = _forget_appeals(link, row["key"], row["generation"])
    themes = _theme_rows(namespace, (appeal.theme for appeal in profile.appeals))
    if ours and _link_appeals(link, namespace, profile, row):
        _link_reasons(link, cypher.LINK_REASONS_OF_THEMES, themes)
    _delete_unused(link, namespace, left)


def delete_profile(link: Neo4jLink, namespace: str, source: str) -> bool:
    key = node_key(Label.PROFILE_SOURCE, namespace, source)
    deleted = link.write(lambda tx: tx.run(cypher.DELETE_PROFILE, key=key).single(strict=True)["found"])
    left, _ = _forget_appeals(link, key, None)
    _delete_unused(link, namespace, left)
    return bool(deleted)


def read(tx: ManagedTransaction, namespace: str) -> Themes:
    space = space_of(namespace)
    texts = sorted(tx.run(cypher.THEME_TEXTS, space=space).values())
    rows = sorted(tx.run(cypher.PROFILES, space=space).values(), key=lambda row: str(row[0]))
    profiles = [Profile(ProfileSource(name, made, verified, note), unpack(data)) for name, made, verified, note, data in rows]
    return Themes(dict(texts), tuple(profiles))


def _set_profile(tx: ManagedTransaction, namespace: str, profile: Profile, row: Row) -> None:
    check_items(tx, namespace, (appeal.item for appeal in profile.appeals))
    tx.run(cypher.SET_PROFILE, row=row).consume()


def _forget_appeals(link: Neo4jLink, key: str, generation: str | None) -> tuple[set[str], bool]:
    """Delete a profile's relations: keys of the themes that they led to, and whether the profile is still of our generation."""

    def forget(tx: ManagedTransaction) -> list[str] | None:
        if not _is_ours(tx, key, generation):
            return None
        return list(tx.run(cypher.FORGET_APPEALS, key=key, limit=neo4j_rows.LOAD).value("key"))

    left: set[str] = set()
    while counts := link.write(forget):
        left.update(counts)
    return left, counts is not None


def _link_appeals(link: Neo4jLink, namespace: str, profile: Profile, row: Row) -> bool:
    """Make a profile's relations, with the themes that they lead to; False if another writer has replaced the profile."""
    rows = neo4j_rows.appeal_rows(namespace, profile)

    def put(tx: ManagedTransaction, *, portion: Sequence[Row]) -> bool:
        ours = _is_ours(tx, row["key"], row["generation"])
        if ours:
            link_appeals(tx, portion)
        return ours

    portions = neo4j_rows.batches(rows, neo4j_rows.LOAD)
    return all(link.write(partial(put, portion=portion)) for portion in portions)


def link_appeals(tx: ManagedTransaction, rows: Sequence[Row]) -> None:
    """Relations and their themes. Args: rows: as `neo4j_rows.appeal_rows` makes them."""
    themes = {row["theme"]: row for row in rows}
    write_rows(tx, cypher.PUT_THEMES, by_key(neo4j_rows.theme_row(row["namespace"], row["name"]) for row in themes.values()))
    write_rows(tx, cypher.LINK_APPEALS, rows)


def _is_ours(tx: ManagedTransaction, key: str, generation: str | None) -> bool:
    """Whether the profile is of this generation (None: there is none); nobody replaces it until we are done."""
    tx.run(cypher.LOCK_PROFILE, key=key).consume()
    record = tx.run(cypher.PROFILE_GENERATION, key=key).single()
    return (record["generation"] if record else None) == generation


# -- what follows from both -----------------------------------------------------------------------------------------------
def _link_reasons(link: Neo4jLink, statement: LiteralString, rows: Iterable[Row]) -> None:
    """As many a transaction as one can hold, until there is none to link."""

    def link_some(tx: ManagedTransaction, *, batch: Sequence[Row]) -> int:
        return int(tx.run(statement, rows=batch, limit=neo4j_rows.LOAD).single(strict=True)["found"])

    for batch in neo4j_rows.batches(rows):
        while link.write(partial(link_some, batch=batch)):
            pass


def _delete_unused(link: Neo4jLink, namespace: str, themes: Collection[str]) -> None:
    """Those of these themes, named by key, that nothing belongs to any more."""
    rows = [{"key": key, "space": space_of(namespace)} for key in sorted(themes)]
    for portion in neo4j_rows.batches(rows, neo4j_rows.LOAD):
        link.write(partial(delete_unused, rows=portion))


def delete_unused(tx: ManagedTransaction, rows: Sequence[Row]) -> None:
    """They are locked in one statement and looked at in the next, so that none is deleted that somebody is about to use."""
    write_rows(tx, cypher.LOCK_THEMES, rows)
    write_rows(tx, cypher.DELETE_UNUSED_THEMES, rows)


def _theme_rows(namespace: str, themes: Iterable[str]) -> list[Row]:
    return by_key(neo4j_rows.theme_row(namespace, theme) for theme in set(themes))


def by_key(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: str(row["key"]))
