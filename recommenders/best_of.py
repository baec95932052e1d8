"""Several ways to do the same, of which validation chooses one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from llmrg.core.contribution import Contribution
from llmrg.core.errors import CallerError
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import BaseRecommender, FitData
from llmrg.recommenders.protocol import Query


class BestOf(BaseRecommender):
    """Fits every candidate and keeps the one with the highest validation NDCG@10; test items are never looked at."""

    type = "best_of"

    def __init__(self, candidates: Mapping[str, Any], name: str = "best of") -> None:
        """Args: candidates: by name; each has a `validation_ndcg` after its fit."""
        super().__init__()
        if not candidates:
            raise CallerError("there is nothing to choose from: name at least one candidate")
        self.candidates, self.name = dict(candidates), name
        self.validation: dict[str, float] = {}
        """Candidate -> validation NDCG@10."""
        self.chosen = ""

    @property
    def best(self) -> BaseRecommender:
        """The one that was chosen. Raises: CallerError: not fitted yet."""
        if not self.chosen:
            raise CallerError(f"the recommender {self.name!r} is not fitted; call fit(dataset, graphs) or load a saved one first")
        best: BaseRecommender = self.candidates[self.chosen]
        return best

    @property
    def validation_ndcg(self) -> float:
        return self.validation[self.chosen]

    def start_from(self, start: BaseRecommender) -> None:
        """That of every candidate; of a start that was chosen among the same ones, only the one chosen then goes on."""
        if isinstance(start, BestOf) and start.chosen in self.candidates:
            self.candidates = {start.chosen: self.candidates[start.chosen]}
        for candidate in self.candidates.values():
            candidate.start_from(start)

    def _fit(self, data: FitData) -> None:
        for candidate in self.candidates.values():
            candidate.fit(data.dataset, data.graphs, data.themes)
        self.validation = {name: float(candidate.validation_ndcg) for name, candidate in self.candidates.items()}
        self.chosen = max(self.validation, key=lambda name: self.validation[name])

    def _fit_whole(self, data: FitData) -> None:
        self.best.fit_whole(data.dataset, data.graphs, data.themes)
        self.candidates = {self.chosen: self.best}

    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        return self.best.scores(queries)

    def contributions(self, query: Query, item: str) -> list[Contribution]:
        """Those of the chosen one."""
        return self.best.contributions(query, item)

    def save(self, folder: Path) -> None:
        """The chosen one in a folder of its own, then config.json and model.safetensors."""
        self.best.save(Path(folder) / "best")
        super().save(folder)

    def _config(self) -> Mapping[str, Any]:
        return {"name": self.name, "chosen": self.chosen, "validation": self.validation}

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        from llmrg.recommenders.loading import load_recommender

        saved = artifact.config
        best_of = cls({saved["chosen"]: load_recommender(artifact.folder / "best", **options)}, saved["name"])
        best_of.chosen, best_of.validation = saved["chosen"], dict(saved["validation"])
        return best_of
