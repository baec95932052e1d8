"""What leads from each version of the Neo4j store's schema to the next.

Every statement says IF NOT EXISTS and every filling may be done twice, so an interrupted migration is simply begun again.

There is no vector index, on purpose. Tier 2 of the recall asks for the entries that lead to one item; an approximate index finds
the nearest of all items and filters afterwards, so that it may return none of the few that fit. The entries of one item are few,
found by the index on `target`, and compared exactly. Their dimension is kept in a (:VectorSpace) node and checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, LiteralString

from llmrg.graph_store import neo4j_cypher_migrations as cypher
from llmrg.graph_store import neo4j_lean
from llmrg.graph_store.neo4j_link import bound
from llmrg.graph_store.neo4j_rows import Row

if TYPE_CHECKING:
    from neo4j import ManagedTransaction

    from llmrg.graph_store.neo4j_link import Neo4jLink

AT_ONCE: Final = 100
"""Users of one transaction."""


@dataclass(frozen=True)
class Migration:
    """What leads to schema `version` from the one before."""

    version: int
    does: str
    """One line for people."""
    statements: tuple[LiteralString, ...]
    fill: Callable[[Neo4jLink], None] | None = None
    """What is done to the data after the statements."""


def _pack_graphs(link: Neo4jLink) -> None:
    for page in link.pages(cypher.USERS_WITH_GRAPHS, AT_ONCE):
        link.write(bound(neo4j_lean.pack_nodes, page))


def _set_minds(link: Neo4jLink) -> None:
    """Knowledge of before is nobody's."""
    for page in link.pages(cypher.KNOWLEDGE_OF_NOBODY):
        link.write(bound(_set_mind, page))


def _set_mind(tx: ManagedTransaction, rows: Sequence[Row]) -> None:
    tx.run(cypher.SET_MIND, rows=rows, mind="").consume()


MIGRATIONS: Final = (
    Migration(
        1,
        "constraints and indexes",
        (
            "CREATE CONSTRAINT llmrg_schema_key IF NOT EXISTS FOR (n:LlmrgSchema) REQUIRE n.key IS UNIQUE",
            "CREATE CONSTRAINT llmrg_user_key IF NOT EXISTS FOR (n:User) REQUIRE n.key IS UNIQUE",
            "CREATE CONSTRAINT llmrg_item_key IF NOT EXISTS FOR (n:Item) REQUIRE n.key IS UNIQUE",
            "CREATE CONSTRAINT llmrg_attribute_key IF NOT EXISTS FOR (n:Attribute) REQUIRE n.key IS UNIQUE",
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
    Migration(
        2,
        "a packed copy of every graph, so that programs read a graph by one look-up",
        ("CREATE CONSTRAINT llmrg_packed_graph_key IF NOT EXISTS FOR (n:PackedGraph) REQUIRE n.key IS UNIQUE",),
        _pack_graphs,
    ),
    Migration(
        3,
        "themes and profiles of items, whose knowledge it is (that of before is nobody's), which calls a draft was made of",
        (
            "CREATE CONSTRAINT llmrg_theme_key IF NOT EXISTS FOR (n:Theme) REQUIRE n.key IS UNIQUE",
            "CREATE CONSTRAINT llmrg_theme_text_key IF NOT EXISTS FOR (n:ThemeText) REQUIRE n.key IS UNIQUE",
            "CREATE CONSTRAINT llmrg_profile_source_key IF NOT EXISTS FOR (n:ProfileSource) REQUIRE n.key IS UNIQUE",
            "CREATE INDEX llmrg_theme_space IF NOT EXISTS FOR (n:Theme) ON (n.space)",
            "CREATE INDEX llmrg_theme_name IF NOT EXISTS FOR (n:Theme) ON (n.name)",
            "CREATE INDEX llmrg_theme_text_space IF NOT EXISTS FOR (n:ThemeText) ON (n.space)",
            "CREATE INDEX llmrg_theme_text_theme IF NOT EXISTS FOR (n:ThemeText) ON (n.theme_key)",
            "CREATE INDEX llmrg_profile_source_space IF NOT EXISTS FOR (n:ProfileSource) ON (n.space)",
            "CREATE INDEX llmrg_appeal_source IF NOT EXISTS FOR ()-[r:APPEALS_FOR]-() ON (r.source_key)",
        ),
        _set_minds,
    ),
    Migration(
        4,
        "step nodes with what people look at alone, attributes and times to be read, a graph of each run, packed drafts",
        (
            "CREATE INDEX llmrg_reason_theme IF NOT EXISTS FOR (n:Reason) ON (n.wording)",
            "CREATE INDEX llmrg_theme_wording IF NOT EXISTS FOR (n:Theme) ON (n.wording)",
            "CREATE INDEX llmrg_theme_text_wording IF NOT EXISTS FOR (n:ThemeText) ON (n.wording)",
            "CREATE INDEX llmrg_packed_graph_user IF NOT EXISTS FOR (n:PackedGraph) ON (n.user_key)",
            "CREATE INDEX llmrg_packed_graph_run IF NOT EXISTS FOR (n:PackedGraph) ON (n.space, n.run_key)",
        ),
        neo4j_lean.fill,
    ),
)

CURRENT_VERSION: Final = MIGRATIONS[-1].version


def statements() -> tuple[LiteralString, ...]:
    """What makes all constraints and indexes of the current version."""
    return tuple(text for migration in MIGRATIONS for text in migration.statements)
