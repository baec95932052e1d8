"""Top lists and ranks from scores, and what is computed from ranks. Ties: top lists by catalogue row, ranks against us.

One target per user, so every metric is a function of the target's rank.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmrg.core.errors import LlmrgError


def masked(scores: np.ndarray, seen: Sequence[np.ndarray]) -> np.ndarray:
    """A copy of (B, N) scores with the 1-based rows `seen[b]` at minus infinity."""
    hidden = scores.copy()
    for line, rows in zip(hidden, seen, strict=True):
        line[rows - 1] = -np.inf
    return hidden


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


def target_ranks(scores: np.ndarray, targets: np.ndarray, hidden: np.ndarray | None = None) -> np.ndarray:
    """1-based rank of each row's target; ties count against us.

    Args:
        scores: (B, N) float, higher is better.
        targets: (B,) int64 columns of `scores`.
        hidden: (B, N) bool, True where an item may not be recommended (it was taken before); the target itself always may.
    Returns: (B,) int64 = 1 + items scored higher + other items scored equal.
    Raises: LlmrgError: a score is NaN.
    """
    if np.isnan(scores).any():
        raise LlmrgError("a recommender returned NaN scores; its training diverged: lower the learning rate and train again")
    if hidden is not None:
        rivals = hidden.copy()
        rivals[np.arange(len(targets)), targets] = False
        scores = np.where(rivals, -np.inf, scores)
    return ranks(scores, targets + 1)


def hit_rate(ranks: np.ndarray, k: int) -> np.ndarray:
    """HR@k per user: 1 where the target is among the first k. Same shape as `ranks`."""
    return (ranks <= k).astype(np.float64)


def ndcg(ranks: np.ndarray, k: int) -> np.ndarray:
    """NDCG@k per user with one relevant item: 1 / log2(rank + 1) within the first k, else 0 (Jarvelin & Kekalainen 2002)."""
    return np.where(ranks <= k, 1.0 / np.log2(ranks + 1.0), 0.0)


def mean_ndcg(ranks: np.ndarray, k: int = 10) -> float:
    """Over all users; 0 where there are none."""
    return float(ndcg(ranks, k).mean()) if len(ranks) else 0.0


def reciprocal_rank(ranks: np.ndarray, k: int) -> np.ndarray:
    """MRR@k per user: 1 / rank within the first k, else 0."""
    return np.where(ranks <= k, 1.0 / ranks, 0.0)


def coverage(top: np.ndarray, n_items: int, k: int) -> float:
    """Share of the catalogue that stands in anybody's first k.

    Args: top: (B, >=k) recommended columns, best first; -1 where there is none.
    """
    shown = np.unique(top[:, :k])
    return int((shown >= 0).sum()) / n_items


METRICS = {"HR": hit_rate, "NDCG": ndcg, "MRR": reciprocal_rank}


def metric(name: str, ranks: np.ndarray) -> np.ndarray:
    """Per-user values of a metric named like `NDCG@10`."""
    kind, _, k = name.partition("@")
    return METRICS[kind](ranks, int(k))
