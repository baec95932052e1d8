"""Schema version 4: steps are drawn anew with what people look at alone, and times and attributes become readable.

Nodes are changed page by page, each page in a transaction of its own after which they are not found again: an interrupted
migration goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, LiteralString

from llmrg.core.records import Item, ReasoningGraph, Step
from llmrg.graph_store import neo4j_cypher as cypher
from llmrg.graph_store import neo4j_cypher_migrations as cypher_migrations
from llmrg.graph_store import neo4j_graphs, neo4j_rows
from llmrg.graph_store.neo4j_catalogue import take_again, write_rows
from llmrg.graph_store.neo4j_labels import Label
from llmrg.graph_store.neo4j_link import bound
from llmrg.graph_store.neo4j_rows import Row, node_key
from llmrg.graph_store.packed_graph import framed, unpack

if TYPE_CHECKING:
    from neo4j import ManagedTransaction

    from llmrg.graph_store.neo4j_link import Neo4jLink

USERS_AT_ONCE: Final = 20
"""Users of one transaction, with all their steps."""
GONE: Final = ("llmrg_reason_key", "llmrg_rejected_reason_key", "llmrg_reason_wording")
"""Constraints and indexes of steps, which are found through their users now."""


def fill(link: Neo4jLink) -> None:
    for name in GONE:
        link.write(partial(_drop, cypher_migrations.DROP_CONSTRAINT, name))
        link.write(partial(_drop, cypher_migrations.DROP_INDEX, name))
    parts: tuple[tuple[LiteralString, int, Callable[[ManagedTransaction, Sequence[Row]], None]], ...] = (
        (cypher_migrations.ITEMS_OF_3, neo4j_rows.BATCH, _items),
        (cypher_migrations.THEMES_OF_3, neo4j_rows.BATCH, partial(_wordings, cypher_migrations.SET_WORDINGS_OF_THEMES)),
        (cypher_migrations.TEXTS_OF_3, neo4j_rows.BATCH, partial(_wordings, cypher_migrations.SET_WORDINGS_OF_TEXTS)),
        (cypher_migrations.RUNS_OF_3, neo4j_rows.BATCH, _runs),
        (cypher_migrations.DRAFTS_OF_3, USERS_AT_ONCE, _drafts),
        (cypher_migrations.USERS_OF_3, USERS_AT_ONCE, _users),
    )
    for statement, size, write in parts:
        for page in link.pages(statement, size):
            link.write(bound(write, page))


def _drop(statement: LiteralString, name: str, tx: ManagedTransaction) -> None:
    tx.run(statement, name=name).consume()


def _items(tx: ManagedTransaction, rows: Sequence[Row]) -> None:
    """Names and values were two lists side by side."""
    items = [
        (row["namespace"], Item(row["id"], row["title"], tuple(zip(row["names"], row["values"], strict=True)))) for row in rows
    ]
    write_rows(tx, cypher_migrations.SET_ITEMS, [neo4j_rows.item_row(namespace, item) for namespace, item in items])


def _wordings(statement: LiteralString, tx: ManagedTransaction, rows: Sequence[Row]) -> None:
    write_rows(tx, statement, [{"key": row["key"], "wording": neo4j_rows.wording_of(row["theme_key"])} for row in rows])


def _runs(tx: ManagedTransaction, rows: Sequence[Row]) -> None:
    write_rows(
        tx,
        cypher_migrations.SET_TIMES,
        [{"key": row["key"]} | neo4j_rows.run_times(row["started_at"], row["ended_at"]) for row in rows],
    )


def _drafts(tx: ManagedTransaction, rows: Sequence[Row]) -> None:
    """Their steps were JSON texts; they become one block."""
    blocks = [
        {
            "key": row["key"],
            "data": neo4j_rows.draft_block(row["run"], row["user"], [Step(**json.loads(text)) for text in row["steps"]]),
        }
        for row in rows
    ]
    write_rows(tx, cypher_migrations.SET_DRAFTS, blocks)


def _users(tx: ManagedTransaction, rows: Sequence[Row]) -> None:
    for row in rows:
        namespace, history = row["namespace"], neo4j_rows.history_from(row)
        tx.run(cypher.LOCK_USER, key=row["key"], space=neo4j_rows.space_of(namespace)).consume()
        tx.run(cypher.SET_USERS, rows=[neo4j_rows.user_row(namespace, history)]).consume()
        take_again(tx, namespace, [history])
        old_key = node_key(Label.PACKED_GRAPH, namespace, history.user)
        record = tx.run(cypher_migrations.GRAPH_OF_3, key=old_key).single()
        if record is not None:
            (graph,) = unpack([framed(record["data"])]).values()
            tx.run(cypher_migrations.SET_PACKED_GRAPH, key=old_key, row=neo4j_rows.packed_row(namespace, graph)).consume()
            neo4j_graphs.draw(tx, namespace, row["key"], graph.steps)


def pack_nodes(tx: ManagedTransaction, users: Sequence[Row]) -> None:
    """To version 2: pack graphs from the nodes of their steps, which were all that there was."""
    for row in users:
        tx.run(cypher.LOCK_USER, key=row["key"], space=neo4j_rows.space_of(row["namespace"])).consume()
        user, run, version, steps = tx.run(cypher_migrations.STEPS_OF_NODES, key=row["key"]).single(strict=True).values()
        graph = ReasoningGraph(user, tuple(Step(user, *values) for values in steps), run, version)
        tx.run(cypher_migrations.PUT_PACKED_GRAPH, row=neo4j_rows.packed_row(row["namespace"], graph)).consume()
