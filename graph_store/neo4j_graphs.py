"""Reasoning graphs and drafts in Neo4j: the work of one transaction each.

Whoever writes a user's graph or draft takes the user's lock first, so writers of one user come one after the other; writers of
different users meet only at items, whose relations are made in order of key.

The nodes of the steps are there to be looked at and walked along. Programs read a graph from one property, the packed graph,
which is written in the same transaction: one look-up, flat arrays, never half old and half new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as replace_in_record
from typing import TYPE_CHECKING

from llmrg.core.errors import DraftConflictError, UnknownItemError, VersionConflictError
from llmrg.core.graph_table import GraphTable
from llmrg.core.records import ReasoningGraph, Step
from llmrg.graph_store import neo4j_cypher as cypher
from llmrg.graph_store import neo4j_cypher_themes as cypher_themes
from llmrg.graph_store import neo4j_rows
from llmrg.graph_store.checks import items_of
from llmrg.graph_store.neo4j_catalogue import check_items, unknown_user, write_rows
from llmrg.graph_store.neo4j_labels import Label
from llmrg.graph_store.neo4j_rows import Row, node_key
from llmrg.graph_store.packed_graph import unpack

if TYPE_CHECKING:
    from neo4j import ManagedTransaction


def replace(tx: ManagedTransaction, namespace: str, graph: ReasoningGraph, expected_version: int | None) -> int:
    """Swap the user's graph; returns its new version."""
    user = node_key(Label.USER, namespace, graph.user)
    version = _lock_and_read_version(tx, namespace, user)
    if expected_version is not None and expected_version != (version or 0):
        raise VersionConflictError(graph.user, expected_version, version or 0)
    if version is None:
        raise unknown_user(tx, namespace, graph.user)
    check_items(tx, namespace, items_of(graph.steps))
    graph = replace_in_record(graph, version=version + 1)
    tx.run(cypher.DELETE_STEPS, key=user).consume()
    _create_steps(tx, namespace, user, graph)
    tx.run(cypher.PUT_PACKED_GRAPH, row=neo4j_rows.packed_row(namespace, graph)).consume()
    sizes = [len(graph.reasoned()), len(graph.rejected()), len(graph.imagined())]
    tx.run(cypher.SET_GRAPH_STATE, key=user, version=graph.version, sizes=sizes, run=graph.run).consume()
    tx.run(cypher.DELETE_DRAFT, key=node_key(Label.DRAFT, namespace, graph.run, graph.user)).consume()
    return graph.version


def delete(tx: ManagedTransaction, namespace: str, user: str) -> bool:
    key = node_key(Label.USER, namespace, user)
    if not _lock_and_read_version(tx, namespace, key):
        return False
    tx.run(cypher.DELETE_STEPS, key=key).consume()
    tx.run(cypher.DELETE_PACKED_GRAPH, key=node_key(Label.PACKED_GRAPH, namespace, user)).consume()
    tx.run(cypher.SET_GRAPH_STATE, key=key, version=0, sizes=[0, 0, 0], run=None).consume()
    return True


def read(tx: ManagedTransaction, namespace: str, users: Sequence[str]) -> GraphTable:
    """Graphs of those users who have one."""
    keys = [node_key(Label.PACKED_GRAPH, namespace, user) for user in dict.fromkeys(users)]
    found = [data for batch in neo4j_rows.batches(keys) for (data,) in tx.run(cypher.PACKED_GRAPHS, keys=batch).values()]
    return unpack(found)


def write_nodes_again(tx: ManagedTransaction, namespace: str, user: str) -> None:
    """Make the nodes of the user's steps from the packed graph; a graph with an item that is missing is deleted."""
    key = node_key(Label.USER, namespace, user)
    _lock_and_read_version(tx, namespace, key)
    graph = read(tx, namespace, [user]).get(user)
    try:
        check_items(tx, namespace, items_of(graph.steps if graph else ()))
    except UnknownItemError:
        graph = None
    if graph is None:
        delete(tx, namespace, user)
    else:
        tx.run(cypher.DELETE_STEPS, key=key).consume()
        _create_steps(tx, namespace, key, graph)


def append_draft(
    tx: ManagedTransaction, namespace: str, run: str, user: str, steps: Sequence[Step], through: int, start: int
) -> None:
    """Raises: DraftConflictError: the draft does not end at `start`, and was not made by this call itself."""
    if _lock_and_read_version(tx, namespace, node_key(Label.USER, namespace, user)) is None:
        raise unknown_user(tx, namespace, user)
    check_items(tx, namespace, items_of(steps))
    row = neo4j_rows.draft_row(namespace, run, user)
    tx.run(cypher.LOCK_DRAFT, row=row).consume()
    block = neo4j_rows.block_key(steps, through, start)
    done, repeated = tx.run(cypher.DRAFT_STATE, key=row["key"], block=block).single(strict=True).values()
    if repeated:
        return
    if done != start:
        raise DraftConflictError(user, run, start, done)
    texts = list(dict.fromkeys(neo4j_rows.step_text(step) for step in steps))
    tx.run(cypher.APPEND_DRAFT, key=row["key"], steps=texts, through=int(through), block=block).consume()


def draft(tx: ManagedTransaction, namespace: str, run: str, user: str) -> tuple[tuple[Step, ...], int]:
    record = tx.run(cypher.DRAFT, key=node_key(Label.DRAFT, namespace, run, user)).single()
    if record is None:
        return (), 0
    return tuple(neo4j_rows.step_from_text(text) for text in record["steps"]), record["through"]


def _lock_and_read_version(tx: ManagedTransaction, namespace: str, user: str) -> int | None:
    """Version of the user's graph (0: no graph), or None if there is no such user; nobody else changes it until we are done."""
    tx.run(cypher.LOCK_USER, key=user, space=neo4j_rows.space_of(namespace)).consume()
    record = tx.run(cypher.GRAPH_STATE, key=user).single()
    return None if record is None else int(record["version"])


def _create_steps(tx: ManagedTransaction, namespace: str, user: str, graph: ReasoningGraph) -> None:
    rows = neo4j_rows.step_rows(namespace, graph)
    accepted = [row for row in rows if row["accepted"]]
    rejected = [row for row in rows if not row["accepted"]]
    by_attribute = [row for row in accepted if row["cause_kind"] == "attribute"]
    attributes = {row["cause"]: neo4j_rows.attribute_row(namespace, row["cause"]) for row in by_attribute}

    write_rows(tx, cypher.PUT_ATTRIBUTES, sorted(attributes.values(), key=lambda row: str(row["key"])))
    write_rows(tx, cypher.CREATE_REASONS, accepted, user=user)
    write_rows(tx, cypher.CREATE_REJECTED, rejected, user=user)

    by_item = [row for row in accepted if row["cause_kind"] == "item"]
    reused = [row for row in by_item if row["origin"] == "knowledge"]
    write_rows(tx, cypher.LINK_REASON_TO_ITEM, _links(accepted, namespace, Label.ITEM, "item"))
    write_rows(tx, cypher.LINK_ITEM_TO_REASON, _links(by_item, namespace, Label.ITEM, "cause"))
    write_rows(tx, cypher.LINK_ATTRIBUTE_TO_REASON, _links(by_attribute, namespace, Label.ATTRIBUTE, "cause"))
    write_rows(tx, cypher.LINK_REJECTED_TO_ITEM, _links(rejected, namespace, Label.ITEM, "item"))
    write_rows(tx, cypher.LINK_REASON_TO_KNOWLEDGE, _knowledge_links(reused, namespace))
    write_rows(
        tx, cypher_themes.LINK_REASONS, ({"key": row["key"]} for row in sorted(accepted, key=lambda row: row["wording_key"]))
    )
    write_rows(
        tx, cypher.LINK_RUN_TO_REASON, ({"step": row["key"]} for row in accepted), run=node_key(Label.RUN, namespace, graph.run)
    )


def _links(rows: Sequence[Row], namespace: str, label: Label, column: str) -> list[Row]:
    links = [{"step": row["key"], "to": node_key(label, namespace, row[column])} for row in rows]
    return sorted(links, key=lambda link: (link["to"], link["step"]))


def _knowledge_links(rows: Sequence[Row], namespace: str) -> list[Row]:
    """By what the entries say: a step does not tell whose it took."""
    links = [{"step": row["key"], "pair": neo4j_rows.pair_key(namespace, row["cause"], row["item"])} for row in rows]
    return sorted(links, key=lambda link: (link["pair"], link["step"]))
