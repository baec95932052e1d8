"""Imagined steps as a score: what the model thinks comes next, without any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from llmrg.core.contribution import Contribution
from llmrg.core.records import Step
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import BaseRecommender, FitData
from llmrg.recommenders.protocol import Query


class ImaginedScores(BaseRecommender):
    """score(i) = sum over visible accepted imagined steps of the latest cut that end in i of their score times grounding."""

    type = "imagined"
    name = "imagined steps"

    def _fit(self, data: FitData) -> None:
        pass  # there is nothing to learn

    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        found = np.zeros((len(queries), len(self.items)), dtype=np.float32)
        for line, query in zip(found, queries, strict=True):
            for step in _latest(query):
                row = self.items.get(step.item)
                if row:
                    line[row - 1] += step.score * step.grounding
        return found

    def contributions(self, query: Query, item: str) -> list[Contribution]:
        """One part an imagined step."""
        if not len(query.history):
            return super().contributions(query, item)
        self.items.row(item)
        steps = [step for step in _latest(query) if step.item == item]
        return [
            Contribution("imagined", s.reason, s.score * s.grounding, () if s.cause_position is None else (s.cause_position,))
            for s in steps
        ]

    def _tensors(self) -> Mapping[str, np.ndarray]:
        return {}

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        return cls()


def _latest(query: Query) -> tuple[Step, ...]:
    known = query.graph.before(len(query.history)) if query.graph is not None else None
    cuts = known.cuts() if known is not None else ()
    return known.imagined(cuts[-1]) if known is not None and cuts else ()
