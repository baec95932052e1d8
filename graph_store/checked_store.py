"""What all stores do before they read or write: one place, so that a backend holds transactions alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import numpy as np

from llmrg.core.errors import GraphNotFoundError, UnknownUserError
from llmrg.core.graph_table import GraphTable
from llmrg.core.records import History, Item, Knowledge, ReasoningGraph, Run, Step, UserStatus, VectorSpace
from llmrg.core.themes import Profile, Themes
from llmrg.graph_store import checks
from llmrg.graph_store.protocol import GraphStore, StoreCounts


class CheckedStore(GraphStore):
    """A `GraphStore` whose public methods check their arguments and call the method of the same name with an underscore.

    A backend fills those in, and `url`, `abilities`, `open`, `migrate`, `close`, `health`, `problems`, `repair` and `namespaces`.
    What it is handed is checked, and iterables are lists. The protocol says what each method returns and raises.
    """

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- namespaces --------------------------------------------------------------------------------------------------
    def counts(self, namespace: str) -> StoreCounts:
        checks.check_id(namespace, "namespace")
        return self._counts(namespace)

    def forget_namespace(self, namespace: str) -> bool:
        checks.check_id(namespace, "namespace")
        return self._forget_namespace(namespace)

    def forget_user(self, namespace: str, user: str) -> bool:
        checks.check_users(namespace, [user])
        return self._forget_user(namespace, user)

    # -- catalogue and users -----------------------------------------------------------------------------------------
    def put_items(self, namespace: str, items: Iterable[Item]) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_items(rows := list(items))
        self._put_items(namespace, rows)

    def items(self, namespace: str) -> list[Item]:
        checks.check_id(namespace, "namespace")
        return self._items(namespace)

    def put_histories(self, namespace: str, histories: Iterable[History]) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_histories(rows := list(histories))
        self._put_histories(namespace, rows)

    def history(self, namespace: str, user: str) -> History:
        histories = self.histories(namespace, [user])
        if user not in histories:
            raise UnknownUserError(user, *self._users(namespace, "", 1))
        return histories[user]

    def histories(self, namespace: str, users: Sequence[str]) -> dict[str, History]:
        checks.check_users(namespace, users)
        return self._histories(namespace, users)

    def users(self, namespace: str, after: str = "", limit: int = 1000) -> list[str]:
        checks.check_page(namespace, after, limit)
        return self._users(namespace, after, limit)

    # -- graphs ------------------------------------------------------------------------------------------------------
    def replace_graph(self, namespace: str, graph: ReasoningGraph, expected_version: int | None = None) -> int:
        checks.check_id(namespace, "namespace")
        checks.check_graph(graph)
        return self._replace_graph(namespace, graph, expected_version)

    def graph(self, namespace: str, user: str, run: str = "") -> ReasoningGraph:
        table = self.graphs(namespace, [user], run)
        if user not in table:
            raise GraphNotFoundError(user, run)
        return table[user]

    def graphs(self, namespace: str, users: Sequence[str], run: str = "") -> GraphTable:
        checks.check_graphs(namespace, users, run)
        return self._graphs(namespace, users, run)

    def graphs_by_run(self, namespace: str) -> dict[str, int]:
        checks.check_id(namespace, "namespace")
        return self._graphs_by_run(namespace)

    # -- drafts ------------------------------------------------------------------------------------------------------
    def append_draft(self, namespace: str, run: str, user: str, steps: Sequence[Step], through: int, start: int) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_draft(run, user, steps, through, start)
        self._append_draft(namespace, run, user, steps, through, start)

    def draft(self, namespace: str, run: str, user: str) -> tuple[tuple[Step, ...], int]:
        checks.check_users(namespace, [user])
        checks.check_id(run, "run id")
        return self._draft(namespace, run, user)

    # -- knowledge base ----------------------------------------------------------------------------------------------
    def put_knowledge(self, namespace: str, entries: Iterable[Knowledge]) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_knowledge(rows := list(entries))
        self._put_knowledge(namespace, rows)

    def claim_vector_space(self, namespace: str, space: VectorSpace) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_space(space)
        self._claim_vector_space(namespace, space)

    def vector_space(self, namespace: str) -> VectorSpace | None:
        checks.check_id(namespace, "namespace")
        return self._vector_space(namespace)

    def knowledge(self, namespace: str, after: str = "", limit: int = 1000) -> list[Knowledge]:
        checks.check_page(namespace, after, limit)
        return self._knowledge(namespace, after, limit)

    def knowledge_for(self, namespace: str, pairs: Sequence[tuple[str, str]], mind: str = "") -> list[Knowledge]:
        checks.check_id(namespace, "namespace")
        return self._knowledge_for(namespace, pairs, mind)

    def nearest_knowledge(
        self, namespace: str, to_item: str, vector: np.ndarray, limit: int = 5, mind: str = ""
    ) -> list[tuple[Knowledge, float]]:
        checks.check_id(namespace, "namespace")
        checks.check_limit(limit)
        checks.check_vector(query := np.asarray(vector), "vector")
        return self._nearest_knowledge(namespace, to_item, query, limit, mind)

    def count_uses(self, namespace: str, uses: Mapping[str, int]) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_uses(uses)
        self._count_uses(namespace, uses)

    def top_knowledge(self, namespace: str, limit: int = 20) -> list[Knowledge]:
        checks.check_page(namespace, "", limit)
        return self._top_knowledge(namespace, limit)

    def prune_knowledge(self, namespace: str, *, max_uses: int = 0, max_score: float = 1.0, dry_run: bool = False) -> int:
        checks.check_id(namespace, "namespace")
        checks.check_pruning(max_uses, max_score)
        return self._prune_knowledge(namespace, max_uses, max_score, dry_run)

    # -- themes and profiles of items ----------------------------------------------------------------------------------
    def put_theme_texts(self, namespace: str, of_text: Mapping[str, str]) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_theme_texts(of_text)
        self._put_theme_texts(namespace, of_text)

    def put_profile(self, namespace: str, profile: Profile) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_profile(profile)
        self._put_profile(namespace, profile)

    def delete_profile(self, namespace: str, source: str) -> bool:
        checks.check_id(namespace, "namespace")
        checks.check_id(source, "profile source")
        return self._delete_profile(namespace, source)

    def themes(self, namespace: str) -> Themes:
        checks.check_id(namespace, "namespace")
        return self._themes(namespace)

    # -- recommendations ---------------------------------------------------------------------------------------------
    def put_recommendations(self, namespace: str, user: str, model: str, items: Sequence[tuple[str, float]], at: float) -> None:
        if not self.abilities.neo4j_browser:
            raise checks.no_recommendations(self.url)
        checks.check_id(namespace, "namespace")
        checks.check_recommendations(user, model, items, at)
        self._put_recommendations(namespace, user, model, items, at)

    # -- runs --------------------------------------------------------------------------------------------------------
    def forget_run(self, namespace: str, run_id: str) -> bool:
        checks.check_id(namespace, "namespace")
        checks.check_id(run_id, "run id")
        return self._forget_run(namespace, run_id)

    def put_run(self, namespace: str, run: Run) -> None:
        checks.check_id(namespace, "namespace")
        checks.check_run(run)
        self._put_run(namespace, run)

    def run(self, namespace: str, run_id: str) -> Run:
        checks.check_id(namespace, "namespace")
        run = self._run(namespace, run_id)
        if run is None:
            raise checks.unknown_run(namespace, run_id)
        return run

    def runs(self, namespace: str) -> list[Run]:
        checks.check_id(namespace, "namespace")
        return self._runs(namespace)

    def set_user_status(self, namespace: str, run_id: str, user: str, status: UserStatus, cause: str = "") -> None:
        checks.check_id(namespace, "namespace")
        checks.check_status(run_id, user, status, cause)
        if not self._set_user_status(namespace, run_id, user, status, cause):
            raise checks.unknown_run(namespace, run_id)

    def user_statuses(self, namespace: str, run_id: str) -> dict[str, tuple[UserStatus, str]]:
        checks.check_id(namespace, "namespace")
        return self._user_statuses(namespace, run_id)

    # -- what a backend fills in -------------------------------------------------------------------------------------
    @abstractmethod
    def _counts(self, namespace: str) -> StoreCounts: ...
    @abstractmethod
    def _forget_namespace(self, namespace: str) -> bool: ...
    @abstractmethod
    def _forget_user(self, namespace: str, user: str) -> bool: ...
    @abstractmethod
    def _put_items(self, namespace: str, items: list[Item]) -> None: ...
    @abstractmethod
    def _items(self, namespace: str) -> list[Item]: ...
    @abstractmethod
    def _put_histories(self, namespace: str, histories: list[History]) -> None: ...
    @abstractmethod
    def _histories(self, namespace: str, users: Sequence[str]) -> dict[str, History]: ...
    @abstractmethod
    def _users(self, namespace: str, after: str, limit: int) -> list[str]: ...
    @abstractmethod
    def _replace_graph(self, namespace: str, graph: ReasoningGraph, expected_version: int | None) -> int: ...
    @abstractmethod
    def _graphs(self, namespace: str, users: Sequence[str], run: str) -> GraphTable: ...
    @abstractmethod
    def _graphs_by_run(self, namespace: str) -> dict[str, int]: ...
    @abstractmethod
    def _append_draft(self, namespace: str, run: str, user: str, steps: Sequence[Step], through: int, start: int) -> None: ...
    @abstractmethod
    def _draft(self, namespace: str, run: str, user: str) -> tuple[tuple[Step, ...], int]: ...
    @abstractmethod
    def _put_knowledge(self, namespace: str, entries: list[Knowledge]) -> None: ...
    @abstractmethod
    def _claim_vector_space(self, namespace: str, space: VectorSpace) -> None: ...
    @abstractmethod
    def _vector_space(self, namespace: str) -> VectorSpace | None: ...
    @abstractmethod
    def _knowledge(self, namespace: str, after: str, limit: int) -> list[Knowledge]: ...
    @abstractmethod
    def _knowledge_for(self, namespace: str, pairs: Sequence[tuple[str, str]], mind: str) -> list[Knowledge]: ...
    @abstractmethod
    def _nearest_knowledge(
        self, namespace: str, to_item: str, vector: np.ndarray, limit: int, mind: str
    ) -> list[tuple[Knowledge, float]]: ...
    @abstractmethod
    def _count_uses(self, namespace: str, uses: Mapping[str, int]) -> None: ...
    @abstractmethod
    def _top_knowledge(self, namespace: str, limit: int) -> list[Knowledge]: ...
    @abstractmethod
    def _prune_knowledge(self, namespace: str, max_uses: int, max_score: float, dry_run: bool) -> int: ...
    @abstractmethod
    def _put_theme_texts(self, namespace: str, of_text: Mapping[str, str]) -> None: ...
    @abstractmethod
    def _put_profile(self, namespace: str, profile: Profile) -> None: ...
    @abstractmethod
    def _delete_profile(self, namespace: str, source: str) -> bool: ...
    @abstractmethod
    def _themes(self, namespace: str) -> Themes: ...
    def _put_recommendations(self, namespace: str, user: str, model: str, items: Sequence[tuple[str, float]], at: float) -> None:
        """Asked only where `abilities.neo4j_browser` holds; other backends leave it out."""
        raise NotImplementedError

    @abstractmethod
    def _forget_run(self, namespace: str, run_id: str) -> bool: ...
    @abstractmethod
    def _put_run(self, namespace: str, run: Run) -> None: ...
    @abstractmethod
    def _run(self, namespace: str, run_id: str) -> Run | None: ...
    @abstractmethod
    def _runs(self, namespace: str) -> list[Run]: ...
    @abstractmethod
    def _set_user_status(self, namespace: str, run_id: str, user: str, status: UserStatus, cause: str) -> bool: ...
    @abstractmethod
    def _user_statuses(self, namespace: str, run_id: str) -> dict[str, tuple[UserStatus, str]]: ...
