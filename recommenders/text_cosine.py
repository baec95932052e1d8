"""Content without any training: items whose texts are like those of the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, PositiveFloat

from llmrg.core.records import Item
from llmrg.core.text_vectors import TextVectors
from llmrg.encoders.text import HashedVectors
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import BaseRecommender, FitData
from llmrg.recommenders.protocol import Query


class TextCosineConfig(BaseModel, frozen=True, extra="forbid"):
    """Whose texts count how much."""

    half_life: PositiveFloat | None = None
    """Positions after which an item of the history counts half; None for the plain mean."""


class TextCosine(BaseRecommender):
    """score(j) = sum_i w_i cos(v_i, v_j) / sum_i w_i over the history's items i, w_i = 2 ** (-age / half_life).

    v is the vector of "title. value, value": title and all attributes. Only the catalogue is read, no history.
    """

    type = "text_cosine"
    name = "text cosine"

    def __init__(self, config: TextCosineConfig | None = None, text: TextVectors | None = None) -> None:
        """`text` turns items into vectors: hashed letters where it is left out. A saved recommender needs it no more."""
        super().__init__()
        self.config = config or TextCosineConfig()
        self.text: TextVectors = text if text is not None else HashedVectors()
        self._vectors = np.zeros((0, 0), dtype=np.float32)
        self._text_name = self.text.name

    def _fit(self, data: FitData) -> None:
        self._vectors = np.asarray(self.text.embed([item_text(item) for item in data.dataset.catalogue]), dtype=np.float32)

    def _score(self, rows: Sequence[np.ndarray], queries: Sequence[Query]) -> np.ndarray:
        wanted = np.stack([self._weights(len(row)) @ self._vectors[row - 1] for row in rows])
        return np.asarray(wanted @ self._vectors.T, dtype=np.float32)

    def _weights(self, length: int) -> np.ndarray:
        """(length,) float32, oldest first, summing to 1."""
        ages = np.arange(length - 1, -1, -1)
        weights = np.exp2(-ages / self.config.half_life) if self.config.half_life is not None else np.ones(length)
        return np.asarray(weights / weights.sum(), dtype=np.float32)

    def _config(self) -> Mapping[str, Any]:
        return {"settings": self.config.model_dump(), "text": self._text_name}

    def _tensors(self) -> Mapping[str, np.ndarray]:
        return {"vectors": self._vectors}

    @classmethod
    def _from_artifact(cls, artifact: Artifact, **options: Any) -> Self:
        cosine = cls(TextCosineConfig(**artifact.config["settings"]), options.get("text"))
        cosine._vectors, cosine._text_name = artifact.tensor("vectors"), artifact.config["text"]
        return cosine


def item_text(item: Item) -> str:
    """What is known of an item, as one text."""
    values = ", ".join(value for _, value in item.attributes)
    return f"{item.title}. {values}" if values else item.title
