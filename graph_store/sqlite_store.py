"""The embedded default store: one SQLite file, nothing to install or to start."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

import numpy as np

from llmrg.core.errors import DraftConflictError, GraphNotFoundError, VersionConflictError
from llmrg.core.graph_table import GraphTable
from llmrg.core.records import History, Item, Knowledge, ReasoningGraph, Run, Step, UserStatus, VectorSpace
from llmrg.core.themes import Profile, Themes
from llmrg.graph_store import (
    checks,
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
from llmrg.graph_store.packed_graph import pack, unpack
from llmrg.graph_store.protocol import Problem, StoreAbilities, StoreCounts, StoreHealth
from llmrg.graph_store.sqlite_connections import SqliteConnections, Synchronous
from llmrg.graph_store.sqlite_errors import rows_in_our_words


class SqliteStore:
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

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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

    def counts(self, namespace: str) -> StoreCounts:
        checks.check_id(namespace, "namespace")
        with self._connections.reading() as db:
            return StoreCounts(*db.execute(sql.COUNTS, {"namespace": namespace}).fetchone())

    def forget_namespace(self, namespace: str) -> bool:
        checks.check_id(namespace, "namespace")
        with self._connections.writing() as db:
            return sqlite_forget.namespace(db, namespace)

    def forget_user(self, namespace: str, user: str) -> bool:
        checks.check_users(namespace, [user])
        with self._connections.writing() as db:
            return sqlite_forget.user(db, namespace, user)

    # -- catalogue and users -----------------------------------------------------------------------------------------
    def put_items(self, namespace: str, items: Iterable[Item]) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_items(rows := list(items))
        with self._connections.writing() as db:
            db.executemany(sql.PUT_ITEM, [sqlite_rows.item_row(namespace, item) for item in rows])

    def items(self, namespace: str) -> list[Item]:
        checks.check_id(namespace, "namespace")
        with self._connections.reading() as db:
            return [sqlite_rows.item_from(row) for row in db.execute(sql.ITEMS, (namespace,))]

    def put_histories(self, namespace: str, histories: Iterable[History]) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_histories(rows := list(histories))
        with self._connections.writing() as db:
            sqlite_known.check_items(db, namespace, (item for history in rows for item in history.items))
            db.executemany(sql.PUT_USER, [sqlite_rows.user_row(namespace, history) for history in rows])

    def history(self, namespace: str, user: str) -> History:
        checks.check_users(namespace, [user])
        with self._connections.reading() as db:
            row = db.execute(sql.HISTORY, (namespace, user)).fetchone()
            if row is None:
                raise sqlite_known.unknown_user(db, namespace, user)
            return sqlite_rows.history_from(row)

    def histories(self, namespace: str, users: Sequence[str]) -> dict[str, History]:
        checks.check_users(namespace, users)
        with self._connections.reading() as db:
            rows = [db.execute(sql.HISTORY, (namespace, user)).fetchone() for user in users]
            return {row[0]: sqlite_rows.history_from(row) for row in rows if row is not None}

    def users(self, namespace: str, after: str = "", limit: int = 1000) -> list[str]:
        checks.check_page(namespace, after, limit)
        with self._connections.reading() as db:
            return [user for (user,) in db.execute(sql.USERS, (namespace, after, limit))]

    # -- graphs ------------------------------------------------------------------------------------------------------
    def replace_graph(self, namespace: str, graph: ReasoningGraph, expected_version: int | None = None) -> int:
        checks.check_id(namespace, "namespace")
        checks.check_graph(graph)
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

    def graph(self, namespace: str, user: str, run: str = "") -> ReasoningGraph:
        table = self.graphs(namespace, [user], run)
        if user not in table:
            raise GraphNotFoundError(user, run)
        return table[user]

    def graphs(self, namespace: str, users: Sequence[str], run: str = "") -> GraphTable:
        checks.check_graphs(namespace, users, run)
        statement, which = (sql.GRAPH_OF_RUN, (run,)) if run else (sql.NEWEST_GRAPH, ())
        with self._connections.reading() as db:
            rows = (db.execute(statement, (namespace, user, *which)).fetchone() for user in dict.fromkeys(users))
            return unpack(row[0] for row in rows if row is not None)

    def graphs_by_run(self, namespace: str) -> dict[str, int]:
        checks.check_id(namespace, "namespace")
        with self._connections.reading() as db:
            return dict(db.execute(sql.GRAPHS_BY_RUN, (namespace,)).fetchall())

    # -- drafts ------------------------------------------------------------------------------------------------------
    def append_draft(self, namespace: str, run: str, user: str, steps: Sequence[Step], through: int, start: int) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_draft(run, user, steps, through, start)
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

    def draft(self, namespace: str, run: str, user: str) -> tuple[tuple[Step, ...], int]:
        checks.check_users(namespace, [user])
        checks.check_id(run, "run id")
        with self._connections.reading() as db:
            row = db.execute(sql.DRAFT, (namespace, run, user)).fetchone()
            if row is None:
                return (), 0
            blocks = [unpack([packed])[user].steps for (packed,) in db.execute(sql.BLOCKS, row[:1])]
            return tuple(dict.fromkeys(step for block in blocks for step in block)), row[1]

    # -- knowledge base ----------------------------------------------------------------------------------------------
    def put_knowledge(self, namespace: str, entries: Iterable[Knowledge]) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_knowledge(rows := list(entries))
        with self._connections.writing() as db:
            sqlite_known.check_items(db, namespace, (item for entry in rows for item in (entry.from_item, entry.to_item)))
            sqlite_knowledge.put(db, namespace, rows)

    def claim_vector_space(self, namespace: str, space: VectorSpace) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_space(space)
        with self._connections.writing() as db:
            sqlite_knowledge.claim(db, namespace, space)

    def vector_space(self, namespace: str) -> VectorSpace | None:
        checks.check_id(namespace, "namespace")
        with self._connections.reading() as db:
            return sqlite_knowledge.space(db, namespace)

    def knowledge(self, namespace: str, after: str = "", limit: int = 1000) -> list[Knowledge]:
        checks.check_page(namespace, after, limit)
        with self._connections.reading() as db:
            return [sqlite_rows.knowledge_from(row) for row in db.execute(sql.KNOWLEDGE_PAGE, (namespace, after, limit))]

    def knowledge_for(self, namespace: str, pairs: Sequence[tuple[str, str]], mind: str = "") -> list[Knowledge]:
        checks.check_id(namespace, "namespace")
        with self._connections.reading() as db:
            return sqlite_knowledge.of_pairs(db, namespace, pairs, mind)

    def nearest_knowledge(
        self, namespace: str, to_item: str, vector: np.ndarray, limit: int = 5, mind: str = ""
    ) -> list[tuple[Knowledge, float]]:
        checks.check_id(namespace, "namespace")
        checks.check_limit(limit)
        checks.check_vector(query := np.asarray(vector), "vector")
        with self._connections.reading() as db:
            return sqlite_vectors.nearest(db, self._vectors, namespace, to_item, query, limit, mind)

    def count_uses(self, namespace: str, uses: Mapping[str, int]) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_uses(uses)
        with self._connections.writing() as db:
            db.executemany(sql.COUNT_USES, [(int(count), namespace, key) for key, count in uses.items()])

    def top_knowledge(self, namespace: str, limit: int = 20) -> list[Knowledge]:
        checks.check_page(namespace, "", limit)
        with self._connections.reading() as db:
            return [sqlite_rows.knowledge_from(row) for row in db.execute(sql.TOP_KNOWLEDGE, (namespace, limit))]

    def prune_knowledge(self, namespace: str, *, max_uses: int = 0, max_score: float = 1.0, dry_run: bool = False) -> int:
        checks.check_id(namespace, "namespace")
        checks.check_pruning(max_uses, max_score)
        which = (namespace, max_uses, max_score)
        if dry_run:
            with self._connections.reading() as db:
                return int(db.execute(sql.PRUNABLE, which).fetchone()[0])
        with self._connections.writing() as db:
            return db.execute(sql.PRUNE, which).rowcount

    # -- themes and profiles of items ----------------------------------------------------------------------------------
    def put_theme_texts(self, namespace: str, of_text: Mapping[str, str]) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_theme_texts(of_text)
        with self._connections.writing() as db:
            db.executemany(sql.PUT_THEME_TEXT, [(namespace, text, theme) for text, theme in of_text.items()])

    def put_profile(self, namespace: str, profile: Profile) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_profile(profile)
        with self._connections.writing() as db:
            sqlite_themes.put_profile(db, namespace, profile)

    def delete_profile(self, namespace: str, source: str) -> bool:
        checks.check_id(namespace, "namespace")
        checks.check_id(source, "profile source")
        with self._connections.writing() as db:
            return sqlite_themes.delete_profile(db, namespace, source)

    def themes(self, namespace: str) -> Themes:
        checks.check_id(namespace, "namespace")
        with self._connections.reading() as db:
            return sqlite_themes.read(db, namespace)

    # -- recommendations ---------------------------------------------------------------------------------------------
    def put_recommendations(self, namespace: str, user: str, model: str, items: Sequence[tuple[str, float]], at: float) -> None:
        raise checks.no_recommendations(self.url)

    # -- runs --------------------------------------------------------------------------------------------------------
    def forget_run(self, namespace: str, run_id: str) -> bool:
        checks.check_id(namespace, "namespace")
        checks.check_id(run_id, "run id")
        with self._connections.writing() as db:
            return sqlite_forget.run(db, namespace, run_id)

    def put_run(self, namespace: str, run: Run) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_run(run)
        with self._connections.writing() as db:
            db.execute(sql.PUT_RUN, sqlite_rows.run_row(namespace, run))

    def run(self, namespace: str, run_id: str) -> Run:
        checks.check_id(namespace, "namespace")
        with self._connections.reading() as db:
            row = db.execute(sql.RUN, (namespace, run_id)).fetchone()
            if row is None:
                raise checks.unknown_run(namespace, run_id)
            return sqlite_rows.run_from(row)

    def runs(self, namespace: str) -> list[Run]:
        checks.check_id(namespace, "namespace")
        with self._connections.reading() as db:
            return [sqlite_rows.run_from(row) for row in db.execute(sql.RUNS, (namespace,))]

    def set_user_status(self, namespace: str, run_id: str, user: str, status: UserStatus, cause: str = "") -> None:
        checks.check_id(namespace, "namespace")
        checks.check_status(run_id, user, status, cause)
        with self._connections.writing() as db:
            if db.execute(sql.RUN, (namespace, run_id)).fetchone() is None:
                raise checks.unknown_run(namespace, run_id)
            db.execute(sql.PUT_STATUS, (namespace, run_id, user, status, cause))

    def user_statuses(self, namespace: str, run_id: str) -> dict[str, tuple[UserStatus, str]]:
        checks.check_id(namespace, "namespace")
        with self._connections.reading() as db:
            rows = db.execute(sql.STATUSES, (namespace, run_id)).fetchall()
        return {user: (status, cause) for user, status, cause in rows}


def _delete_draft(db: sqlite3.Connection, namespace: str, run: str, user: str) -> None:
    row = db.execute(sql.DRAFT, (namespace, run, user)).fetchone()
    if row is not None:
        db.execute(sql.DELETE_BLOCKS, row[:1])
        db.execute(sql.DELETE_DRAFT, row[:1])
