"""The schema of a Neo4j store: made in an empty database, checked at opening, brought forward on demand.

A node (:LlmrgSchema {version}) says what stands in the database. Each statement runs in a transaction of its own, and the number
is raised after the last one of a version.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmrg.core.errors import NotAStoreError, StoreVersionError
from llmrg.graph_store import neo4j_cypher as cypher
from llmrg.graph_store.neo4j_migrations import CURRENT_VERSION, MIGRATIONS, Migration

if TYPE_CHECKING:
    from llmrg.graph_store.neo4j_link import Neo4jLink


def make_or_check(link: Neo4jLink) -> None:
    """Make the schema where there is none.

    Raises:
        StoreVersionError: the database was written by newer or older code.
        NotAStoreError: the database holds nodes of another program under our labels.
    """
    version = stored_version(link)
    if version == 0:
        for _ in migrate(link):
            pass
    elif version < CURRENT_VERSION:
        raise StoreVersionError(
            f"the store at {link.place} has schema version {version}, this code needs {CURRENT_VERSION}: bring it forward with "
            f"`llmrg store migrate --store {link.place}` (--dry-run says what that does)"
        )
    elif version > CURRENT_VERSION:
        raise _too_new(link, version)


def pending(link: Neo4jLink) -> tuple[Migration, ...]:
    """Migrations that the database lacks. Raises: StoreVersionError: it was written by newer code."""
    version = stored_version(link)
    if version > CURRENT_VERSION:
        raise _too_new(link, version)
    return tuple(migration for migration in MIGRATIONS if migration.version > version)


def migrate(link: Neo4jLink) -> Iterator[Migration]:
    """Bring the schema forward; yields each migration before it is done. An interrupted one goes on where it stopped.

    Raises: StoreVersionError, NotAStoreError: as `make_or_check`.
    """
    todo = pending(link)
    empty = len(todo) == len(MIGRATIONS)
    if empty:
        _refuse_foreign(link)
    for migration in todo:
        yield migration
        for statement in migration.statements:
            link.change_schema(statement)
        if migration.fill and not empty:
            migration.fill(link)
        if not empty:
            _set_version(link, migration.version)
    if todo:
        wait_for_indexes(link)
        _set_version(link, CURRENT_VERSION)


def wait_for_indexes(link: Neo4jLink) -> None:
    """Until all are filled, for as long as one call may take."""
    link.read(lambda tx: tx.run(cypher.WAIT_FOR_INDEXES, timeout_s=int(link.timeout_s)).consume())


def stored_version(link: Neo4jLink) -> int:
    """Schema version in the database; 0 if there is none."""
    record = link.read(lambda tx: tx.run(cypher.SCHEMA_VERSION).single())
    return int(record["version"]) if record else 0


def _set_version(link: Neo4jLink, version: int) -> None:
    link.write(lambda tx: tx.run(cypher.SET_SCHEMA_VERSION, version=version).consume())


def _too_new(link: Neo4jLink, version: int) -> StoreVersionError:
    return StoreVersionError(
        f"the store at {link.place} has schema version {version}, this code knows {CURRENT_VERSION}; upgrade llmrg to read it"
    )


def _refuse_foreign(link: Neo4jLink) -> None:
    record = link.read(lambda tx: tx.run(cypher.FOREIGN_LABEL).single())
    if record:
        raise NotAStoreError(
            f"{link.place} holds {record['label']!r} nodes that LLMRG did not write; give it a database of its own "
            "(the community edition has one database a server: start another server)"
        )
