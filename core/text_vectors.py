"""What turns texts into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class TextVectors(Protocol):
    """Turns texts into vectors; equal texts get equal vectors."""

    @property
    def name(self) -> str:
        """Names the model; vectors of different names never mix."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32 unit rows, in the order of the texts; a text without content gets a zero row."""
