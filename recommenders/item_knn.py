"""ItemKNN (Sarwar et al. 2001; Deshpande & Karypis 2004): items that the same users took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, NonNegativeFloat, PositiveInt
from scipy.sparse import csr_matrix, vstack

from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import BaseRecommender, FitData
from llmrg.recommenders.incidence import incidence, incidence_of
from llmrg.recommenders.protocol import Query

CHUNK = 1024
"""Items whose neighbours are sought at once."""


class ItemKnnConfig(BaseModel, frozen=True, extra="forbid"):
    """How alike items are, and how many speak."""

    neighbours: PositiveInt = 200
    """Most similar items kept for each item (K)."""
    shrinkage: NonNegativeFloat = 10.0
    """Added to the denominator, so that items seldom taken together are less alike."""


class ItemKnn(BaseRecommender):
    """score(j) = sum over i in the history of sim(i, j), where i is among the K items most similar to j.

    sim(i, j) = C_ij / (sqrt(C_ii C_jj) + shrinkage), sim(j, j) = 0; C_ij counts the training parts that hold both.
    """

    type = "item_knn"
    name = "item knn"

    def __init__(self, config: ItemKnnConfig | None = None) -> None:
        super().__init__()
        self.config = config or ItemKnnConfig()
        self._similar = csr_matrix((0, 0), dtype=np.float32)

    def _fit(self, data: FitData) -> None:
        taken = incidence_of(data.parts.flat, data.parts.lengths, len(data.items))
        norms = np.sqrt(np.asarray(taken.sum(axis=0), dtype=np.float32)).ravel()
        users, columns = taken.T.tocsr(), [csr_matrix((0, len(data.items)), dtype=np.float32)]
        for start in range(0, len(data.items), CHUNK):
            counts = (users[start : start + CHUNK] @ taken).tocoo()
            other = counts.row + start != counts.col
            row, column, count = counts.row[other], counts.col[other], counts.data[other]
            alike = count / (norms[row + start] * norms[column] + np.float32(self.config.shrinkage))
            columns.append(_best(row, column, alike, self.config.neighbours, counts.shape))
        self._similar = vstack(columns, format="csr").T.tocsr()

    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        return np.asarray((incidence(rows, len(self.items)) @ self._similar).toarray(), dtype=np.float32)

    def _config(self) -> Mapping[str, Any]:
        return self.config.model_dump()

    def _tensors(self) -> Mapping[str, np.ndarray]:
        similar = self._similar
        return {"data": similar.data, "indices": similar.indices, "indptr": similar.indptr}

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        knn = cls(ItemKnnConfig(**artifact.config))
        parts = tuple(artifact.tensor(name) for name in ("data", "indices", "indptr"))
        knn._similar = csr_matrix(parts, shape=(len(artifact.items), len(artifact.items)))
        return knn


def _best(row: np.ndarray, column: np.ndarray, value: np.ndarray, count: int, shape: tuple[int, int]) -> csr_matrix:
    """The `count` largest values of each row, ties by column."""
    order = np.lexsort((column, -value, row))
    row, column, value = row[order], column[order], value[order]
    first = np.searchsorted(row, row)
    keep = np.arange(len(row)) - first < count
    return csr_matrix((value[keep], (row[keep], column[keep])), shape=shape, dtype=np.float32)
