"""The lists of a batch of users, as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmrg.core.records import ReasoningGraph
from llmrg.core.vetoes import Vetoes
from llmrg.data.dataset import Dataset

if TYPE_CHECKING:
    import pyarrow as pa

    from llmrg.core.themes import Themes
    from llmrg.graph_store.protocol import GraphStore
    from llmrg.recommenders.protocol import Query, Recommender


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
