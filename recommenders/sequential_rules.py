"""Sequential rules (Ludewig & Jannach 2018, arXiv 1803.09587): what came soon after the last few items, for other users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, NonNegativeFloat, PositiveInt
from scipy.sparse import csr_matrix

from llmrg.core.contribution import Contribution
from llmrg.data.transitions import transitions
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import BaseRecommender, FitData
from llmrg.recommenders.protocol import Query

LEAST = 1e-5
"""Share below which scores no longer differ in a mix."""


class SequentialRulesConfig(BaseModel, frozen=True, extra="forbid"):
    """How far the counts and the question reach."""

    window: PositiveInt = 3
    """Largest distance, in positions, of a counted pair (item, later item)."""
    last: PositiveInt = 5
    """How many of the latest items are asked."""
    damping: NonNegativeFloat = 1.0
    """Added to an item's pair count before dividing by it, so that rare items speak softly."""
    popularity: NonNegativeFloat = 0.01
    """Weight of the item's share of all interactions: orders what no pair reaches."""


class SequentialRules(BaseRecommender):
    """score(j) = sum over distances d of 1/d * C[i_d, j] / (damping + sum_j C[i_d, j]) + popularity * share(j).

    i_d is the item d positions before the question; C counts pairs of training parts, each weighted by 1 / distance.
    """

    type = "rules"
    name = "rules"

    def __init__(self, config: SequentialRulesConfig | None = None) -> None:
        super().__init__()
        self.config = config or SequentialRulesConfig()
        self._counts = csr_matrix((1, 1), dtype=np.float32)

    def _fit(self, data: FitData) -> None:
        parts = data.parts
        self._counts = transitions(parts.flat, parts.lengths, len(self.items) + 1, self.config.window).astype(np.float32)

    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        recent = [row[::-1][: self.config.last] for row in rows]
        owner = np.repeat(np.arange(len(rows)), [len(row) for row in recent])
        items = np.concatenate(recent)
        share = np.concatenate([1.0 / np.arange(1, len(row) + 1) for row in recent])
        totals = np.asarray(self._counts.sum(axis=1)).ravel()[items]
        share = share / np.maximum(self.config.damping + totals, 1e-9)
        ask = csr_matrix((share.astype(np.float32), (owner, items)), shape=(len(rows), self._counts.shape[0]))
        counts = (ask @ self._counts).toarray()[:, 1:].astype(np.float32)
        return np.asarray(counts + np.float32(self.config.popularity) * self._popularity)

    def mix_scores(self, queries: Sequence[Query]) -> np.ndarray:
        """Logarithms: the score is a share, and a model's logits are logarithms of shares."""
        return np.log(self.scores(queries) + np.float32(LEAST))

    def mix_contributions(self, query: Query, item: str) -> list[Contribution]:
        """One part, the logarithm."""
        score = float(self.mix_scores([query])[0, self.items.row(item) - 1])
        return [Contribution("base", self.name, score)]

    def _config(self) -> Mapping[str, Any]:
        return self.config.model_dump()

    def _tensors(self) -> Mapping[str, np.ndarray]:
        counts = self._counts
        return {"data": counts.data, "indices": counts.indices, "indptr": counts.indptr}

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        rules = cls(SequentialRulesConfig(**artifact.config))
        size = len(artifact.items) + 1
        parts = tuple(artifact.tensor(name) for name in ("data", "indices", "indptr"))
        rules._counts = csr_matrix(parts, shape=(size, size))
        return rules
