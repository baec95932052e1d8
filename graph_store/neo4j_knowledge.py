"""The knowledge base in Neo4j: the work of one transaction each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from llmrg.core.records import Knowledge, VectorSpace
from llmrg.graph_store import checks, neo4j_rows
from llmrg.graph_store import neo4j_cypher_knowledge as cypher
from llmrg.graph_store.neo4j_catalogue import check_items, write_rows
from llmrg.graph_store.neo4j_labels import Label
from llmrg.graph_store.neo4j_rows import Row, node_key, space_of

if TYPE_CHECKING:
    from neo4j import ManagedTransaction

PRUNED_AT_ONCE: Final = 5000
"""Entries that one transaction deletes: a server of 1 GB undoes one of some hundred thousand."""


def check(tx: ManagedTransaction, namespace: str, entries: Sequence[Knowledge]) -> None:
    """Raises: UnknownItemError: an item is not in the catalogue; StoreError: a vector's dimension is not the one stored."""
    check_items(tx, namespace, (item for entry in entries for item in (entry.from_item, entry.to_item)))
    sizes = _sizes(entries)
    if sizes:
        stored = space(tx, namespace)
        _check_sizes(namespace, sizes, stored.dimension if stored else sizes[0])


def put(tx: ManagedTransaction, namespace: str, entries: Sequence[Knowledge]) -> None:
    """Upsert. All entries are locked before any of their scores is compared, so that no writer lowers what another raised."""
    check(tx, namespace, entries)
    _keep_dimension(tx, namespace, entries)
    rows = sorted((neo4j_rows.knowledge_row(namespace, entry) for entry in entries), key=lambda row: str(row["key"]))
    write_rows(tx, cypher.PUT_KNOWLEDGE, rows)
    write_rows(tx, cypher.RAISE_SCORES, ({"key": row["key"], "score": row["score"]} for row in rows))
    filled = ({"key": row["key"], "vector": row["vector"]} for row in rows if row["vector"] is not None)
    write_rows(tx, cypher.FILL_VECTORS, filled)
    link(tx, namespace, rows)


def link(tx: ManagedTransaction, namespace: str, rows: Sequence[Row]) -> None:
    """Tie entries to their two items, as far as these are there. Args: rows: with `key`, `from_item` and `to_item`."""
    write_rows(tx, cypher.LINK_ITEM_TO_KNOWLEDGE, _links(namespace, rows, "from_item"))
    write_rows(tx, cypher.LINK_KNOWLEDGE_TO_ITEM, _links(namespace, rows, "to_item"))


def page(tx: ManagedTransaction, namespace: str, after: str, limit: int) -> list[Knowledge]:
    records = tx.run(cypher.KNOWLEDGE_PAGE, space=space_of(namespace), after=after, limit=limit)
    return [neo4j_rows.knowledge_from(dict(record)) for record in records]


def of_pairs(tx: ManagedTransaction, namespace: str, pairs: Iterable[tuple[str, str]], mind: str) -> list[Knowledge]:
    """A mind's entries of these (from item, to item) pairs: score descending, then key."""
    keys = [neo4j_rows.pair_key(namespace, *pair) for pair in dict.fromkeys(pairs)]
    entries = [
        neo4j_rows.knowledge_from(dict(record))
        for batch in neo4j_rows.batches(keys)
        for record in tx.run(cypher.KNOWLEDGE_FOR, pairs=batch, mind=mind)
    ]
    return sorted(entries, key=lambda entry: (-entry.score, entry.key))


def nearest(
    tx: ManagedTransaction, namespace: str, to_item: str, vector: np.ndarray, limit: int, mind: str
) -> list[tuple[Knowledge, float]]:
    """A mind's entries that lead to `to_item`: cosine descending, then key. Exact: see `neo4j_migrations`."""
    stored = space(tx, namespace)
    if stored is None:
        return []
    checks.check_dimension(namespace, len(vector), stored.dimension)
    target = node_key(Label.ITEM, namespace, to_item)
    records = tx.run(cypher.NEAREST_KNOWLEDGE, target=target, vector=vector.astype(np.float32).tolist(), limit=limit, mind=mind)
    return [(neo4j_rows.knowledge_from(dict(record)), min(1.0, max(-1.0, record["cosine"]))) for record in records]


def count_uses(tx: ManagedTransaction, namespace: str, uses: Mapping[str, int]) -> None:
    """Add to counters. They are locked in one statement and read in the next, so that no count is lost."""
    rows = [{"key": node_key(Label.KNOWLEDGE, namespace, key), "uses": int(count)} for key, count in uses.items()]
    rows.sort(key=lambda row: str(row["key"]))
    write_rows(tx, cypher.LOCK_KNOWLEDGE, rows, space=space_of(namespace))
    write_rows(tx, cypher.COUNT_USES, rows)


def top(tx: ManagedTransaction, namespace: str, limit: int) -> list[Knowledge]:
    """Most used first, then score, then key."""
    records = tx.run(cypher.TOP_KNOWLEDGE, space=space_of(namespace), limit=limit)
    return [neo4j_rows.knowledge_from(dict(record)) for record in records]


def prunable(tx: ManagedTransaction, namespace: str, max_uses: int, max_score: float) -> int:
    """How many entries `prune` would delete in all."""
    bounds: Row = {"space": space_of(namespace), "max_uses": max_uses, "max_score": max_score}
    return int(tx.run(cypher.PRUNABLE, **bounds).single(strict=True)["found"])


def prune(tx: ManagedTransaction, namespace: str, max_uses: int, max_score: float) -> int:
    """Delete some thousand entries at most; returns how many."""
    bounds: Row = {"space": space_of(namespace), "max_uses": max_uses, "max_score": max_score, "limit": PRUNED_AT_ONCE}
    return int(tx.run(cypher.PRUNE, **bounds).single(strict=True)["found"])


def claim(tx: ManagedTransaction, namespace: str, claimed: VectorSpace) -> None:
    """Raises: StoreError: there are vectors of another space. The space is locked first, so that of two claims one wins."""
    row = neo4j_rows.vector_space_row(namespace, claimed)
    tx.run(cypher.LOCK_VECTOR_SPACE, row=row).consume()
    stored = space(tx, namespace)
    if stored and tx.run(cypher.ANY_VECTOR, space=space_of(namespace)).single():
        checks.check_claim(namespace, claimed, stored)
    tx.run(cypher.SET_VECTOR_SPACE, row=row).consume()


def space(tx: ManagedTransaction, namespace: str) -> VectorSpace | None:
    record = tx.run(cypher.VECTOR_SPACE, key=node_key(Label.VECTOR_SPACE, namespace)).single()
    return None if record is None else VectorSpace(record["encoder"] or "", int(record["dimension"]))


def _keep_dimension(tx: ManagedTransaction, namespace: str, entries: Sequence[Knowledge]) -> None:
    """The first vector of a namespace decides the dimension of all; of two writers at once, one does."""
    sizes = _sizes(entries)
    if sizes and space(tx, namespace) is None:
        row = neo4j_rows.vector_space_row(namespace, VectorSpace("", sizes[0]))
        _check_sizes(namespace, sizes, tx.run(cypher.PUT_VECTOR_SPACE, row=row).single(strict=True)["dimension"])


def _sizes(entries: Sequence[Knowledge]) -> list[int]:
    return [len(entry.vector) for entry in entries if len(entry.vector)]


def _check_sizes(namespace: str, sizes: Sequence[int], stored: int) -> None:
    for size in sizes:
        checks.check_dimension(namespace, size, stored)


def _links(namespace: str, rows: Sequence[Row], column: str) -> list[Row]:
    links = [{"key": row["key"], "to": node_key(Label.ITEM, namespace, row[column])} for row in rows]
    return sorted(links, key=lambda link: (link["to"], link["key"]))
