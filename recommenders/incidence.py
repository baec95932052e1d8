"""Histories as a sparse matrix of who took what."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from scipy.sparse import csr_matrix


def incidence(rows: Collection[np.ndarray], items: int) -> csr_matrix:
    """(B, N) float32: 1 where the history holds the item, however often.

    Args:
        rows: 1-based row numbers of each history's items.
        items: N.
    """
    owners = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    flat = np.concatenate([*rows, np.zeros(0, np.int64)]) - 1
    found = csr_matrix((np.ones(len(flat), np.float32), (owners, flat)), shape=(len(rows), items))
    found.data[:] = 1.0  # pairs that came more than once were summed
    return found
