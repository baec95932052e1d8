"""Recommendations for all users: batch by batch, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmrg.core.records import ReasoningGraph
from llmrg.core.vetoes import Vetoes
from llmrg.data.dataset import Dataset
from llmrg.project_part import ProjectPart

if TYPE_CHECKING:
    import pyarrow as pa

    from llmrg.core.themes import Themes
    from llmrg.graph_store.protocol import GraphStore
    from llmrg.recommenders.base import BaseRecommender
    from llmrg.recommenders.protocol import Query, Recommender

BATCH = 256
"""Users of one batch: scored at once."""


@dataclass(frozen=True)
class ListOptions:
    """What a row tells."""

    k: int = 10
    """Items per user."""
    again: bool = False
    """Items that the user has taken already too."""
    why: bool = False
    """The strongest reason behind each, in words; slow: every item's score is taken apart."""
    run: str = ""
    """Whose graphs are read; empty: each user's newest."""


class Lister:
    """Makes the lists of a batch of users."""

    def __init__(
        self, dataset: Dataset, store: GraphStore, recommender: Recommender, themes: Themes, vetoes: Vetoes, options: ListOptions
    ) -> None:
        self._dataset, self._store, self._recommender = dataset, store, recommender
        self._themes, self._vetoes, self._options = themes, vetoes, options

    def table(self, users: Sequence[str]) -> pa.Table:
        """Rows of `list_file.SCHEMA` (or `WITH_WHY`), users in their order, the best item first.

        Raises: UnknownUserError; as `recommend_batch`.
        """
        import pyarrow as pa

        from llmrg.list_file import SCHEMA, WITH_WHY
        from llmrg.recommenders.queries import Queries
        from llmrg.recommenders.recommend import recommend_batch

        catalogue, options = self._dataset.catalogue, self._options
        queries = Queries.at_the_end(self._dataset, users, self._store.graphs(self._dataset.name, users, options.run))
        lists = recommend_batch(self._recommender, catalogue, queries, options.k, mask_seen=not options.again)
        verified = self._verified_runs() if options.why else set()
        rows: list[dict[str, Any]] = []
        for number, (user, line) in enumerate(zip(users, lists, strict=True)):
            query = queries[number] if options.why else None
            for suggestion in line:
                title = catalogue[suggestion.item].title
                rows.append(
                    {"user": user, "rank": suggestion.rank, "item": suggestion.item, "title": title, "score": suggestion.score}
                )
                if query is not None:
                    rows[-1]["why"] = self._why(query, suggestion.item, verified)
        return pa.Table.from_pylist(rows, WITH_WHY if options.why else SCHEMA)

    def _verified_runs(self) -> set[str]:
        from llmrg.explanations.verification import was_verified

        runs = self._store.runs(self._dataset.name)
        return {run.id for run in runs if was_verified(run.id, runs)}

    def _why(self, query: Query, item: str, verified: set[str]) -> str:
        """A summary and the strongest reason, as `Project.recommend` tells them."""
        from llmrg.explanations.explain import explain
        from llmrg.recommenders.recommend import known_query

        graph = query.graph or ReasoningGraph(query.history.user)
        scored, parts = query, None
        if item not in query.history.items:
            scored = known_query(self._recommender, query)
            parts = self._recommender.contributions(scored, item)
        how: dict[str, Any] = {"themes": self._themes, "verified": graph.run in verified, "vetoes": self._vetoes}
        why = explain(scored.graph or graph, scored.history, item, contributions=parts, **how)
        return "; ".join(why.lines(self._dataset.catalogue, most=1))


class Lists(ProjectPart):
    """What `llmrg.Project` can do for all users at once."""

    def recommend_all(
        self,
        path: Path | str,
        *,
        k: int = 10,
        users: Iterable[str] | None = None,
        recommender: str | None = None,
        again: bool = False,
        why: bool = False,
        run: str = "",
        ray: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Path:
        """Write every user's list to a file; under its name stands a whole file or what stood there before.

        Args:
            path: `.parquet`, `.csv` or `.jsonl`; rows of user, rank (1-based), item, title, score; users as in the data.
            k: items per user; fewer where fewer unseen ones are left.
            users: some of the users; all by default.
            recommender: name of a trained one; by default the best on validation items.
            again: items that the user has taken already too.
            why: a column with the strongest reason in words; many times slower.
            run: whose graphs are read; by default those that the recommender learnt from, else each user's newest.
            ray: on a Ray cluster, as in `build`.
            progress: told the users done, and all of them.
        Raises: ConfigError: another ending; PlaceError; ArtifactError: no recommender is trained; UnknownUserError; StoreError.
        """
        from llmrg.list_file import SCHEMA, WITH_WHY, check_kind, list_file

        path = Path(path)
        check_kind(path)
        folder = self.recommender_folder(recommender)
        options = ListOptions(k, again, why, self._graphs_of(folder, run))
        chosen = list(self.dataset.histories) if users is None else list(users)
        batches = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]
        done = 0
        with list_file(path, WITH_WHY if why else SCHEMA) as file:
            for batch, table in zip(batches, self._tables(batches, folder, options, ray), strict=True):
                file.write_table(table)
                done += len(batch)
                if progress:
                    progress(done, len(chosen))
        return path

    def _tables(self, batches: list[list[str]], folder: Path, options: ListOptions, ray: str | None) -> Iterator[pa.Table]:
        """The batches' rows in order, made when they are asked for."""
        if ray is not None:
            from llmrg.on_ray.cluster import connected
            from llmrg.on_ray.list_workers import tables_on

            with connected(ray, self.settings) as cluster:
                yield from tables_on(cluster, self.settings, self.dataset, folder, self.themes(), self.vetoes, options, batches)
            return
        lister = Lister(self.dataset, self.store, self.recommender(folder.name), self.themes(), self.vetoes, options)
        yield from map(lister.table, batches)

    def _graphs_of(self, folder: Path, run: str) -> str:
        """The run to read. Raises: ConfigError: there are no graphs of it."""
        from llmrg.kept_figures import read_figures

        kept = read_figures(folder)
        return self.run_named(run or (kept.run if kept is not None else ""))

    if TYPE_CHECKING:  # the project has these

        def recommender_folder(self, name: str | None = None) -> Path: ...
        def recommender(self, name: str | None = None, *, device: str | None = None) -> BaseRecommender: ...
        def run_named(self, run: str) -> str: ...
        def themes(self) -> Themes: ...
        @property
        def vetoes(self) -> Vetoes: ...
