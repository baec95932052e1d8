"""Which items follow which, counted once for all who ask: as one sparse matrix."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix


def transitions(items: np.ndarray, lengths: np.ndarray, size: int, window: int) -> csr_matrix:
    """(size, size) float64: how often the column's item came at most `window` positions after the row's, each pair weighted by
    1 / distance.

    Args:
        items: (N,) codes below `size` of all sequences, one after the other.
        lengths: (U,) of each sequence.
    """
    owner = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    counts = csr_matrix((size, size), dtype=np.float64)
    for distance in range(1, window + 1):
        same = owner[distance:] == owner[:-distance]
        pairs = (items[:-distance][same], items[distance:][same])
        times = csr_matrix((np.ones(len(pairs[0])), pairs), shape=(size, size))  # whole numbers: equal counts are equal weights
        counts = counts + times * (1.0 / distance)
    return csr_matrix(counts)
