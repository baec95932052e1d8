"""Popularity: the same list for everyone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import BaseRecommender, FitData
from llmrg.recommenders.protocol import Query


class Popularity(BaseRecommender):
    """Score = share of the item among all training interactions."""

    type = "popularity"
    name = "popularity"

    def _fit(self, data: FitData) -> None:
        pass  # the shares are counted for every recommender, as the answer to an empty history

    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        return np.tile(self._popularity, (len(rows), 1))

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        return cls()
