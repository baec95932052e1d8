"""What can be wrong with themes and profiles in a Neo4j store: to find it, and to mend it. `neo4j_integrity` has the list.

What programs read, the packed profiles and the wordings, is the truth; themes and relations are made from it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from llmrg.core.themes import Profile, ProfileSource
from llmrg.graph_store import neo4j_cypher_integrity as cypher
from llmrg.graph_store import neo4j_cypher_themes, neo4j_rows, neo4j_themes
from llmrg.graph_store.neo4j_catalogue import write_rows
from llmrg.graph_store.neo4j_labels import Label
from llmrg.graph_store.neo4j_link import Neo4jLink
from llmrg.graph_store.neo4j_rows import Row, node_key, space_of
from llmrg.graph_store.packed_profile import pack, unpack

if TYPE_CHECKING:
    from neo4j import ManagedTransaction


def of_missing_items(link: Neo4jLink) -> list[Row]:
    """A row for each profile and item that the catalogue lacks."""
    return link.read(_of_missing_items)


def drop_items(tx: ManagedTransaction, rows: Sequence[Row]) -> None:
    for key, lost in groupby(sorted(rows, key=lambda row: str(row["key"])), key=lambda row: row["key"]):
        items = {row["example"] for row in lost}
        (data,) = tx.run(cypher.PACKED_PROFILE, key=key).single(strict=True).values()
        kept = [appeal for appeal in unpack(data) if appeal.item not in items]
        tx.run(cypher.SET_PACKED_PROFILE, key=key, data=pack(kept), appeals=len(kept)).consume()


def without_relation(link: Neo4jLink) -> list[Row]:
    """Appeals as `neo4j_rows.appeal_rows` makes them."""

    def find(tx: ManagedTransaction) -> list[Row]:
        there = {tuple(row) for row in tx.run(cypher.APPEALS).values("source_key", "item", "theme")}
        lost = {(row["key"], row["item_key"]) for row in _of_missing_items(tx)}
        return [
            row | {"key": row["source_key"], "example": row["name"]}
            for row in _wanted(tx)
            if (row["source_key"], row["item"], row["theme"]) not in there and (row["source_key"], row["item"]) not in lost
        ]

    return link.read(find)


def link_appeals(tx: ManagedTransaction, rows: Sequence[Row]) -> None:
    neo4j_themes.link_appeals(tx, rows)


def relations_of_nobody(link: Neo4jLink) -> list[Row]:
    """Relations that no profile has, and second ones of one appeal."""

    def find(tx: ManagedTransaction) -> list[Row]:
        wanted = {(row["source_key"], row["item"], row["theme"]) for row in _wanted(tx)}
        rows = []
        for row in tx.run(cypher.APPEALS).data():
            appeal = (row["source_key"], row["item"], row["theme"])
            if appeal in wanted:
                wanted.remove(appeal)
            else:
                rows.append(row)
        return rows

    return link.read(find)


def put_themes(tx: ManagedTransaction, rows: Sequence[Row]) -> None:
    """Args: rows: with `namespace` and `theme`."""
    themes = {(row["namespace"], row["theme"]) for row in rows}
    write_rows(tx, neo4j_cypher_themes.PUT_THEMES, neo4j_themes.by_key(neo4j_rows.theme_row(*theme) for theme in themes))


def delete_unused(tx: ManagedTransaction, rows: Sequence[Row]) -> None:
    neo4j_themes.delete_unused(tx, [{"key": row["key"], "space": space_of(row["namespace"])} for row in rows])


def link_reasons(tx: ManagedTransaction, rows: Sequence[Row]) -> None:
    keys = [{"key": row["key"]} for row in rows]
    write_rows(tx, cypher.FORGET_THEMES, keys)
    write_rows(tx, neo4j_cypher_themes.LINK_REASONS, keys)


def _of_missing_items(tx: ManagedTransaction) -> list[Row]:
    missing = []
    for key, profile, namespace in _profiles(tx):
        items = dict.fromkeys(appeal.item for appeal in profile.appeals)
        rows = [{"key": key, "example": item, "item_key": node_key(Label.ITEM, namespace, item)} for item in items]
        for batch in neo4j_rows.batches(rows):
            missing += tx.run(cypher.LACKING_ITEM, rows=batch).value("row")
    return missing


def _profiles(tx: ManagedTransaction) -> Iterator[tuple[str, Profile, str]]:
    """(key, profile, namespace)"""
    for key, namespace, name, data in tx.run(cypher.PACKED_PROFILES).values("key", "namespace", "name", "data"):
        yield key, Profile(ProfileSource(name), unpack(data)), namespace


def _wanted(tx: ManagedTransaction) -> Iterator[Row]:
    """The relations that all profiles together should have."""
    for _, profile, namespace in _profiles(tx):
        yield from neo4j_rows.appeal_rows(namespace, profile)
