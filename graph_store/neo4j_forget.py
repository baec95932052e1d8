"""Deleting a user or a namespace in Neo4j: the work of one transaction each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from llmrg.graph_store import neo4j_cypher_forget as cypher
from llmrg.graph_store import neo4j_graphs, neo4j_rows
from llmrg.graph_store.neo4j_labels import Label

if TYPE_CHECKING:
    from neo4j import ManagedTransaction

AT_ONCE: Final = 5_000
"""Nodes deleted in one transaction."""


def namespaces(tx: ManagedTransaction) -> list[str]:
    return sorted(tx.run(cypher.NAMESPACES).value("namespace"))


def user(tx: ManagedTransaction, namespace: str, user: str) -> bool:
    """True if there was anything."""
    key, space = neo4j_rows.node_key(Label.USER, namespace, user), neo4j_rows.space_of(namespace)
    attributes = tx.run(cypher.ATTRIBUTES_OF_USER, key=key).value("key")
    neo4j_graphs.delete(tx, namespace, user)
    tx.run(cypher.LOCK_ATTRIBUTES, keys=attributes, space=space).consume()
    tx.run(cypher.DELETE_UNUSED_ATTRIBUTES, keys=attributes).consume()
    found = int(tx.run(cypher.FORGET_DRAFTS_AND_STATUSES, space=space, user=user).single(strict=True)["found"])
    found += int(tx.run(cypher.FORGET_KNOWLEDGE, space=space, user=user).single(strict=True)["found"])
    found += int(tx.run(cypher.FORGET_USER, key=key).single(strict=True)["found"])
    return found > 0


def part_of_namespace(tx: ManagedTransaction, namespace: str) -> int:
    """Delete some nodes of the namespace; returns how many."""
    found = tx.run(cypher.FORGET_NAMESPACE, space=neo4j_rows.space_of(namespace), limit=AT_ONCE).single(strict=True)["found"]
    return int(found)
