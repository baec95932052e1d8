"""Short texts to unit vectors: a small local sentence model, any LangChain `Embeddings`, or hashed letters."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from llmrg.encoders.minilm import MiniLmModel


KEPT = 50_000
"""Vectors kept in memory at most; the oldest go first."""


class CachedVectors:
    """Asks for each distinct text once and keeps its vector in memory. May be used by several threads at once."""

    def __init__(self, name: str, ask: Callable[[list[str]], np.ndarray], batch_size: int = 256) -> None:
        self._name, self._ask, self._batch_size = name, ask, batch_size
        self._vectors: dict[str, np.ndarray] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32 unit rows."""
        wanted = list(texts) or [""]  # an empty list still has a width
        with self._lock:
            new = sorted({text for text in wanted if text not in self._vectors}, key=lambda text: (len(text), text))
            for start in range(0, len(new), self._batch_size):
                part = new[start : start + self._batch_size]
                self._vectors.update(zip(part, unit_rows(self._ask(part)), strict=True))
            vectors = np.stack([self._vectors[text] for text in wanted])[: len(texts)]
            for text in list(islice(self._vectors, max(0, len(self._vectors) - KEPT))):
                del self._vectors[text]
        return vectors


class HashedVectors(CachedVectors):
    """Letter n-grams hashed into a few hundred signed slots: no model, the same on every machine.

    It knows spelling, not meaning: "ghost" is near "ghosts" and far from "spirits".
    """

    def __init__(self, size: int = 256, shortest: int = 3, longest: int = 4) -> None:
        self._size, self._lengths = size, range(shortest, longest + 1)
        super().__init__(f"hashed-{size}-{shortest}-{longest}", lambda texts: np.stack([self._hash(text) for text in texts]))

    def _hash(self, text: str) -> np.ndarray:
        counts = np.zeros(self._size, dtype=np.float32)
        for word in text.casefold().split():
            marked = f"<{word}>"
            for gram in {marked[i : i + n] for n in self._lengths for i in range(max(1, len(marked) - n + 1))}:
                code = zlib.crc32(gram.encode("utf-8", "surrogatepass"))
                counts[(code >> 1) % self._size] += 1.0 if code & 1 else -1.0
        return counts


class MiniLm(CachedVectors):
    """all-MiniLM-L6-v2 (384 numbers a text) from its package, offline; the model loads at the first `embed`.

    Raises:
        MissingPackageError: at the first `embed`, where the extra `local` is not installed.
        ModelFileError: at the first `embed`, where the weights are damaged.
    """

    def __init__(self, batch_size: int = 128) -> None:
        super().__init__("all-minilm-l6-v2", self._means, batch_size)
        self._model: MiniLmModel | None = None

    def _means(self, texts: list[str]) -> np.ndarray:
        if self._model is None:
            from llmrg.encoders.minilm import MiniLmModel

            self._model = MiniLmModel()
        return self._model.means(texts)


class LangChainVectors(CachedVectors):
    """Any LangChain `Embeddings` (a paid API, Ollama, a local model)."""

    def __init__(self, embeddings: Embeddings, name: str = "", batch_size: int = 256) -> None:
        """`name` should tell the model; without it the class and its `model` field are taken."""
        model = getattr(embeddings, "model", "") or getattr(embeddings, "model_name", "")
        full_name = name or "-".join(part for part in (type(embeddings).__name__, str(model)) if part)
        super().__init__(full_name, lambda texts: np.array(embeddings.embed_documents(texts), dtype=np.float32), batch_size)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """(N, D) float32 rows of length 1; zero rows stay zero."""
    rows = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)
