"""The store for teams: a Neo4j server, 5.26 LTS or newer, community edition, no plugins.

The graph is made to be looked at in Neo4j Browser; `docs/graph_store.md` shows its shape and queries to paste.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from llmrg.core.graph_table import GraphTable
from llmrg.core.records import History, Item, Knowledge, ReasoningGraph, Run, Step, UserStatus, VectorSpace
from llmrg.core.themes import Profile, Themes
from llmrg.graph_store import (
    neo4j_catalogue,
    neo4j_forget,
    neo4j_graphs,
    neo4j_integrity,
    neo4j_knowledge,
    neo4j_recommendations,
    neo4j_rows,
    neo4j_schema,
    neo4j_themes,
)
from llmrg.graph_store import neo4j_cypher as cypher
from llmrg.graph_store.checked_store import CheckedStore
from llmrg.graph_store.neo4j_labels import Label
from llmrg.graph_store.neo4j_link import Neo4jLink
from llmrg.graph_store.neo4j_url import read_url
from llmrg.graph_store.protocol import Problem, StoreAbilities, StoreCounts, StoreHealth


class Neo4jStore(CheckedStore):
    """A `GraphStore` on a Neo4j server, for any number of threads, processes and machines.

    A call is one managed transaction: the driver repeats it after a deadlock or a lost connection, `timeout_s` at most. Only a
    call that puts more than 20,000 rows takes several: it is checked as a whole first; repeat it after a crash in between. So
    do one that prunes more than 5,000 entries and one that forgets a run or a namespace. A profile is replaced in one; its
    relations, which are for people, follow.

    Args:
        url: `neo4j://host:port/database` or `bolt://host:port/database`; `+s` for TLS, `+ssc` for TLS with a self-signed
            certificate; after neo4j:// also a query for routing, `?policy=europe`.
        auth: (user, password), or None for a server that asks for none.
        database: the database's name; None means the one in the URL, else `neo4j`.
        timeout_s: Longest wait for a connection, and longest run of one transaction.
        pool_size: Connections at once at most; further calls wait.
    Raises: ConfigError: the URL means nothing, or names another database than `database`.
    """

    abilities: Final = StoreAbilities(many_machines=True, neo4j_browser=True, file_upkeep=False)

    def __init__(
        self,
        url: str,
        auth: tuple[str, str] | None = None,
        database: str | None = None,
        timeout_s: float = 30.0,
        pool_size: int = 100,
    ) -> None:
        read = read_url(url)
        self._link = Neo4jLink(read, auth, read.chosen(database), timeout_s, pool_size)
        self.url = read.text

    def __repr__(self) -> str:
        return f"Neo4jStore({self.url!r}, database={self._link.database!r})"

    def open(self) -> None:
        self._link.open()
        try:
            neo4j_schema.make_or_check(self._link)
        except BaseException:
            self._link.close()
            raise

    def migrate(self, dry_run: bool = False) -> list[str]:
        self._link.open()
        try:
            todo = neo4j_schema.pending(self._link) if dry_run else neo4j_schema.migrate(self._link)
            return [f"version {migration.version}: {migration.does}" for migration in todo]
        finally:
            self._link.close()

    def close(self) -> None:
        self._link.close()

    def health(self) -> StoreHealth:
        version = neo4j_schema.stored_version(self._link)
        return StoreHealth(self.url, self._link.product, version)

    def problems(self) -> list[Problem]:
        return neo4j_integrity.problems(self._link)

    def repair(self) -> None:
        neo4j_integrity.repair(self._link)

    # -- namespaces --------------------------------------------------------------------------------------------------
    def namespaces(self) -> list[str]:
        return self._link.read(neo4j_forget.namespaces)

    def _counts(self, namespace: str) -> StoreCounts:
        return self._link.read(lambda tx: neo4j_catalogue.counts(tx, namespace))

    def _forget_namespace(self, namespace: str) -> bool:
        deleted = False
        while self._link.write(lambda tx: neo4j_forget.part_of_namespace(tx, namespace)):
            deleted = True
        return deleted

    def _forget_user(self, namespace: str, user: str) -> bool:
        return self._link.write(lambda tx: neo4j_forget.user(tx, namespace, user))

    # -- catalogue and users -----------------------------------------------------------------------------------------
    def _put_items(self, namespace: str, items: list[Item]) -> None:
        self._link.load(items, lambda _: 1, lambda *_: None, lambda tx, part: neo4j_catalogue.put_items(tx, namespace, part))

    def _items(self, namespace: str) -> list[Item]:
        return self._link.read(lambda tx: neo4j_catalogue.items(tx, namespace))

    def _put_histories(self, namespace: str, histories: list[History]) -> None:
        self._link.load(
            histories,
            lambda history: 1 + len(history.items),
            lambda tx, part: neo4j_catalogue.check_histories(tx, namespace, part),
            lambda tx, part: neo4j_catalogue.put_histories(tx, namespace, part),
        )

    def _histories(self, namespace: str, users: Sequence[str]) -> dict[str, History]:
        return self._link.read(lambda tx: neo4j_catalogue.histories(tx, namespace, users))

    def _users(self, namespace: str, after: str, limit: int) -> list[str]:
        return self._link.read(lambda tx: neo4j_catalogue.users(tx, namespace, after, limit))

    # -- graphs ------------------------------------------------------------------------------------------------------
    def _replace_graph(self, namespace: str, graph: ReasoningGraph, expected_version: int | None) -> int:
        return self._link.write(lambda tx: neo4j_graphs.replace(tx, namespace, graph, expected_version))

    def _graphs(self, namespace: str, users: Sequence[str], run: str) -> GraphTable:
        return self._link.read(lambda tx: neo4j_graphs.read(tx, namespace, users, run))

    def _graphs_by_run(self, namespace: str) -> dict[str, int]:
        space = neo4j_rows.space_of(namespace)
        return dict(self._link.read(lambda tx: tx.run(cypher.GRAPHS_BY_RUN, space=space, before="").values()))

    # -- drafts ------------------------------------------------------------------------------------------------------
    def _append_draft(self, namespace: str, run: str, user: str, steps: Sequence[Step], through: int, start: int) -> None:
        self._link.write(lambda tx: neo4j_graphs.append_draft(tx, namespace, run, user, steps, through, start))

    def _draft(self, namespace: str, run: str, user: str) -> tuple[tuple[Step, ...], int]:
        return self._link.read(lambda tx: neo4j_graphs.draft(tx, namespace, run, user))

    # -- knowledge base ----------------------------------------------------------------------------------------------
    def _put_knowledge(self, namespace: str, entries: list[Knowledge]) -> None:
        self._link.load(
            entries,
            lambda _: 3,
            lambda tx, part: neo4j_knowledge.check(tx, namespace, part),
            lambda tx, part: neo4j_knowledge.put(tx, namespace, part),
        )

    def _claim_vector_space(self, namespace: str, space: VectorSpace) -> None:
        self._link.write(lambda tx: neo4j_knowledge.claim(tx, namespace, space))

    def _vector_space(self, namespace: str) -> VectorSpace | None:
        return self._link.read(lambda tx: neo4j_knowledge.space(tx, namespace))

    def _knowledge(self, namespace: str, after: str, limit: int) -> list[Knowledge]:
        return self._link.read(lambda tx: neo4j_knowledge.page(tx, namespace, after, limit))

    def _knowledge_for(self, namespace: str, pairs: Sequence[tuple[str, str]], mind: str) -> list[Knowledge]:
        return self._link.read(lambda tx: neo4j_knowledge.of_pairs(tx, namespace, pairs, mind))

    def _nearest_knowledge(
        self, namespace: str, to_item: str, vector: np.ndarray, limit: int, mind: str
    ) -> list[tuple[Knowledge, float]]:
        return self._link.read(lambda tx: neo4j_knowledge.nearest(tx, namespace, to_item, vector, limit, mind))

    def _count_uses(self, namespace: str, uses: Mapping[str, int]) -> None:
        self._link.write(lambda tx: neo4j_knowledge.count_uses(tx, namespace, uses))

    def _top_knowledge(self, namespace: str, limit: int) -> list[Knowledge]:
        return self._link.read(lambda tx: neo4j_knowledge.top(tx, namespace, limit))

    def _prune_knowledge(self, namespace: str, max_uses: int, max_score: float, dry_run: bool) -> int:
        if dry_run:
            return self._link.read(lambda tx: neo4j_knowledge.prunable(tx, namespace, max_uses, max_score))
        total = 0
        while pruned := self._link.write(lambda tx: neo4j_knowledge.prune(tx, namespace, max_uses, max_score)):
            total += pruned
        return total

    # -- themes and profiles of items ----------------------------------------------------------------------------------
    def _put_theme_texts(self, namespace: str, of_text: Mapping[str, str]) -> None:
        neo4j_themes.put_texts(self._link, namespace, of_text)

    def _put_profile(self, namespace: str, profile: Profile) -> None:
        neo4j_themes.put_profile(self._link, namespace, profile)

    def _delete_profile(self, namespace: str, source: str) -> bool:
        return neo4j_themes.delete_profile(self._link, namespace, source)

    def _themes(self, namespace: str) -> Themes:
        return self._link.read(lambda tx: neo4j_themes.read(tx, namespace))

    # -- recommendations ---------------------------------------------------------------------------------------------
    def _put_recommendations(self, namespace: str, user: str, model: str, items: Sequence[tuple[str, float]], at: float) -> None:
        self._link.write(lambda tx: neo4j_recommendations.put(tx, namespace, user, model, items, at))

    # -- runs --------------------------------------------------------------------------------------------------------
    def _forget_run(self, namespace: str, run_id: str) -> bool:
        deleted = False
        while self._link.write(lambda tx: neo4j_forget.graphs_of_run(tx, namespace, run_id)):
            deleted = True
        return self._link.write(lambda tx: neo4j_forget.run_itself(tx, namespace, run_id)) or deleted

    def _put_run(self, namespace: str, run: Run) -> None:
        row = neo4j_rows.run_row(namespace, run)
        self._link.write(lambda tx: tx.run(cypher.PUT_RUN, row=row).consume())

    def _run(self, namespace: str, run_id: str) -> Run | None:
        key = neo4j_rows.node_key(Label.RUN, namespace, run_id)
        record = self._link.read(lambda tx: tx.run(cypher.RUN, key=key).single())
        return None if record is None else neo4j_rows.run_from(record.data())

    def _runs(self, namespace: str) -> list[Run]:
        space = neo4j_rows.space_of(namespace)
        records = self._link.read(lambda tx: tx.run(cypher.RUNS, space=space).data())
        return sorted((neo4j_rows.run_from(record) for record in records), key=lambda run: (-run.started_at, run.id))

    def _set_user_status(self, namespace: str, run_id: str, user: str, status: UserStatus, cause: str) -> bool:
        row = neo4j_rows.status_row(namespace, run_id, user, status, cause)
        return self._link.write(lambda tx: bool(tx.run(cypher.SET_USER_STATUS, row=row).single(strict=True)["found"]))

    def _user_statuses(self, namespace: str, run_id: str) -> dict[str, tuple[UserStatus, str]]:
        run_key = neo4j_rows.node_key(Label.RUN, namespace, run_id)
        rows = self._link.read(lambda tx: tx.run(cypher.USER_STATUSES, run_key=run_key).data())
        return {row["user"]: (row["status"], row["cause"]) for row in sorted(rows, key=lambda row: str(row["user"]))}
