"""Items and users in Neo4j: the work of one transaction each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, LiteralString

from llmrg.core.errors import UnknownItemError, UnknownUserError
from llmrg.core.records import History, Item
from llmrg.graph_store import neo4j_cypher as cypher
from llmrg.graph_store import neo4j_rows
from llmrg.graph_store.neo4j_labels import Label
from llmrg.graph_store.protocol import StoreCounts

if TYPE_CHECKING:
    from neo4j import ManagedTransaction


def write_rows(tx: ManagedTransaction, statement: LiteralString, rows: Iterable[neo4j_rows.Row], **fixed: Any) -> None:
    """Run a statement that begins with UNWIND $rows, some thousand rows at a time."""
    for batch in neo4j_rows.batches(rows):
        tx.run(statement, rows=batch, **fixed).consume()


def check_items(tx: ManagedTransaction, namespace: str, items: Iterable[str]) -> None:
    """Raises: UnknownItemError: one of the items is not in the catalogue."""
    rows = [{"key": neo4j_rows.node_key(Label.ITEM, namespace, item), "id": item} for item in dict.fromkeys(items)]
    for batch in neo4j_rows.batches(rows):
        missing = tx.run(cypher.ITEMS_MISSING, rows=batch).single()
        if missing:
            raise UnknownItemError(missing["id"])


def unknown_user(tx: ManagedTransaction, namespace: str, user: str) -> UnknownUserError:
    """The error, with a user who is there as an example."""
    record = tx.run(cypher.ANY_USER, space=neo4j_rows.space_of(namespace)).single()
    return UnknownUserError(user, record["id"] if record else "")


def lock_user(tx: ManagedTransaction, namespace: str, user: str) -> str:
    """Key of the user, whom nobody else changes until we are done. Raises: UnknownUserError."""
    key = neo4j_rows.node_key(Label.USER, namespace, user)
    tx.run(cypher.LOCK_USER, key=key, space=neo4j_rows.space_of(namespace)).consume()
    if tx.run(cypher.GRAPH_STATE, key=key).single() is None:
        raise unknown_user(tx, namespace, user)
    return key


def counts(tx: ManagedTransaction, namespace: str) -> StoreCounts:
    """Sizes of the namespace; those of the graphs are summed from the users' nodes, so that no half replaced graph is counted."""
    space = neo4j_rows.space_of(namespace)
    counted = tx.run(cypher.COUNTS, space=space).single(strict=True).data()
    graphs = tx.run(cypher.COUNT_GRAPHS, space=space).single(strict=True).data()
    appeals = tx.run(cypher.COUNT_APPEALS, space=space).single(strict=True).data()
    return StoreCounts(**counted, **graphs, **appeals)


def put_items(tx: ManagedTransaction, namespace: str, items: Sequence[Item]) -> None:
    rows = {row["key"]: row for row in (neo4j_rows.item_row(namespace, item) for item in items)}
    write_rows(tx, cypher.PUT_ITEMS, _by_key(rows))


def items(tx: ManagedTransaction, namespace: str) -> list[Item]:
    records = tx.run(cypher.ITEMS, space=neo4j_rows.space_of(namespace))
    return sorted((neo4j_rows.item_from(dict(record)) for record in records), key=lambda item: item.id)


def check_histories(tx: ManagedTransaction, namespace: str, histories: Sequence[History]) -> None:
    """Raises: UnknownItemError: an item is not in the catalogue."""
    check_items(tx, namespace, (item for history in histories for item in history.items))


def put_histories(tx: ManagedTransaction, namespace: str, histories: Sequence[History]) -> None:
    check_histories(tx, namespace, histories)
    last = {history.user: history for history in histories}
    rows = {row["key"]: row for row in (neo4j_rows.user_row(namespace, history) for history in last.values())}
    users = _by_key(rows)
    write_rows(tx, cypher.PUT_USERS, ({"key": row["key"], "space": row["space"]} for row in users))
    write_rows(tx, cypher.SET_USERS, users)
    take_again(tx, namespace, last.values())


def take_again(tx: ManagedTransaction, namespace: str, histories: Collection[History]) -> None:
    """Make the relations of these histories anew, as far as their items are there."""
    users = sorted(neo4j_rows.node_key(Label.USER, namespace, history.user) for history in histories)
    taken = [row for history in histories for row in neo4j_rows.taken_rows(namespace, history)]
    write_rows(tx, cypher.FORGET_HISTORIES, ({"key": user} for user in users))
    write_rows(tx, cypher.PUT_TAKEN, sorted(taken, key=lambda row: (row["item"], row["user"], row["position"])))


def histories(tx: ManagedTransaction, namespace: str, users: Sequence[str]) -> dict[str, History]:
    histories_of: dict[str, History] = {}
    for batch in neo4j_rows.batches(dict.fromkeys(users)):
        keys = [neo4j_rows.node_key(Label.USER, namespace, user) for user in batch]
        for record in tx.run(cypher.HISTORIES, keys=keys):
            history = neo4j_rows.history_from(dict(record))
            histories_of[history.user] = history
    return histories_of


def users(tx: ManagedTransaction, namespace: str, after: str, limit: int) -> list[str]:
    sort, sort_rest = neo4j_rows.sort_parts(after)
    space = neo4j_rows.space_of(namespace)
    return list(tx.run(cypher.USERS, space=space, sort=sort, sort_rest=sort_rest, limit=limit).value("id"))


def _by_key(rows: dict[str, neo4j_rows.Row]) -> list[neo4j_rows.Row]:
    return [rows[key] for key in sorted(rows)]
