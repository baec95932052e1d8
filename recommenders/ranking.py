"""Top lists and ranks from scores. Ties: top lists by catalogue row, ranks against us."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def masked(scores: np.ndarray, seen: Sequence[np.ndarray]) -> np.ndarray:
    """A copy of (B, N) scores with the 1-based rows `seen[b]` at minus infinity."""
    found = scores.copy()
    for line, rows in zip(found, seen, strict=True):
        line[rows - 1] = -np.inf
    return found


def top_k(scores: np.ndarray, k: int) -> list[np.ndarray]:
    """Per line of (B, N) scores the 1-based rows of the k best, best first, ties by row; minus infinity is left out."""
    return [_top(line, k) for line in scores]


def _top(line: np.ndarray, k: int) -> np.ndarray:
    k = min(k, int((line > -np.inf).sum()))
    if k == 0:
        return np.zeros(0, dtype=np.int64)
    least = np.partition(line, len(line) - k)[len(line) - k]
    candidates = np.flatnonzero(line >= least)
    order = np.argsort(-line[candidates], kind="stable")[:k]
    return np.asarray(candidates[order] + 1, dtype=np.int64)


def ranks(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(B,) 1-based rank of the row `targets[b]` in line b; every tie counts against the target."""
    own = scores[np.arange(len(targets)), targets - 1]
    return np.asarray((scores >= own[:, None]).sum(axis=1), dtype=np.int64)


def ndcg(ranks: np.ndarray, k: int = 10) -> float:
    """Mean over users of 1 / log2(1 + rank) where rank <= k, else 0: one relevant item each."""
    gains = np.where(ranks <= k, 1.0 / np.log2(1.0 + ranks), 0.0)
    return float(gains.mean()) if len(gains) else 0.0
