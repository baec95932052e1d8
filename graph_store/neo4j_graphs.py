"""Reasoning graphs and drafts in Neo4j: the work of one transaction each.

Whoever writes a user's graph or draft takes the user's lock first, so writers of one user come one after the other; writers of
different users meet only at items and themes, whose relations are made in order of key.

Programs read a graph from one property of its (:PackedGraph), of which a user has one a run. The nodes of steps are there to be
looked at and walked along; they are those of the user's newest graph, made in the transaction that writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace as replace_in_record
from typing import TYPE_CHECKING

from llmrg.core.errors import DraftConflictError, StoreError, UnknownItemError, VersionConflictError
from llmrg.core.graph_table import GraphTable
from llmrg.core.records import ReasoningGraph, Step
from llmrg.graph_store import neo4j_cypher as cypher
from llmrg.graph_store import neo4j_cypher_forget as cypher_forget
from llmrg.graph_store import neo4j_rows
from llmrg.graph_store.checks import items_of
from llmrg.graph_store.neo4j_catalogue import check_items, unknown_user, write_rows
from llmrg.graph_store.neo4j_labels import Label
from llmrg.graph_store.neo4j_rows import Row, node_key
from llmrg.graph_store.packed_graph import unpack

if TYPE_CHECKING:
    from neo4j import ManagedTransaction


def replace(tx: ManagedTransaction, namespace: str, graph: ReasoningGraph, expected_version: int | None) -> int:
    """Swap the user's graph of the run; returns its version."""
    user = node_key(Label.USER, namespace, graph.user)
    version = _lock_and_read_version(tx, namespace, user)
    if expected_version is not None and expected_version != (version or 0):
        raise VersionConflictError(graph.user, expected_version, version or 0)
    if version is None:
        raise unknown_user(tx, namespace, graph.user)
    check_items(tx, namespace, items_of(graph.steps))
    graph = replace_in_record(graph, version=version + 1)
    draw(tx, namespace, user, graph.steps, anew=version > 0)
    row, draft = neo4j_rows.packed_row(namespace, graph), node_key(Label.DRAFT, namespace, graph.run, graph.user)
    tx.run(cypher.PUBLISH, row=row, sizes=neo4j_rows.sizes_of(graph), draft=draft).consume()
    return graph.version


def read(tx: ManagedTransaction, namespace: str, users: Sequence[str], run: str) -> GraphTable:
    """Graphs of those users who have one: of a run, or each user's newest."""
    names = dict.fromkeys(users)
    if run:
        statement, keys = cypher.GRAPHS_OF_RUN, [node_key(Label.PACKED_GRAPH, namespace, user, run) for user in names]
    else:
        statement, keys = cypher.NEWEST_GRAPHS, [node_key(Label.USER, namespace, user) for user in names]
    packed = [data for batch in neo4j_rows.batches(keys) for (data,) in tx.run(statement, keys=batch).values()]
    try:
        return unpack(packed)
    except ValueError as error:
        raise StoreError(f"{error}; `llmrg doctor` tells whose it is, a backup of the server may have it whole") from error


def draw(tx: ManagedTransaction, namespace: str, user: str, steps: Sequence[Step], *, anew: bool = True) -> None:
    """Make the nodes that people see of a user's steps. Args: user: key; anew: there are nodes of an older graph to delete."""
    left = _delete_steps(tx, user) if anew else set()
    accepted = [step for step in steps if step.accepted]
    attributes = {
        step.cause: neo4j_rows.attribute_row(namespace, step.cause) for step in accepted if step.cause_kind == "attribute"
    }
    write_rows(tx, cypher.PUT_ATTRIBUTES, _by(attributes.values(), "key"))
    write_rows(tx, cypher.CREATE_REASONS, _by(neo4j_rows.step_rows(namespace, accepted), "item"), user=user)
    rejected = neo4j_rows.step_rows(namespace, [step for step in steps if not step.accepted])
    write_rows(tx, cypher.CREATE_REJECTED, _by(rejected, "item"), user=user)
    delete_unused_attributes(tx, namespace, left - {row["key"] for row in attributes.values()})


def draw_newest(tx: ManagedTransaction, namespace: str, user: str) -> None:
    """Make what people see of a user again, from the newest graph; of one whose bytes or items are lost nothing is left.

    Args: user: key.
    """
    _lock_and_read_version(tx, namespace, user)
    newest = ReasoningGraph("")
    for key, data in tx.run(cypher.GRAPHS_OF_USER, key=user).values():
        try:
            (newest,) = unpack([data]).values()
            check_items(tx, namespace, items_of(newest.steps))
            break
        except (ValueError, UnknownItemError):
            tx.run(cypher.DELETE_PACKED_GRAPH, key=key).consume()
            newest = ReasoningGraph("")
    draw(tx, namespace, user, newest.steps)
    state: Row = {"version": newest.version, "sizes": neo4j_rows.sizes_of(newest), "run": newest.run if newest.version else None}
    tx.run(cypher.SET_GRAPH_STATE, key=user, **state).consume()


def forget_run(tx: ManagedTransaction, namespace: str, graphs: Sequence[Row]) -> None:
    """Delete these graphs; of users whose newest it was, the one before is drawn.

    Args: graphs: `key` and `user_key` of each.
    """
    for graph in graphs:
        newest = _lock_and_read_version(tx, namespace, graph["user_key"])
        if newest in tx.run(cypher.DELETE_PACKED_GRAPH, key=graph["key"]).value("version"):
            draw_newest(tx, namespace, graph["user_key"])


def forget_user(tx: ManagedTransaction, namespace: str, user: str) -> None:
    """Delete the graphs of all runs, and what people see of the newest. Args: user: key."""
    _lock_and_read_version(tx, namespace, user)
    delete_unused_attributes(tx, namespace, _delete_steps(tx, user))
    tx.run(cypher_forget.FORGET_GRAPHS, key=user).consume()


def delete_unused_attributes(tx: ManagedTransaction, namespace: str, attributes: set[str]) -> None:
    """Those of these attributes, named by key, that no step leads from any more."""
    if attributes:
        space = neo4j_rows.space_of(namespace)
        tx.run(cypher_forget.LOCK_ATTRIBUTES, keys=sorted(attributes), space=space).consume()
        tx.run(cypher_forget.DELETE_UNUSED_ATTRIBUTES, keys=sorted(attributes)).consume()


# -- drafts ---------------------------------------------------------------------------------------------------------------
def append_draft(
    tx: ManagedTransaction, namespace: str, run: str, user: str, steps: Sequence[Step], through: int, start: int
) -> None:
    """Raises: DraftConflictError: the draft does not end at `start`, and was not made by this call itself."""
    if _lock_and_read_version(tx, namespace, node_key(Label.USER, namespace, user)) is None:
        raise unknown_user(tx, namespace, user)
    check_items(tx, namespace, items_of(steps))
    row = neo4j_rows.draft_row(namespace, run, user)
    tx.run(cypher.LOCK_DRAFT, row=row).consume()
    block = neo4j_rows.draft_block(run, user, steps)
    key = neo4j_rows.block_key(block, through, start)
    done, repeated, data = tx.run(cypher.DRAFT_STATE, key=row["key"], block=key).single(strict=True).values()
    if repeated:
        return
    if done != start:
        raise DraftConflictError(user, run, start, done)
    tx.run(cypher.APPEND_DRAFT, key=row["key"], data=(data or b"") + block, through=int(through), block=key).consume()


def draft(tx: ManagedTransaction, namespace: str, run: str, user: str) -> tuple[tuple[Step, ...], int]:
    record = tx.run(cypher.DRAFT, key=node_key(Label.DRAFT, namespace, run, user)).single()
    if record is None:
        return (), 0
    return neo4j_rows.draft_steps(user, record["data"] or b""), record["through"]


def _lock_and_read_version(tx: ManagedTransaction, namespace: str, user: str) -> int | None:
    """Version of the user's newest graph (0: none), or None without such a user; nobody else changes it until we are done."""
    tx.run(cypher.LOCK_USER, key=user, space=neo4j_rows.space_of(namespace)).consume()
    record = tx.run(cypher.GRAPH_STATE, key=user).single()
    return None if record is None else int(record["version"])


def _delete_steps(tx: ManagedTransaction, user: str) -> set[str]:
    """Keys of the attributes that the steps led from."""
    return {key for key in tx.run(cypher.DELETE_STEPS, key=user).value("attribute") if key}


def _by(rows: Iterable[Row], column: str) -> list[Row]:
    return sorted(rows, key=lambda row: str(row[column]))
