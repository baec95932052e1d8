"""Imagined steps as a score: what the model thinks comes next, without any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from llmrg.core.contribution import Contribution
from llmrg.encoders.placed_steps import PlacedSteps
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import BaseRecommender, FitData
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.queries import steps_of


class ImaginedScores(BaseRecommender):
    """score(i) = sum over visible accepted imagined steps of the latest cut that end in i of their score times grounding."""

    type = "imagined"
    name = "imagined steps"

    def _fit(self, data: FitData) -> None:
        pass  # there is nothing to learn

    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        scores = np.zeros((len(queries), len(self.items)), dtype=np.float32)
        steps = _latest(steps_of(queries, rows, self.items))
        np.add.at(scores, (steps.graph, steps.item - 1), steps.column("score") * steps.column("grounding"))
        return scores

    def contributions(self, query: Query, item: str) -> list[Contribution]:
        """One part an imagined step."""
        if not len(query.history):
            return super().contributions(query, item)
        row = self.items.row(item)
        steps = _latest(steps_of([query], [self.items.rows(query.history.items)], self.items))
        steps = steps.take(np.flatnonzero(steps.item == row))
        values = (steps.column("score") * steps.column("grounding")).tolist()
        columns = zip(steps.column("reason").tolist(), values, steps.column("cause_position").tolist(), strict=True)
        return [
            Contribution("imagined", steps.table.texts[reason], value, () if cause < 0 else (cause,))
            for reason, value, cause in columns
        ]

    def _tensors(self) -> Mapping[str, np.ndarray]:
        return {}

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        return cls()


def _latest(steps: PlacedSteps) -> PlacedSteps:
    """The imagined steps of each graph's latest cut."""
    steps = steps.only("imagined")
    cut, latest = steps.column("position"), np.full(len(steps.numbers), -1)
    np.maximum.at(latest, steps.graph, cut)
    return steps.take(np.flatnonzero(cut == latest[steps.graph]))
