"""Deleting a user, a run or a namespace in Neo4j: the work of one transaction each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from llmrg.graph_store import neo4j_cypher_forget as cypher
from llmrg.graph_store import neo4j_graphs, neo4j_rows
from llmrg.graph_store.neo4j_labels import Label
from llmrg.graph_store.neo4j_rows import Row

if TYPE_CHECKING:
    from neo4j import ManagedTransaction

AT_ONCE: Final = 5_000
"""Nodes deleted in one transaction."""
GRAPHS_AT_ONCE: Final = 20
"""Graphs of a run deleted in one transaction: the steps of as many may have to be drawn."""


def namespaces(tx: ManagedTransaction) -> list[str]:
    return sorted(tx.run(cypher.NAMESPACES).value("namespace"))


def user(tx: ManagedTransaction, namespace: str, user: str) -> bool:
    """True if there was anything."""
    key, space = neo4j_rows.node_key(Label.USER, namespace, user), neo4j_rows.space_of(namespace)
    neo4j_graphs.forget_user(tx, namespace, key)
    deleted = int(tx.run(cypher.FORGET_DRAFTS_AND_STATUSES, space=space, user=user).single(strict=True)["found"])
    deleted += int(tx.run(cypher.FORGET_KNOWLEDGE, space=space, user=user).single(strict=True)["found"])
    deleted += int(tx.run(cypher.FORGET_USER, key=key).single(strict=True)["found"])
    return deleted > 0


def graphs_of_run(tx: ManagedTransaction, namespace: str, run: str) -> int:
    """Delete some graphs of the run; returns how many."""
    keys: Row = {"space": neo4j_rows.space_of(namespace), "run_key": neo4j_rows.node_key(Label.RUN, namespace, run)}
    graphs = tx.run(cypher.KEYS_OF_GRAPHS_OF_RUN, limit=GRAPHS_AT_ONCE, **keys).data()
    neo4j_graphs.forget_run(tx, namespace, graphs)
    return len(graphs)


def run_itself(tx: ManagedTransaction, namespace: str, run: str) -> bool:
    """Delete the run's drafts, statuses and record; True if there was anything."""
    space, key = neo4j_rows.space_of(namespace), neo4j_rows.node_key(Label.RUN, namespace, run)
    deleted = int(tx.run(cypher.FORGET_DRAFTS_OF_RUN, space=space, run=run).single(strict=True)["found"])
    deleted += int(tx.run(cypher.FORGET_RUN, space=space, run_key=key).single(strict=True)["found"])
    return deleted > 0


def part_of_namespace(tx: ManagedTransaction, namespace: str) -> int:
    """Delete some nodes of the namespace, those of steps first, which are found through their users; returns how many."""
    which: Row = {"space": neo4j_rows.space_of(namespace), "limit": AT_ONCE}
    deleted = tx.run(cypher.FORGET_STEPS, **which).single(strict=True)["found"]
    return int(deleted or tx.run(cypher.FORGET_NAMESPACE, **which).single(strict=True)["found"])
