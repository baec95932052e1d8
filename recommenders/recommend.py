"""The list a user is shown: for known users, and for any history given on the spot."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from llmrg.core.errors import CallerError
from llmrg.core.records import History, ReasoningGraph
from llmrg.data.dataset import Catalogue, Dataset
from llmrg.recommenders.protocol import Query, Recommender
from llmrg.recommenders.queries import items_of, rows_of
from llmrg.recommenders.ranking import masked, top_k

CHUNK = 256
"""Queries scored at once: bounds memory at CHUNK x catalogue floats."""
NAMED = 3
"""New items that a warning names."""
log = logging.getLogger(__name__)


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
    """The k best items of the catalogue per query, ties by the recommender's row; shorter where fewer unseen items are left.

    An empty history gets the popular items. Items are matched by id: those that the catalogue has lost since the recommender was
    fitted are not recommended, those that it has gained neither, and are left out of histories (a warning says how many).

    Raises:
        CallerError: k is below 1.
        UnknownItemError: a history names an item that the catalogue lacks.
    """
    if k < 1:
        raise CallerError(f"k must be 1 or more, not {k!r}")
    lost = np.array([number for number, item in enumerate(recommender.items.ids) if item not in catalogue], dtype=np.int64)
    cleaned = _known_queries(recommender, catalogue, queries)
    return [line for part in _chunks(cleaned) for line in _lists(recommender, part, k, mask_seen, lost)]


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


def known_query(recommender: Recommender, query: Query) -> Query:
    """The query without items that the recommender was not fitted on, nor steps from or to them; unchanged where it knows all."""
    if all(item in recommender.items for item in query.history.items):
        return query
    positions = [number for number, item in enumerate(query.history.items) if item in recommender.items]
    history = replace(
        query.history,
        items=tuple(query.history.items[number] for number in positions),
        at=tuple(query.history.at[number] for number in positions) if query.history.at else (),
    )
    return Query(history, _moved(query.graph, positions) if query.graph is not None else None)


def _moved(graph: ReasoningGraph, positions: Sequence[int]) -> ReasoningGraph:
    """The graph over the history that is left of the whole one: positions are counted anew."""
    there = set(positions)
    steps = tuple(
        replace(
            step,
            position=bisect_left(positions, step.position),
            cause_position=None if step.cause_position is None else bisect_left(positions, step.cause_position),
            seen=bisect_left(positions, step.seen),
        )
        for step in graph.steps
        if (step.kind == "imagined" or step.position in there) and (step.cause_position is None or step.cause_position in there)
    )
    return replace(graph, steps=steps)


def _known_queries(recommender: Recommender, catalogue: Catalogue, queries: Sequence[Query]) -> Sequence[Query]:
    new = sorted(item for item in items_of(queries) if item not in recommender.items)
    if not new:
        return queries
    for item in new:
        catalogue.row(item)  # refuses what the catalogue lacks too
    asked = list(queries)
    cleaned = [known_query(recommender, query) for query in asked]
    log.warning(
        "%d of %d histories have items that are new since the recommender was trained (%s%s); they are left out: train again "
        "with `llmrg train`",
        sum(known is not query for known, query in zip(cleaned, asked, strict=True)),
        len(asked),
        ", ".join(new[:NAMED]),
        f" and {len(new) - NAMED:,} more" if len(new) > NAMED else "",
    )
    return cleaned


def _chunks(queries: Sequence[Query]) -> Iterator[Sequence[Query]]:
    for start in range(0, len(queries), CHUNK):
        yield queries[start : start + CHUNK]


def _lists(
    recommender: Recommender, queries: Sequence[Query], k: int, mask_seen: bool, lost: np.ndarray
) -> Iterator[tuple[Recommendation, ...]]:
    items, scores = recommender.items, recommender.scores(queries)
    if mask_seen:
        scores = masked(scores, rows_of(queries, items))
    scores[:, lost] = -np.inf
    for line, rows in zip(scores, top_k(scores, k), strict=True):
        yield tuple(Recommendation(items.ids[r - 1], float(line[r - 1]), n) for n, r in enumerate(rows, start=1))
