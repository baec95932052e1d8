"""What several scores are worth together: weights fitted on items that none of them was trained on.

Fitted on training items, a score that the others have memorised the answers of looks superfluous; on held-out items each gets the
weight it is worth to users like these, and a score that is noise gets none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

BEST, SAMPLED = 100, 300
"""Per user the best items by each score, and so many of the others, stand for the whole catalogue in the softmax."""
ENOUGH = 1000
"""Users from which weights are sharpened: NDCG says little of each user, and of a few hundred nothing that holds for others."""
TEMPERATURE = 0.1
"""How smooth the rank of `sharpened` is, in logits: much larger, and all of the catalogue counts again."""


@dataclass(frozen=True)
class Shortlists:
    """For U users the scores of C candidates each; the first candidate is the held-out item."""

    scores: np.ndarray
    """(F, U, C) float32, one plane a score."""
    log_share: np.ndarray
    """(U, C) float32: log of how many items a candidate stands for; minus infinity for none."""

    def take(self, users: np.ndarray) -> Shortlists:
        return Shortlists(np.ascontiguousarray(self.scores[:, users]), self.log_share[users])

    def logits(self, weights: np.ndarray) -> np.ndarray:
        """(U, C) float32."""
        return np.asarray(self._sums(weights) + self.log_share)

    def _sums(self, weights: np.ndarray) -> np.ndarray:
        flat = self.scores.reshape(len(self.scores), -1)
        sums: np.ndarray = (weights.astype(np.float32) @ flat).reshape(self.log_share.shape)
        return sums

    def log_likelihood(self, weights: np.ndarray) -> np.ndarray:
        """(U,) log of the softmax's share of the held-out item."""
        logits = self.logits(weights)
        most = logits.max(axis=1)
        return np.asarray(logits[:, 0] - most - np.log(np.exp(logits - most[:, None]).sum(axis=1)), dtype=np.float64)

    def ndcg(self, weights: np.ndarray) -> np.ndarray:
        """(U,) NDCG@10 of the held-out item among the candidates, ties against it."""
        scores = self._sums(weights)
        scores[~np.isfinite(self.log_share)] = -np.inf
        ranks = (scores >= scores[:, :1]).sum(axis=1)
        return np.where(ranks <= 10, 1.0 / np.log2(1.0 + ranks), 0.0)


def shortlists(scores: np.ndarray, targets: np.ndarray, hidden: np.ndarray, dice: np.random.Generator) -> Shortlists:
    """Args: scores: (F, U, N) float32; targets: (U,) columns; hidden: (U, N) bool, items that may not be recommended."""
    planes, users, items = scores.shape
    lines = np.arange(users)
    open_to = ~hidden
    open_to[lines, targets] = False
    width = min(items, planes * BEST + SAMPLED + 1)
    if width == items:
        order = np.argsort(np.where(open_to, 0, 1), axis=1, kind="stable")
        chosen = np.concatenate([targets[:, None], order[:, : items - 1]], axis=1)
        share = np.where(open_to[lines[:, None], chosen], 0.0, -np.inf)
        share[:, 0] = 0.0
        return Shortlists(np.take_along_axis(scores, chosen[None], axis=2), share.astype(np.float32))
    best = np.zeros((users, items), dtype=bool)
    for plane in scores:
        top = np.argpartition(-np.where(open_to, plane, -np.inf), BEST, axis=1)[:, :BEST]
        best[lines[:, None], top] = True
    best &= open_to
    rank = np.where(best, 0.0, np.where(open_to, 1.0 + dice.random((users, items), dtype=np.float32), 3.0))
    chosen = np.argpartition(rank, width - 2, axis=1)[:, : width - 1]
    picked_best = best[lines[:, None], chosen]
    picked = open_to[lines[:, None], chosen] & ~picked_best
    others = (open_to & ~best).sum(axis=1) / np.maximum(picked.sum(axis=1), 1)
    share = np.where(picked_best, 0.0, np.where(picked, np.log(np.maximum(others, 1e-9))[:, None], -np.inf))
    chosen = np.concatenate([targets[:, None], chosen], axis=1)
    share = np.concatenate([np.zeros((users, 1)), share], axis=1).astype(np.float32)
    return Shortlists(np.take_along_axis(scores, chosen[None], axis=2), share)


def fit_weights(lists: Shortlists, free: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """(F,) weights of 0 or more that make the held-out items likeliest; scores that are not `free` keep weight 0.

    The softmax is over the catalogue; the problem is convex. Scores are scaled by their spread, so weights compare.
    """
    if not free.all():
        weights = np.zeros(len(free))
        rest = Shortlists(lists.scores[free], lists.log_share)
        weights[free] = fit_weights(rest, np.ones(int(free.sum()), dtype=bool), None if start is None else start[free])
        return weights
    spread = np.maximum(lists.scores.std(axis=(1, 2)).astype(np.float64), 1e-9)
    flat = lists.scores.reshape(len(lists.scores), -1)
    right = lists.scores[:, :, 0].sum(axis=1, dtype=np.float64)

    def loss(scaled: np.ndarray) -> tuple[float, np.ndarray]:
        logits = lists.logits(scaled / spread)
        logits -= logits.max(axis=1, keepdims=True)
        share = np.exp(logits)
        total = share.sum(axis=1, keepdims=True)
        share /= total
        value = float((np.log(total[:, 0]) - logits[:, 0]).mean())
        slope = (flat @ share.ravel()).astype(np.float64) - right
        return value + 1e-6 * float(scaled @ scaled), slope / len(logits) / spread + 2e-6 * scaled

    begin = np.full(len(free), 0.1) if start is None else start * spread
    best = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(free), options={"maxiter": 200})
    return np.asarray(best.x / spread)


def sharpened(lists: Shortlists, weights: np.ndarray) -> np.ndarray:
    """(F,) weights in the same proportion or another, of the same length, that rank the held-out items higher.

    The likeliest weights care for every item of the catalogue, NDCG for the top ten. From them on, the mean of 1 / log2(1 + r) is
    raised, r = 1 + sum over candidates c of sigmoid((s_c - s_target) / `TEMPERATURE`) a smooth rank (ApproxNDCG, Qin, Liu & Li
    2010). A ranking has no scale, so the length of the weights, in units of the scores' spread, stays. Weights of 0 stay 0.
    """
    used = np.flatnonzero(weights)
    if len(used) < 2:
        return weights
    scores, others = lists.scores[used], np.isfinite(lists.log_share)
    others[:, 0] = False
    spread = np.maximum(scores.std(axis=(1, 2)).astype(np.float64), 1e-9)
    flat, right = scores.reshape(len(used), -1), scores[:, :, 0].astype(np.float64)
    begin = weights[used] * spread
    length = float(np.linalg.norm(begin))

    def loss(free: np.ndarray) -> tuple[float, np.ndarray]:
        size = max(float(np.linalg.norm(free)), 1e-9)
        scaled = (length * free / size / spread).astype(np.float32)
        ahead = (scaled @ flat).reshape(others.shape)
        ahead -= ahead[:, :1].copy()
        above = np.where(others, expit(ahead / TEMPERATURE), 0.0)
        rank = 1.0 + above.sum(axis=1, dtype=np.float64)
        value = 1.0 / np.log2(1.0 + rank)
        by_rank = value**2 / (np.log(2.0) * (1.0 + rank))
        by_score = above * (1.0 - above) * (by_rank / TEMPERATURE / len(rank))[:, None].astype(np.float32)
        slope = ((flat @ by_score.ravel()).astype(np.float64) - right @ by_score.sum(axis=1)) / spread
        return -float(value.mean()), length * (slope / size - free * (slope @ free) / size**3)

    best = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(used), options={"maxiter": 60})
    sharp = np.zeros_like(weights)
    sharp[used] = length * best.x / max(float(np.linalg.norm(best.x)), 1e-9) / spread
    return sharp


@dataclass(frozen=True)
class FittedWeights:
    """Weights, and how good they are for users that they were not fitted on."""

    weights: np.ndarray
    """(F,) 0 or more."""
    ndcg: float
    """Validation NDCG@10 with the weights fitted on the other half of the users."""
    sharpened: bool
    """Whether `sharpened` weights did better there than the likeliest ones."""
    gains: np.ndarray
    """(F,) mean log-likelihood that each kept score adds on the other half; 0 for those that were dropped."""


def choose_weights(lists: Shortlists, keep: np.ndarray, least: float, dice: np.random.Generator) -> FittedWeights:
    """Fit, and drop what does not pay.

    The users are halved; a score stays only if the weights fitted on one half predict the other better with it than without, by
    `least` standard errors over users. The weakest goes first, and the rest is fitted again. Where there are `ENOUGH` users the
    weights are sharpened, if sharpened ones of one half rank the other's items higher.

    Args: keep: (F,) bool, scores that stay whatever they add, such as the base.
    """
    users = lists.log_share.shape[0]
    order = dice.permutation(users)
    halves = [lists.take(order[: users // 2]), lists.take(order[users // 2 :])]
    free = np.ones(len(lists.scores), dtype=bool)
    while True:
        fitted = [fit_weights(half, free) for half in halves]
        used = keep | ((fitted[0] > 0) | (fitted[1] > 0))
        if (free & ~used).any():  # what neither half wants
            free &= used
            continue
        gains, errors = np.zeros(len(free)), np.ones(len(free))
        for score in np.flatnonzero(free & ~keep).tolist():
            gain = np.concatenate([_gain(halves[i], halves[1 - i], free, fitted[i], score) for i in range(2)])
            gains[score], errors[score] = gain.mean(), max(gain.std() / np.sqrt(len(gain)), 1e-12)
        strength = np.where(free & ~keep, gains / errors, np.inf)
        weakest = int(np.argmin(strength))
        if strength[weakest] >= least:
            break
        free[weakest] = False
    weights = fit_weights(lists, free)
    values = np.concatenate([halves[1 - i].ndcg(fitted[i]) for i in range(2)])
    if users >= ENOUGH:
        sharper = np.concatenate([halves[1 - i].ndcg(sharpened(halves[i], fitted[i])) for i in range(2)])
        if sharper.mean() > values.mean():
            return FittedWeights(sharpened(lists, weights), float(sharper.mean()), True, gains)
    return FittedWeights(weights, float(values.mean()) if users else 0.0, False, gains)


def _gain(half: Shortlists, other: Shortlists, free: np.ndarray, fitted: np.ndarray, score: int) -> np.ndarray:
    """(U,) what the score adds to the log-likelihood of the other half's held-out items."""
    if fitted[score] == 0.0:
        return np.zeros(len(other.log_share))
    less = free.copy()
    less[score] = False
    without = fit_weights(half, less, np.where(less, fitted, 0.0))
    return np.asarray(other.log_likelihood(fitted) - other.log_likelihood(without))
