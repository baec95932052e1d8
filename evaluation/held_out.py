"""Leave-one-out with full ranking: every item of the catalogue competes, in chunks of users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from llmrg.core.errors import ArtifactError, CallerError, DataError
from llmrg.core.graph_table import GraphTable
from llmrg.core.records import ReasoningGraph
from llmrg.data.dataset import Dataset
from llmrg.recommenders.protocol import Recommender
from llmrg.recommenders.queries import Queries
from llmrg.recommenders.ranking import target_ranks, top_k

Split = Literal["validation", "test"]


@dataclass(frozen=True)
class Ranks:
    """Where each user's held-out item came out."""

    users: tuple[str, ...]
    masked: np.ndarray
    """(U,) int64: items that the user took before cannot be recommended."""
    unmasked: np.ndarray
    """(U,) int64: every item competes."""
    top: np.ndarray
    """(U, K) int64 columns (row number - 1) of the masked recommendations, best first, ties by row; -1 where a user has taken so
    much that fewer than K items are left."""


def rank_held_out(
    recommender: Recommender,
    dataset: Dataset,
    graphs: Mapping[str, ReasoningGraph] | None = None,
    split: Split = "test",
    chunk: int = 256,
    top: int = 50,
) -> Ranks:
    """Rank the held-out item of every user whose history is long enough.

    The query holds history[:position] and graph.before(position), nothing else (`Queries` cuts both).

    Raises:
        DataError: no history is long enough to hold an item out.
        CallerError: the recommender was trained on the held-out items.
    """
    if getattr(recommender, "final", False):
        raise CallerError(
            f"the recommender {recommender.name!r} was trained on whole histories, the held-out items among them: its ranks of "
            "them say nothing",
            sdk="evaluate one that is trained without `final=True`",
            shell="evaluate one that is trained without --final",
        )
    arrays, held_out = dataset.arrays, dataset.split
    positions = (held_out.test_positions if split == "test" else held_out.validation_positions)(arrays.lengths)
    users = np.flatnonzero(positions >= 0)
    if not len(users):
        raise DataError(
            f"no user of {dataset.name!r} has {held_out.min_length} items or more, so none can be held out; nothing to evaluate"
        )
    queries = Queries(arrays, users, positions[users], GraphTable.of_mapping(graphs or {}))
    parts = [_rank_chunk(recommender, dataset, queries[i : i + chunk], top) for i in range(0, len(queries), chunk)]
    masked, unmasked, tops = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Ranks(tuple(queries.users), masked, unmasked, tops)


def _columns(recommender: Recommender, dataset: Dataset) -> np.ndarray:
    """Where the recommender's scores have each item of the catalogue. Raises: ArtifactError: an item is new to it."""
    new = [item for item in dataset.catalogue.ids if item not in recommender.items]
    if new:
        raise ArtifactError(
            f"the recommender {recommender.name!r} was trained on another catalogue: {len(new)} of {len(dataset.catalogue)} "
            f"items of {dataset.name!r} are new to it (for instance {new[0]!r}); train it again"
        )
    return recommender.items.rows(dataset.catalogue.ids) - 1


def _rank_chunk(
    recommender: Recommender,
    dataset: Dataset,
    queries: Queries,
    top: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scores = recommender.scores(queries)
    if recommender.items.ids != dataset.catalogue.ids:
        scores = scores[:, _columns(recommender, dataset)]
    targets, hidden = queries.held_out(dataset)
    unmasked, masked = target_ranks(scores, targets), target_ranks(scores, targets, hidden)
    best = np.full((len(queries), min(top, scores.shape[1])), -1, dtype=np.int64)
    for line, rows in zip(best, top_k(np.where(hidden, -np.inf, scores), top), strict=True):
        line[: len(rows)] = rows - 1
    return masked, unmasked, best
