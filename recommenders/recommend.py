"""The list a user is shown: for known users, and for any history given on the spot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from llmrg.core.errors import CallerError
from llmrg.core.records import History, ReasoningGraph
from llmrg.data.dataset import Catalogue, Dataset
from llmrg.recommenders.protocol import Query, Recommender
from llmrg.recommenders.ranking import masked, top_k

CHUNK = 256
"""Queries scored at once: bounds memory at CHUNK x catalogue floats."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One line of a list."""

    item: str
    score: float
    rank: int
    """1-based."""


def recommend_batch(
    recommender: Recommender, catalogue: Catalogue, queries: Sequence[Query], k: int = 10, *, mask_seen: bool = True
) -> list[tuple[Recommendation, ...]]:
    """The k best items of the catalogue per query, ties by catalogue row; shorter where fewer unseen items are left.

    An empty history gets the popular items.

    Raises:
        CallerError: k is below 1.
        UnknownItemError: a history names an item that the catalogue lacks.
    """
    if k < 1:
        raise CallerError(f"k must be 1 or more, not {k!r}")
    return [line for part in _chunks(queries) for line in _lists(recommender, catalogue, part, k, mask_seen)]


def recommend_user(
    recommender: Recommender, dataset: Dataset, user: str, k: int = 10, graph: ReasoningGraph | None = None
) -> tuple[Recommendation, ...]:
    """What comes after the whole history of a known user.

    Raises: UnknownUserError: not in the data.
    """
    history = dataset.history(user)
    return recommend_batch(recommender, dataset.catalogue, [Query.at(history, len(history), graph)], k)[0]


def recommend_items(
    recommender: Recommender, catalogue: Catalogue, items: Sequence[str], k: int = 10, graph: ReasoningGraph | None = None
) -> tuple[Recommendation, ...]:
    """What comes after items given on the spot, oldest first; none at all gives the popular items."""
    history = History(user="", items=tuple(items))
    return recommend_batch(recommender, catalogue, [Query.at(history, len(history), graph)], k)[0]


def _chunks(queries: Sequence[Query]) -> Iterator[Sequence[Query]]:
    for start in range(0, len(queries), CHUNK):
        yield queries[start : start + CHUNK]


def _lists(
    recommender: Recommender, catalogue: Catalogue, queries: Sequence[Query], k: int, mask_seen: bool
) -> Iterator[tuple[Recommendation, ...]]:
    scores = recommender.scores(queries)
    if mask_seen:
        scores = masked(scores, [np.array([catalogue.row(i) for i in q.history.items], np.int64) for q in queries])
    for line, rows in zip(scores, top_k(scores, k), strict=True):
        yield tuple(Recommendation(catalogue.ids[r - 1], float(line[r - 1]), n) for n, r in enumerate(rows, start=1))
