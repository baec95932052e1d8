"""Histories as a sparse matrix of who took what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from llmrg.core.graph_table import offsets_of


def incidence(rows: Sequence[np.ndarray], items: int) -> csr_matrix:
    """As `incidence_of` of the rows of each history's items."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    return incidence_of(np.concatenate([*rows, np.zeros(0, np.int64)]), lengths, items)


def incidence_of(flat: np.ndarray, lengths: np.ndarray, items: int) -> csr_matrix:
    """(B, N) float32: 1 where the history holds the item, however often.

    Args:
        flat: 1-based row numbers of all histories' items, one history after the other.
        lengths: (B,) of each history.
        items: N.
    """
    incidence = csr_matrix((np.ones(len(flat), np.float32), flat - 1, offsets_of(lengths)), shape=(len(lengths), items))
    incidence.sum_duplicates()
    incidence.data[:] = 1.0
    return incidence
