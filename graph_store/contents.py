"""What one namespace holds, read from front to back in pages: where every move starts, be it from a store or from files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, Protocol, TypeVar

from llmrg.core.errors import StoreError
from llmrg.core.records import History, Item, Knowledge, ReasoningGraph, Run, UserStatus, VectorSpace
from llmrg.core.themes import Themes
from llmrg.graph_store.protocol import GraphStore

PAGE = 500
"""Users or knowledge entries a call: what a move holds in memory at once, beside the catalogue."""

Counted = Literal["users", "knowledge"]
Progress = Callable[[Counted, int, int], None]
"""(what, how many are done, how many in all)."""
UserContents = tuple[History, tuple[ReasoningGraph, ...]]
"""A history, and the user's graphs of all runs, the newest last."""
RunContents = tuple[Run, dict[str, tuple[UserStatus, str]]]
"""A run, and user -> (status, cause of a failure)."""
T = TypeVar("T")


class Contents(Protocol):
    """Each method may be called again and then starts anew. Drafts are no part: their runs go on where they began."""

    namespace: str

    def total(self, what: Counted) -> int: ...

    def items(self) -> Iterable[Item]: ...

    def users(self) -> Iterator[Sequence[UserContents]]:
        """Pages, in ascending order of user."""

    def vector_space(self) -> VectorSpace | None: ...

    def knowledge(self) -> Iterator[Sequence[Knowledge]]:
        """Pages, in ascending order of key."""

    def themes(self) -> Themes: ...

    def runs(self) -> Iterator[RunContents]: ...


class StoreContents:
    """`Contents` of a namespace of any store; with `run` the graphs and the record of that run alone."""

    def __init__(self, store: GraphStore, namespace: str, run: str = "") -> None:
        self.store, self.namespace, self.run = store, namespace, run

    def total(self, what: Counted) -> int:
        counts = self.store.counts(self.namespace)
        return counts.users if what == "users" else counts.knowledge

    def items(self) -> Iterable[Item]:
        return self.store.items(self.namespace)

    def users(self) -> Iterator[Sequence[UserContents]]:
        for users in pages_of_users(self.store, self.namespace):
            histories = self.store.histories(self.namespace, users)
            graphs = graphs_of(self.store, self.namespace, users, self.run)
            yield [(histories[user], graphs.get(user, ())) for user in users]

    def vector_space(self) -> VectorSpace | None:
        return self.store.vector_space(self.namespace)

    def knowledge(self) -> Iterator[Sequence[Knowledge]]:
        page = self.store.knowledge(self.namespace, limit=PAGE)
        while page:
            yield page
            page = self.store.knowledge(self.namespace, after=page[-1].key, limit=PAGE)

    def themes(self) -> Themes:
        return self.store.themes(self.namespace)

    def runs(self) -> Iterator[RunContents]:
        for run in self.store.runs(self.namespace):
            if self.run not in ("", run.id):
                continue
            yield run, self.store.user_statuses(self.namespace, run.id)


def filled(store: GraphStore, namespace: str, run: str = "") -> StoreContents:
    """The contents of a namespace that holds something; with `run` those of one run.

    Raises: StoreError: it holds nothing, which is mostly a misspelt name.
    """
    counts = store.counts(namespace)
    if not (counts.items or counts.runs):
        raise StoreError(
            f"{store.url} holds nothing of {namespace!r}; build graphs first, or give the store with --store "
            "and the name of the data set in it (`export --data store:NAME`, `import --namespace NAME`)"
        )
    return StoreContents(store, namespace, run)


def graphs_of(store: GraphStore, namespace: str, users: Sequence[str], run: str = "") -> dict[str, tuple[ReasoningGraph, ...]]:
    """User -> the graphs of all runs, or of one, the newest last; users without one are left out."""
    runs = [run] if run else [name for name in store.graphs_by_run(namespace) if name]
    tables = [store.graphs(namespace, users, name) for name in runs]
    if not run:  # a graph may name no run: it can be read as long as it is the newest
        tables.append(store.graphs(namespace, users))
    by_run: dict[str, dict[str, ReasoningGraph]] = {}
    for graph in (graph for table in tables for graph in table.values()):
        by_run.setdefault(graph.user, {})[graph.run] = graph
    return {user: tuple(sorted(graphs.values(), key=lambda graph: graph.version)) for user, graphs in by_run.items()}


def pages_of_users(store: GraphStore, namespace: str) -> Iterator[list[str]]:
    page = store.users(namespace, limit=PAGE)
    while page:
        yield page
        page = store.users(namespace, after=page[-1], limit=PAGE)


def followed(pages: Iterator[Sequence[T]], what: Counted, contents: Contents, progress: Progress | None) -> Iterator[Sequence[T]]:
    """The same pages; `progress` is told after each has been dealt with."""
    done, total = 0, contents.total(what) if progress else 0
    for page in pages:
        yield page
        done += len(page)
        if progress:
            progress(what, done, max(done, total))
