"""What every recommender does, the simple ones and the trained ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from llmrg.core.contribution import Contribution
from llmrg.core.records import History, ReasoningGraph
from llmrg.core.themes import Themes
from llmrg.data.dataset import Dataset
from llmrg.recommenders.items import ItemRows


@dataclass(frozen=True, slots=True)
class Query:
    """One question: what comes next? Both parts are cut already: nothing later than the question is in them."""

    history: History
    graph: ReasoningGraph | None = None
    """`graph.before(len(history))`; ignored by recommenders that use no graph."""

    @classmethod
    def at(cls, history: History, position: int, graph: ReasoningGraph | None = None) -> Query:
        """The question for `position` of a whole history and its whole graph: the one place where both are cut."""
        return cls(history.before(position), graph.before(position) if graph is not None else None)


class Recommender(Protocol):
    """Fitted on the training parts of a data set; scores the whole catalogue."""

    name: str

    @property
    def items(self) -> ItemRows:
        """The catalogue it was fitted on: column j of the scores belongs to row j + 1."""

    def fit(self, dataset: Dataset, graphs: Mapping[str, ReasoningGraph] | None = None, themes: Themes | None = None) -> None:
        """Learn from the training part of every history (`llmrg.data.splits`); validation items serve early
        stopping only; test items are never read."""

    def scores(self, queries: Sequence[Query]) -> np.ndarray:
        """(B, N) float32: column j belongs to catalogue row j + 1. Higher is better. Seen items are not masked here."""

    def contributions(self, query: Query, item: str) -> list[Contribution]:
        """What the item's score is the sum of."""

    def save(self, folder: Path) -> None:
        """config.json + model.safetensors."""
