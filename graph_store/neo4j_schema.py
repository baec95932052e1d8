"""Constraints and indexes of the Neo4j store, brought forward version by version.

A node (:LlmrgSchema {version}) says what stands in the database. Opening a store applies the migrations above that version, each
statement in its own transaction, and then raises the number; an interrupted migration goes on where it stopped, since every
statement says IF NOT EXISTS. A database written by newer code is refused.

There is no vector index, on purpose. Tier 2 of the recall asks for the entries that lead to one item; an approximate index finds
the nearest of all items and filters afterwards, so that it may return none of the few that fit. The entries of one item are few,
found by the index on `target`, and compared exactly. Their dimension is kept in a (:VectorSpace) node and checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, LiteralString

from llmrg.core.errors import NotAStoreError, StoreVersionError
from llmrg.graph_store import neo4j_cypher as cypher

if TYPE_CHECKING:
    from llmrg.graph_store.neo4j_link import Neo4jLink


@dataclass(frozen=True)
class Migration:
    """What leads to schema `version` from the one before."""

    version: int
    statements: tuple[LiteralString, ...]


MIGRATIONS: Final = (
    Migration(
        1,
        (
            "CREATE CONSTRAINT llmrg_schema_key IF NOT EXISTS FOR (n:LlmrgSchema) REQUIRE n.key IS UNIQUE",
            "CREATE CONSTRAINT llmrg_user_key IF NOT EXISTS FOR (n:User) REQUIRE n.key IS UNIQUE",
            "CREATE CONSTRAINT llmrg_item_key IF NOT EXISTS FOR (n:Item) REQUIRE n.key IS UNIQUE",
            "CREATE CONSTRAINT llmrg_attribute_key IF NOT EXISTS FOR (n:Attribute) REQUIRE n.key IS UNIQUE",
            "CREATE CONSTRAINT llmrg_reason_key IF NOT EXISTS FOR (n:Reason) REQUIRE n.key IS UNIQUE",
            "CREATE CONSTRAINT llmrg_rejected_reason_key IF NOT EXISTS FOR (n:RejectedReason) REQUIRE n.key IS UNIQUE",
            "CREATE CONSTRAINT llmrg_knowledge_key IF NOT EXISTS FOR (n:Knowledge) REQUIRE n.key IS UNIQUE",
            "CREATE CONSTRAINT llmrg_run_key IF NOT EXISTS FOR (n:Run) REQUIRE n.key IS UNIQUE",
            "CREATE CONSTRAINT llmrg_user_status_key IF NOT EXISTS FOR (n:UserStatus) REQUIRE n.key IS UNIQUE",
            "CREATE CONSTRAINT llmrg_draft_key IF NOT EXISTS FOR (n:Draft) REQUIRE n.key IS UNIQUE",
            "CREATE CONSTRAINT llmrg_vector_space_key IF NOT EXISTS FOR (n:VectorSpace) REQUIRE n.key IS UNIQUE",
            "CREATE INDEX llmrg_item_space IF NOT EXISTS FOR (n:Item) ON (n.space)",
            "CREATE INDEX llmrg_item_name IF NOT EXISTS FOR (n:Item) ON (n.name)",
            "CREATE INDEX llmrg_user_page IF NOT EXISTS FOR (n:User) ON (n.space, n.sort)",
            "CREATE INDEX llmrg_user_space IF NOT EXISTS FOR (n:User) ON (n.space)",
            "CREATE INDEX llmrg_user_name IF NOT EXISTS FOR (n:User) ON (n.name)",
            "CREATE INDEX llmrg_knowledge_pair IF NOT EXISTS FOR (n:Knowledge) ON (n.pair)",
            "CREATE INDEX llmrg_knowledge_target IF NOT EXISTS FOR (n:Knowledge) ON (n.target)",
            "CREATE INDEX llmrg_knowledge_uses IF NOT EXISTS FOR (n:Knowledge) ON (n.space, n.uses)",
            "CREATE INDEX llmrg_knowledge_page IF NOT EXISTS FOR (n:Knowledge) ON (n.space, n.id)",
            "CREATE INDEX llmrg_run_space IF NOT EXISTS FOR (n:Run) ON (n.space)",
            "CREATE INDEX llmrg_user_status_run IF NOT EXISTS FOR (n:UserStatus) ON (n.run_key)",
        ),
    ),
)

CURRENT_VERSION: Final = MIGRATIONS[-1].version


def bring_forward(link: Neo4jLink) -> int:
    """Make or migrate the schema of an open link; returns the schema's version.

    Raises:
        StoreVersionError: the database was written by newer code.
        NotAStoreError: the database holds nodes of another program under our labels.
    """
    found = stored_version(link)
    if found > CURRENT_VERSION:
        raise StoreVersionError(
            f"the store at {link.place} has schema version {found}, this code knows {CURRENT_VERSION}; upgrade llmrg to read it"
        )
    if found == 0:
        _refuse_foreign(link)
    for migration in MIGRATIONS:
        if migration.version > found:
            for statement in migration.statements:
                link.change_schema(statement)
            _set_version(link, migration.version)
    if found < CURRENT_VERSION:
        link.read(lambda tx: tx.run(cypher.WAIT_FOR_INDEXES, timeout_s=int(link.timeout_s)).consume())
    return max(found, CURRENT_VERSION)


def stored_version(link: Neo4jLink) -> int:
    """Schema version in the database; 0 if there is none."""
    record = link.read(lambda tx: tx.run(cypher.SCHEMA_VERSION).single())
    return int(record["version"]) if record else 0


def _set_version(link: Neo4jLink, version: int) -> None:
    link.write(lambda tx: tx.run(cypher.SET_SCHEMA_VERSION, version=version).consume())


def _refuse_foreign(link: Neo4jLink) -> None:
    record = link.read(lambda tx: tx.run(cypher.FOREIGN_LABEL).single())
    if record:
        raise NotAStoreError(
            f"{link.place} holds {record['label']!r} nodes that LLMRG did not write; give it a database of its own "
            "(the community edition has one database a server: start another server)"
        )
