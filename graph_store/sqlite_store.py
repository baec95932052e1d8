"""The embedded default store: one SQLite file, nothing to install or to start."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from llmrg.core.errors import DraftConflictError, VersionConflictError
from llmrg.core.graph_table import GraphTable
from llmrg.core.records import History, Item, Knowledge, ReasoningGraph, Run, Step, UserStatus, VectorSpace
from llmrg.core.themes import Profile, Themes
from llmrg.graph_store import (
    sqlite_forget,
    sqlite_integrity,
    sqlite_knowledge,
    sqlite_known,
    sqlite_migrations,
    sqlite_rows,
    sqlite_themes,
    sqlite_vectors,
)
from llmrg.graph_store import sqlite_statements as sql
from llmrg.graph_store.checked_store import CheckedStore
from llmrg.graph_store.packed_graph import pack, unpack
from llmrg.graph_store.protocol import Problem, StoreAbilities, StoreCounts, StoreHealth
from llmrg.graph_store.sqlite_connections import SqliteConnections, Synchronous
from llmrg.graph_store.sqlite_errors import rows_in_our_words


class SqliteStore(CheckedStore):
    """A `GraphStore` in one file, for any number of threads and processes of one machine.

    Readers never wait. Writers wait for each other, `timeout_s` at most. A write that was acknowledged survives the end of the
    process at any moment; with `synchronous="full"` it survives a power cut too, at the price of a disk flush for each call.
    """

    abilities: Final = StoreAbilities(many_machines=False, neo4j_browser=False, file_upkeep=True)

    def __init__(
        self,
        path: str | Path,
        *,
        timeout_s: float = 30.0,
        synchronous: Synchronous = "normal",
        allow_network_disk: bool = False,
    ) -> None:
        self.path = Path(path)
        self.url = f"sqlite:///{self.path}"
        self._connections = SqliteConnections(self.path, timeout_s, synchronous, allow_network_disk)
        self._vectors = sqlite_vectors.VectorCache()

    def __repr__(self) -> str:
        return f"SqliteStore({str(self.path)!r})"

    def open(self) -> None:
        self._connections.open()

    def migrate(self, dry_run: bool = False) -> list[str]:
        self._connections.open(to_migrate=True)
        try:
            with self._connections.reading() if dry_run else self._connections.writing() as db, rows_in_our_words(self.path):
                todo = sqlite_migrations.pending(db, self.path)
                if not dry_run:
                    sqlite_migrations.migrate(db, todo)
            return [f"version {migration.version}: {migration.does}" for migration in todo]
        finally:
            self.close()

    def close(self) -> None:
        self._connections.close()
        self._vectors.clear()

    def health(self) -> StoreHealth:
        with self._connections.reading() as db:
            version = sqlite_migrations.stored_version(db)
        return StoreHealth(self.url, f"SQLite {sqlite3.sqlite_version}", version)

    def problems(self) -> list[Problem]:
        with self._connections.reading() as db:
            return sqlite_integrity.problems(db)

    def repair(self) -> None:
        with self._connections.writing() as db:
            sqlite_integrity.repair(db)

    # -- namespaces --------------------------------------------------------------------------------------------------
    def namespaces(self) -> list[str]:
        with self._connections.reading() as db:
            return [namespace for (namespace,) in db.execute(sql.NAMESPACES)]

    def _counts(self, namespace: str) -> StoreCounts:
        with self._connections.reading() as db:
            return StoreCounts(*db.execute(sql.COUNTS, {"namespace": namespace}).fetchone())

    def _forget_namespace(self, namespace: str) -> bool:
        with self._connections.writing() as db:
            return sqlite_forget.namespace(db, namespace)

    def _forget_user(self, namespace: str, user: str) -> bool:
        with self._connections.writing() as db:
            return sqlite_forget.user(db, namespace, user)

    # -- catalogue and users -----------------------------------------------------------------------------------------
    def _put_items(self, namespace: str, items: list[Item]) -> None:
        with self._connections.writing() as db:
            db.executemany(sql.PUT_ITEM, [sqlite_rows.item_row(namespace, item) for item in items])

    def _items(self, namespace: str) -> list[Item]:
        with self._connections.reading() as db:
            return [sqlite_rows.item_from(row) for row in db.execute(sql.ITEMS, (namespace,))]

    def _put_histories(self, namespace: str, histories: list[History]) -> None:
        with self._connections.writing() as db:
            sqlite_known.check_items(db, namespace, (item for history in histories for item in history.items))
            db.executemany(sql.PUT_USER, [sqlite_rows.user_row(namespace, history) for history in histories])

    def _histories(self, namespace: str, users: Sequence[str]) -> dict[str, History]:
        with self._connections.reading() as db:
            rows = [db.execute(sql.HISTORY, (namespace, user)).fetchone() for user in users]
            return {row[0]: sqlite_rows.history_from(row) for row in rows if row is not None}

    def _users(self, namespace: str, after: str, limit: int) -> list[str]:
        with self._connections.reading() as db:
            return [user for (user,) in db.execute(sql.USERS, (namespace, after, limit))]

    # -- graphs ------------------------------------------------------------------------------------------------------
    def _replace_graph(self, namespace: str, graph: ReasoningGraph, expected_version: int | None) -> int:
        with self._connections.writing() as db:
            (latest,) = db.execute(sql.LATEST_VERSION, (namespace, graph.user)).fetchone()
            if expected_version is not None and expected_version != latest:
                raise VersionConflictError(graph.user, expected_version, latest)
            sqlite_known.check_owner(db, namespace, graph.user, graph.steps)
            graph = replace(graph, version=latest + 1)
            row = (namespace, graph.user, graph.run, graph.version, *sqlite_rows.sizes_of(graph), pack(graph))
            db.execute(sql.PUT_GRAPH, row)
            _delete_draft(db, namespace, graph.run, graph.user)
        return graph.version

    def _graphs(self, namespace: str, users: Sequence[str], run: str) -> GraphTable:
        statement, which = (sql.GRAPH_OF_RUN, (run,)) if run else (sql.NEWEST_GRAPH, ())
        with self._connections.reading() as db:
            rows = (db.execute(statement, (namespace, user, *which)).fetchone() for user in dict.fromkeys(users))
            return unpack(row[0] for row in rows if row is not None)

    def _graphs_by_run(self, namespace: str) -> dict[str, int]:
        with self._connections.reading() as db:
            return dict(db.execute(sql.GRAPHS_BY_RUN, (namespace,)).fetchall())

    # -- drafts ------------------------------------------------------------------------------------------------------
    def _append_draft(self, namespace: str, run: str, user: str, steps: Sequence[Step], through: int, start: int) -> None:
        block = sqlite_rows.block_of(user, run, steps, through, start)
        with self._connections.writing() as db:
            sqlite_known.check_owner(db, namespace, user, steps)
            number, done = db.execute(sql.DRAFT, (namespace, run, user)).fetchone() or (None, 0)
            if db.execute(sql.HAS_BLOCK, (number, block[0])).fetchone():
                return
            if done != start:
                raise DraftConflictError(user, run, start, done)
            db.execute(sql.PUT_DRAFT, (namespace, run, user, int(through)))
            (number, _) = db.execute(sql.DRAFT, (namespace, run, user)).fetchone()
            db.execute(sql.PUT_BLOCK, (number, *block))

    def _draft(self, namespace: str, run: str, user: str) -> tuple[tuple[Step, ...], int]:
        with self._connections.reading() as db:
            row = db.execute(sql.DRAFT, (namespace, run, user)).fetchone()
            if row is None:
                return (), 0
            blocks = [unpack([packed])[user].steps for (packed,) in db.execute(sql.BLOCKS, row[:1])]
            return tuple(dict.fromkeys(step for block in blocks for step in block)), row[1]

    # -- knowledge base ----------------------------------------------------------------------------------------------
    def _put_knowledge(self, namespace: str, entries: list[Knowledge]) -> None:
        with self._connections.writing() as db:
            sqlite_known.check_items(db, namespace, (item for entry in entries for item in (entry.from_item, entry.to_item)))
            sqlite_knowledge.put(db, namespace, entries)

    def _claim_vector_space(self, namespace: str, space: VectorSpace) -> None:
        with self._connections.writing() as db:
            sqlite_knowledge.claim(db, namespace, space)

    def _vector_space(self, namespace: str) -> VectorSpace | None:
        with self._connections.reading() as db:
            return sqlite_knowledge.space(db, namespace)

    def _knowledge(self, namespace: str, after: str, limit: int) -> list[Knowledge]:
        with self._connections.reading() as db:
            return [sqlite_rows.knowledge_from(row) for row in db.execute(sql.KNOWLEDGE_PAGE, (namespace, after, limit))]

    def _knowledge_for(self, namespace: str, pairs: Sequence[tuple[str, str]], mind: str) -> list[Knowledge]:
        with self._connections.reading() as db:
            return sqlite_knowledge.of_pairs(db, namespace, pairs, mind)

    def _nearest_knowledge(
        self, namespace: str, to_item: str, vector: np.ndarray, limit: int, mind: str
    ) -> list[tuple[Knowledge, float]]:
        with self._connections.reading() as db:
            return sqlite_vectors.nearest(db, self._vectors, namespace, to_item, vector, limit, mind)

    def _count_uses(self, namespace: str, uses: Mapping[str, int]) -> None:
        with self._connections.writing() as db:
            db.executemany(sql.COUNT_USES, [(int(count), namespace, key) for key, count in uses.items()])

    def _top_knowledge(self, namespace: str, limit: int) -> list[Knowledge]:
        with self._connections.reading() as db:
            return [sqlite_rows.knowledge_from(row) for row in db.execute(sql.TOP_KNOWLEDGE, (namespace, limit))]

    def _prune_knowledge(self, namespace: str, max_uses: int, max_score: float, dry_run: bool) -> int:
        which = (namespace, max_uses, max_score)
        if dry_run:
            with self._connections.reading() as db:
                return int(db.execute(sql.PRUNABLE, which).fetchone()[0])
        with self._connections.writing() as db:
            return db.execute(sql.PRUNE, which).rowcount

    # -- themes and profiles of items ----------------------------------------------------------------------------------
    def _put_theme_texts(self, namespace: str, of_text: Mapping[str, str]) -> None:
        with self._connections.writing() as db:
            db.executemany(sql.PUT_THEME_TEXT, [(namespace, text, theme) for text, theme in of_text.items()])

    def _put_profile(self, namespace: str, profile: Profile) -> None:
        with self._connections.writing() as db:
            sqlite_themes.put_profile(db, namespace, profile)

    def _delete_profile(self, namespace: str, source: str) -> bool:
        with self._connections.writing() as db:
            return sqlite_themes.delete_profile(db, namespace, source)

    def _themes(self, namespace: str) -> Themes:
        with self._connections.reading() as db:
            return sqlite_themes.read(db, namespace)

    # -- runs --------------------------------------------------------------------------------------------------------
    def _forget_run(self, namespace: str, run_id: str) -> bool:
        with self._connections.writing() as db:
            return sqlite_forget.run(db, namespace, run_id)

    def _put_run(self, namespace: str, run: Run) -> None:
        with self._connections.writing() as db:
            db.execute(sql.PUT_RUN, sqlite_rows.run_row(namespace, run))

    def _run(self, namespace: str, run_id: str) -> Run | None:
        with self._connections.reading() as db:
            row = db.execute(sql.RUN, (namespace, run_id)).fetchone()
            return None if row is None else sqlite_rows.run_from(row)

    def _runs(self, namespace: str) -> list[Run]:
        with self._connections.reading() as db:
            return [sqlite_rows.run_from(row) for row in db.execute(sql.RUNS, (namespace,))]

    def _set_user_status(self, namespace: str, run_id: str, user: str, status: UserStatus, cause: str) -> bool:
        with self._connections.writing() as db:
            if db.execute(sql.RUN, (namespace, run_id)).fetchone() is None:
                return False
            db.execute(sql.PUT_STATUS, (namespace, run_id, user, status, cause))
            return True

    def _user_statuses(self, namespace: str, run_id: str) -> dict[str, tuple[UserStatus, str]]:
        with self._connections.reading() as db:
            rows = db.execute(sql.STATUSES, (namespace, run_id)).fetchall()
        return {user: (status, cause) for user, status, cause in rows}


def _delete_draft(db: sqlite3.Connection, namespace: str, run: str, user: str) -> None:
    row = db.execute(sql.DRAFT, (namespace, run, user)).fetchone()
    if row is not None:
        db.execute(sql.DELETE_BLOCKS, row[:1])
        db.execute(sql.DELETE_DRAFT, row[:1])
