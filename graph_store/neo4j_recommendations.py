"""What recommenders recommend, as relations for people to look at: the work of one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmrg.graph_store import neo4j_cypher as cypher
from llmrg.graph_store.neo4j_catalogue import check_items, lock_user, write_rows
from llmrg.graph_store.neo4j_labels import Label
from llmrg.graph_store.neo4j_rows import node_key
from llmrg.graph_store.neo4j_shown import moment

if TYPE_CHECKING:
    from neo4j import ManagedTransaction


def put(tx: ManagedTransaction, namespace: str, user: str, model: str, items: Sequence[tuple[str, float]], at: float) -> None:
    """Replace the user's recommendations of this model."""
    key = lock_user(tx, namespace, user)
    check_items(tx, namespace, (item for item, _ in items))
    rows = [
        {"item": node_key(Label.ITEM, namespace, item), "rank": rank, "score": float(score)}
        for rank, (item, score) in enumerate(items, 1)
    ]
    tx.run(cypher.FORGET_RECOMMENDATIONS, user=key, model=model).consume()
    write_rows(tx, cypher.RECOMMEND, sorted(rows, key=lambda row: str(row["item"])), user=key, model=model, at=moment(at))
