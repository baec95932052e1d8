"""What ratings can be told from means alone. Whoever predicts ratings must beat both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from llmrg.core.errors import CallerError
from llmrg.data.dataset import Dataset

Rated = tuple[str, str, float]
"""User, item, rating."""
SHRINKAGE = 5.0
PRECISION = 1e-8
"""Sweeps end when no offset moves further, in units of the rating."""
SWEEPS = 1000
"""Sweeps at most."""


def training_ratings(dataset: Dataset) -> list[Rated]:
    """The ratings of the training parts; those of held-out items are not among them."""
    ratings: list[Rated] = []
    for user, history in dataset.histories.items():
        opinions = dataset.opinions_before(user, dataset.split.train_length(history))
        rated = ((item, opinion.rating) for item, opinion in zip(history.items, opinions, strict=False) if opinion)
        ratings += [(user, item, rating) for item, rating in rated if rating is not None]
    return ratings


@dataclass(frozen=True)
class GlobalMean:
    """The same for everyone: the mean of all training ratings."""

    mean: float

    @classmethod
    def fit(cls, ratings: Iterable[Rated]) -> GlobalMean:
        """Raises: CallerError: no ratings, or one that is not finite."""
        return cls(float(np.mean(_numbers([rating for _, _, rating in ratings]))))

    def predict(self, pairs: Iterable[tuple[str, str]]) -> np.ndarray:
        """(P,) float64 ratings of P (user, item) pairs."""
        return np.full(len(list(pairs)), self.mean)


@dataclass(frozen=True)
class UserItemMeans:
    """mean + offset of the user + offset of the item, within the range of the training ratings (Koren 2008).

    The offsets minimise sum (r - mean - b_user - b_item)^2 + shrinkage (sum b_user^2 + sum b_item^2). Where the derivative by one
    offset is zero, the offset is the sum of what the others leave of its ratings over (its number of ratings + shrinkage): a mean
    that is drawn to 0 as if `shrinkage` further ratings lay there. Each sweep sets all items' offsets so, then all users'.
    """

    mean: float
    users: Mapping[str, float]
    """Offset of each user of the training ratings; 0 for others."""
    items: Mapping[str, float]
    lowest: float
    highest: float

    @classmethod
    def fit(cls, ratings: Iterable[Rated], shrinkage: float = SHRINKAGE) -> UserItemMeans:
        """Raises: CallerError: no ratings, one that is not finite, or a shrinkage that is not above 0."""
        if not shrinkage > 0:
            raise CallerError(f"shrinkage must be above 0, not {shrinkage!r}")
        rows = list(ratings)
        values = _numbers([rating for _, _, rating in rows])
        users, of_user = _numbered([user for user, _, _ in rows])
        items, of_item = _numbered([item for _, item, _ in rows])
        mean = float(values.mean())
        by_user, by_item = _offsets(values - mean, of_user, of_item, shrinkage)
        named = dict(zip(users, by_user.tolist(), strict=True)), dict(zip(items, by_item.tolist(), strict=True))
        return cls(mean, *named, lowest=float(values.min()), highest=float(values.max()))

    def predict(self, pairs: Iterable[tuple[str, str]]) -> np.ndarray:
        """(P,) float64 ratings of P (user, item) pairs; an unknown user or item has no offset."""
        expected = [self.mean + self.users.get(user, 0.0) + self.items.get(item, 0.0) for user, item in pairs]
        return np.clip(np.array(expected, dtype=np.float64), self.lowest, self.highest)


def _numbers(ratings: list[float]) -> np.ndarray:
    values = np.array(ratings, dtype=np.float64)
    if not len(values):
        raise CallerError("no ratings to learn from: the data set has none in its training part")
    if not np.isfinite(values).all():
        raise CallerError(f"a rating is {values[~np.isfinite(values)][0]}; leave such ratings out")
    return values


def _numbered(names: list[str]) -> tuple[list[str], np.ndarray]:
    """The different names in order of first appearance, and (N,) int64 the place among them of each."""
    places: dict[str, int] = {}
    rows = [places.setdefault(name, len(places)) for name in names]
    return list(places), np.array(rows, dtype=np.int64)


def _offsets(rest: np.ndarray, of_user: np.ndarray, of_item: np.ndarray, shrinkage: float) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (U,) and (I,) of (N,) ratings less their mean, by the rows (N,) of their users and items."""
    users, items = np.bincount(of_user) + shrinkage, np.bincount(of_item) + shrinkage
    by_user, by_item = np.zeros(len(users)), np.zeros(len(items))
    for _ in range(SWEEPS):
        before = by_user, by_item
        by_item = np.bincount(of_item, rest - by_user[of_user]) / items
        by_user = np.bincount(of_user, rest - by_item[of_item]) / users
        if max(np.abs(new - old).max() for new, old in zip((by_user, by_item), before, strict=True)) < PRECISION:
            break
    return by_user, by_item
