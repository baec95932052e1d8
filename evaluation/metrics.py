"""Ranks and what is computed from them. One target per user, so every metric is a function of the target's rank."""

from __future__ import annotations

import numpy as np

from llmrg.core.errors import LlmrgError
from llmrg.recommenders.ranking import ranks


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
