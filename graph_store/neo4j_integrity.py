"""What can be wrong in a Neo4j store, where people and other programs may write too, and how each is mended.

The packed graphs are what programs read, so they are the truth, and the nodes beside them are made from them again.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, LiteralString, TypeAlias

from llmrg.graph_store import neo4j_catalogue, neo4j_graphs, neo4j_knowledge, neo4j_rows
from llmrg.graph_store import neo4j_cypher_integrity as cypher
from llmrg.graph_store import neo4j_cypher_migrations as cypher_migrations
from llmrg.graph_store import neo4j_integrity_themes as themes
from llmrg.graph_store.checks import items_of
from llmrg.graph_store.neo4j_catalogue import write_rows
from llmrg.graph_store.neo4j_labels import Label
from llmrg.graph_store.neo4j_link import bound
from llmrg.graph_store.neo4j_migrations import statements
from llmrg.graph_store.neo4j_rows import Row, node_key
from llmrg.graph_store.neo4j_schema import wait_for_indexes
from llmrg.graph_store.packed_graph import unpack
from llmrg.graph_store.protocol import Problem

if TYPE_CHECKING:
    from neo4j import ManagedTransaction

    from llmrg.graph_store.neo4j_link import Neo4jLink

Mend: TypeAlias = "Callable[[ManagedTransaction, Sequence[Row]], None]"

AT_ONCE: Final = 1000
"""Rows of one repairing transaction."""


@dataclass(frozen=True)
class _Check:
    what: str
    find: Callable[[Neo4jLink], list[Row]]
    """Rows with `key` and `example`."""
    how: str
    mend: Mend | None = None


def problems(link: Neo4jLink) -> list[Problem]:
    problems_there = []
    for check in CHECKS:
        rows = check.find(link)
        examples = tuple(str(row["example"]) for row in rows[:3])
        problems_there.append(Problem(check.what, len(rows), examples, check.how, check.mend is not None))
    lost = _lost_indexes(link)
    problems_there.append(
        Problem("indexes or constraints missing or failed", len(lost), tuple(lost[:3]), "make them again", True)
    )
    return [problem for problem in problems_there if problem.count]


def repair(link: Neo4jLink) -> None:
    """Mend all that can be mended; some rows a transaction, so an interrupted repair is simply begun again."""
    if lost := _lost_indexes(link):
        for name in lost:  # one that failed stands in the way of a new one
            link.write(partial(_drop, cypher_migrations.DROP_CONSTRAINT, name))
            link.write(partial(_drop, cypher_migrations.DROP_INDEX, name))
        for statement in statements():
            link.change_schema(statement)
        wait_for_indexes(link)
    for check in CHECKS:
        if check.mend:
            for batch in neo4j_rows.batches(check.find(link), AT_ONCE):
                link.write(bound(check.mend, batch))


def _drop(statement: LiteralString, name: str, tx: ManagedTransaction) -> None:
    tx.run(statement, name=name).consume()


def _lost_indexes(link: Neo4jLink) -> list[str]:
    """Names of those that are not there, or failed to be filled."""
    there = {name for name, state in link.read(lambda tx: tx.run(cypher.INDEXES).values()) if state == "ONLINE"}
    return sorted({name[0] for text in statements() if (name := re.search(r"llmrg_\w+", text))} - there)


# -- find -----------------------------------------------------------------------------------------------------------------
def _rows(statement: LiteralString, **fixed: Any) -> Callable[[Neo4jLink], list[Row]]:
    return lambda link: link.read(lambda tx: tx.run(statement, **fixed).data())


def _lacking(owners: LiteralString, label: Label, statement: LiteralString, **fixed: Any) -> Callable[[Neo4jLink], list[Row]]:
    """Rows of `owners` of whose user `statement` finds nothing under the key of its node of this label."""

    def find(link: Neo4jLink) -> list[Row]:
        rows = _rows(owners, **fixed)(link)
        wanted = [row | {"wanted": node_key(label, row["namespace"], row["user"])} for row in rows]
        pages = [_rows(statement, rows=batch)(link) for batch in neo4j_rows.batches(wanted)]
        names = {row["key"]: row["namespace"] for row in rows}
        return [row | {"namespace": names[row["key"]]} for batch in pages for row in batch]

    return find


def _unreadable_graphs(link: Neo4jLink) -> list[Row]:
    """Graphs whose bytes are damaged, or are not those of their user, run and version."""
    rows = (row for page in link.pages(cypher.PACKED_GRAPHS) for row in page)
    return [{"key": row["key"], "example": row["user"]} for row in rows if not _holds_graph(row)]


def _holds_graph(row: Row) -> bool:
    try:
        table = unpack([row["data"]])
    except (ValueError, TypeError):
        return False
    return (table.users[0], table.runs[0], table.versions[0]) == (row["user"], row["run"], row["version"])


def _graphs_of_missing_items(link: Neo4jLink) -> list[Row]:
    """Of any run. Those that cannot be read are another problem."""
    missing: list[Row] = []
    for page in link.pages(cypher.PACKED_GRAPHS):
        named = [
            {"key": row["key"], "example": row["user"], "item_key": item_key}
            for row in page
            if _holds_graph(row)
            for item_key in _item_keys(row)
        ]
        lacking = [row for batch in neo4j_rows.batches(named) for row in link.read(partial(_lacking_items, batch))]
        missing += {row["key"]: row for row in lacking}.values()
    return missing


def _item_keys(row: Row) -> list[str]:
    items = items_of(unpack([row["data"]])[row["user"]].steps)
    return [node_key(Label.ITEM, row["namespace"], item) for item in items]


def _lacking_items(rows: Sequence[Row], tx: ManagedTransaction) -> list[Row]:
    return list(tx.run(cypher.LACKING_ITEM, rows=rows).value("row"))


def _unreadable_drafts(link: Neo4jLink) -> list[Row]:
    rows = (row for page in link.pages(cypher.DRAFTS) for row in page)
    return [{"key": row["key"], "example": row["user"]} for row in rows if not _holds_blocks(row)]


def _holds_blocks(row: Row) -> bool:
    try:
        neo4j_rows.draft_steps(row["user"], row["data"] or b"")
    except (ValueError, KeyError, struct.error):
        return False
    return True


def _torn_histories(link: Neo4jLink) -> list[Row]:
    """Users whose relations to items are not as many as the items of the history that programs read."""

    def find(tx: ManagedTransaction) -> list[Row]:
        rows = (dict(record) for record in tx.run(cypher.HISTORIES_WITH_COUNTS))
        return [row for row in rows if len(neo4j_rows.history_from(row).items) != row["taken"]]

    return link.read(find)


# -- mend -----------------------------------------------------------------------------------------------------------------
def _run(statement: LiteralString, **fixed: Any) -> Callable[[ManagedTransaction, Iterable[Row]], None]:
    return lambda tx, rows: write_rows(tx, statement, ({"key": row["key"]} for row in rows), **fixed)


def _draw_again(tx: ManagedTransaction, rows: Sequence[Row]) -> None:
    for row in rows:
        neo4j_graphs.draw_newest(tx, row["namespace"], row["key"])


def _take_again(tx: ManagedTransaction, rows: Sequence[Row]) -> None:
    for row in rows:
        neo4j_catalogue.take_again(tx, row["namespace"], [neo4j_rows.history_from(row)])


def _link_or_delete(tx: ManagedTransaction, rows: Sequence[Row]) -> None:
    for namespace in {row["namespace"] for row in rows}:
        neo4j_knowledge.link(tx, namespace, [row for row in rows if row["namespace"] == namespace])
    still = {record["key"] for record in tx.run(cypher.UNLINKED_KNOWLEDGE).data()}
    write_rows(tx, cypher.DELETE_KNOWLEDGE, ({"key": row["key"]} for row in rows if row["key"] in still))


_NO_GRAPH: Final = (Label.USER, cypher.LACKING_GRAPH)
_NO_USER: Final = (Label.USER, cypher.LACKING_USER)

CHECKS: Final = (
    _Check("steps without a user", _rows(cypher.STRAY_STEPS), "delete them", _run(cypher.DELETE_STEPS_OF_KEYS)),
    _Check("graphs whose user is missing", _rows(cypher.OWNERLESS_GRAPHS), "delete them", _run(cypher.DELETE_PACKED)),
    _Check(
        "graphs that cannot be read",
        _unreadable_graphs,
        "delete them, so that the next build makes them anew; a backup of the server may have them whole",
        _run(cypher.DELETE_PACKED),
    ),
    _Check(
        "graphs with a step whose item is missing",
        _graphs_of_missing_items,
        "delete them, so that the next build makes them anew",
        _run(cypher.DELETE_PACKED),
    ),
    _Check(
        "users whose newest graph is not the one that is drawn",
        _rows(cypher.USERS_OF_OTHER_GRAPHS),
        "draw the newest; where there is none, the next build makes one",
        _draw_again,
    ),
    _Check(
        "graphs whose nodes are not all there",
        _rows(cypher.USERS_OF_TORN_GRAPHS),
        "make the nodes from the packed graph",
        _draw_again,
    ),
    _Check(
        "histories whose relations are not all there",
        _torn_histories,
        "make them again; where an item is missing, run `llmrg build`, which puts the catalogue again, then repair",
        _take_again,
    ),
    _Check(
        "users marked done without a graph",
        _lacking(cypher.DONE_OWNERS, *_NO_GRAPH, done="done"),
        "mark them pending, so that the next build makes their graphs",
        _run(cypher.MARK_PENDING, pending="pending"),
    ),
    _Check("statuses of a run that is missing", _rows(cypher.STRAY_STATUSES), "delete them", _run(cypher.DELETE_STATUSES)),
    _Check(
        "drafts that cannot be read",
        _unreadable_drafts,
        "delete them, so that the next build begins these users anew",
        _run(cypher.DELETE_DRAFTS),
    ),
    _Check("drafts whose user is missing", _lacking(cypher.DRAFT_OWNERS, *_NO_USER), "delete them", _run(cypher.DELETE_DRAFTS)),
    _Check(
        "knowledge without its items",
        _rows(cypher.UNLINKED_KNOWLEDGE),
        "link it again; delete it where an item is missing",
        _link_or_delete,
    ),
    _Check(
        "appeals of missing items",
        themes.of_missing_items,
        "drop them; put the catalogue and the profile again to have them back",
        themes.drop_items,
    ),
    _Check("appeals without their relation", themes.without_relation, "make it again", themes.link_appeals),
    _Check("appeals that no profile has", themes.relations_of_nobody, "delete them", _run(cypher.DELETE_APPEALS)),
    _Check("themes without a name", _rows(cypher.THEMES_WITHOUT_A_NAME, blank=""), "delete them", _run(cypher.DELETE_THEMES)),
    _Check(
        "themes that a text names and that are missing",
        _rows(cypher.TEXTS_WITHOUT_THEIR_THEME),
        "make them again",
        themes.put_themes,
    ),
    _Check("themes without any use", _rows(cypher.UNUSED_THEMES), "delete them", themes.delete_unused),
    _Check("reasons without their theme", _rows(cypher.REASONS_WITHOUT_THEIR_THEME), "relate them to it", themes.link_reasons),
    _Check(
        "knowledge without provenance",
        _rows(cypher.KNOWLEDGE_WITHOUT_SOURCE, nobody=""),
        "nothing: it is used as if known from the start; say where it is from (`source_user`) when you put it",
    ),
)
