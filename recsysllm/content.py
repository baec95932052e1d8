"""How alike a history and each item are by what is written of them: what the item head starts from, before any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from llmrg.core.errors import ConfigError
from llmrg.core.text_vectors import TextVectors
from llmrg.core.themes import CATALOGUE
from llmrg.recommenders.artifacts import Artifact
from llmrg.recommenders.base import FitData
from llmrg.recommenders.text_cosine import item_text
from llmrg.recommenders.theme_profiles import ItemProfiles, source_profiles

RECENT = 20
"""Items of the history whose text vectors are averaged."""
START = 10.0
"""Weight of each score before the fit: cosines are small."""


@dataclass(frozen=True)
class Content:
    """Text vectors and attributes of N items."""

    text: np.ndarray
    """(N, D) float32 unit rows of "title. value, value", or of titles alone, the catalogue's mean taken off."""
    attributes: csr_matrix
    """(N, T) float32 how strongly each item has each attribute."""
    idf: np.ndarray
    """(T,) float32."""
    encoder: str
    """Name of the text encoder."""

    @classmethod
    def of(cls, data: FitData, text: TextVectors, attributes: bool = True) -> Self:
        """Args: attributes: False reads titles alone."""
        written = [item_text(item) if attributes else item.title for item in data.dataset.catalogue]
        vectors = np.asarray(text.embed(written), dtype=np.float32)
        profiles = ItemProfiles.of((), csr_matrix((len(vectors), 0)))
        if attributes:
            with suppress(ConfigError):  # a catalogue of bare titles
                profiles = source_profiles(data, CATALOGUE)
        return cls(_unit(vectors - vectors.mean(axis=0)), profiles.matrix, profiles.idf, text.name)

    @property
    def _profiles(self) -> ItemProfiles:
        return ItemProfiles((), self.attributes, self.idf)

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        """Catalogue rows of Q histories, oldest first -> (2, Q, N) float32 cosines: of texts, of attributes."""
        lengths = np.array([len(rows) for rows in histories])
        everything = np.concatenate([*histories, np.zeros(0, np.int64)]) - 1
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        age = np.concatenate([np.arange(n - 1, -1, -1) for n in [*lengths.tolist(), 0]])
        recent = (age < RECENT) / np.maximum(np.minimum(lengths, RECENT), 1).repeat(lengths)
        shape = (len(histories), len(self.text))
        mean = csr_matrix((recent.astype(np.float32), everything, offsets), shape=shape) @ self.text
        texts = mean @ self.text.T
        bag = csr_matrix((np.ones(len(everything), np.float32), everything, offsets), shape=shape) @ self.attributes
        profiles = self._profiles
        alike = (profiles.unit(bag) @ profiles.unit(self.attributes).T).toarray()
        return np.stack([np.asarray(texts), np.asarray(alike)]).astype(np.float32)

    def start_weights(self, histories: Sequence[np.ndarray], answers: np.ndarray) -> np.ndarray:
        """(2,) float64 weights with which a softmax over the scores gives the answers the highest likelihood.

        Args: answers: (Q,) catalogue rows.
        """
        weights = np.full(2, np.log(START))
        if not len(answers):
            return np.full(2, START)
        scores = self.scores(histories).astype(np.float64)

        def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
            factors = np.exp(logs)
            logits = np.tensordot(factors, scores, axes=1)
            logits -= logits.max(axis=1, keepdims=True)
            shares = np.exp(logits)
            shares /= shares.sum(axis=1, keepdims=True)
            at = (np.arange(len(answers)), answers - 1)
            gradient = [factors[f] * float(((shares * scores[f]).sum(axis=1) - scores[f][at]).mean()) for f in range(2)]
            return float(-np.log(shares[at] + 1e-12).mean()), np.array(gradient)

        best = minimize(loss, weights, jac=True, method="L-BFGS-B", bounds=[(-7.0, 6.0)] * 2)
        return np.asarray(np.exp(best.x), dtype=np.float64)

    def tensors(self) -> Mapping[str, np.ndarray]:
        matrix = self.attributes
        parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr, "idf": self.idf, "text": self.text}
        return {f"content.{name}": value for name, value in parts.items()}

    @classmethod
    def revived(cls, artifact: Artifact, encoder: str) -> Self:
        data, indices, indptr, idf, text = (
            artifact.tensor(f"content.{name}") for name in ("data", "indices", "indptr", "idf", "text")
        )
        return cls(text, csr_matrix((data, indices, indptr), shape=(len(text), len(idf))), idf, encoder)


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)
