"""Vectors in half precision (IEEE 754 binary16): the numbers that every store keeps, so that two stores give equal answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

HALF: Final = np.dtype("<f2")
_SMALLEST, _LARGEST = 2.0**-8, 2.0**15
"""Where the largest number of a vector may lie: far from those that half precision cannot tell from 0, or from infinity."""


def to_half(vector: Sequence[float] | np.ndarray) -> np.ndarray:
    """Each number rounded to 11 significant bits; what was rounded before comes back as it is.

    The largest number of a vector of unit length lies within the bounds if it has at most 65,536 numbers. Any other vector is
    brought there by a power of two, which keeps its direction, all that a cosine asks for.

    Args: vector: (D,), D > 0. Returns: (D,) float16.
    """
    values = np.asarray(vector, dtype=np.float64)
    largest = np.abs(values).max()
    if not _SMALLEST <= largest <= _LARGEST:
        values = np.ldexp(values, -np.frexp(largest)[1])
    return values.astype(HALF)
