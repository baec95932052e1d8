"""EASE (Steck 2019, arXiv 1905.03375): a linear model over all items of the history, in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, PositiveFloat, PositiveInt
from scipy.linalg import inv

from llmrg.core.errors import ConfigError
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import BaseRecommender, FitData
from llmrg.recommenders.incidence import incidence, incidence_of
from llmrg.recommenders.protocol import Query

CHUNK = 1024
"""Items whose common users are counted at once."""


class EaseConfig(BaseModel, frozen=True, extra="forbid"):
    """Strength of the ridge, and how large a catalogue may be."""

    ridge: PositiveFloat = 500.0
    """The paper's lambda for MovieLens 20M; small data want less."""
    max_items: PositiveInt = 20_000
    """Larger catalogues are refused: N items take 8 N^2 bytes to fit and 4 N^2 to keep."""


class Ease(BaseRecommender):
    """scores = x B, B = argmin |X - X B|^2 + ridge |B|^2 with diag(B) = 0: B_ij = -P_ij / P_jj, P = (X'X + ridge I)^-1.

    X is 1 where a training part holds an item; x is that row of the history in question.
    """

    type = "ease"
    name = "ease"

    def __init__(self, config: EaseConfig | None = None) -> None:
        super().__init__()
        self.config = config or EaseConfig()
        self._weights = np.zeros((0, 0), dtype=np.float32)

    def _fit(self, data: FitData) -> None:
        """Raises: ConfigError: more items than `max_items`."""
        items = len(data.items)
        if items > self.config.max_items:
            raise ConfigError(
                f"EASE on {items} items would need {8 * items**2 / 2**30:.1f} GiB, and max_items is {self.config.max_items}; "
                "raise that where the memory is there, or take ItemKnn, which keeps some neighbours of each item only"
            )
        taken = incidence_of(data.parts.flat, data.parts.lengths, items)
        users, gram = taken.T.tocsr(), np.empty((items, items), dtype=np.float32)
        for start in range(0, items, CHUNK):  # on dense data the sparse product would be larger than the dense one
            gram[start : start + CHUNK] = (users[start : start + CHUNK] @ taken).toarray()
        gram[np.diag_indices(items)] += np.float32(self.config.ridge)
        weights = inv(gram, overwrite_a=True, check_finite=False) if items else gram
        weights /= -np.diag(weights).copy()
        weights[np.diag_indices(items)] = 0.0
        self._weights = np.asarray(weights, dtype=np.float32)

    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        return np.asarray(incidence(rows, len(self.items)) @ self._weights, dtype=np.float32)

    def _config(self) -> Mapping[str, Any]:
        return self.config.model_dump()

    def _tensors(self) -> Mapping[str, np.ndarray]:
        return {"weights": self._weights}

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        ease = cls(EaseConfig(**artifact.config))
        ease._weights = artifact.tensor("weights")
        return ease
