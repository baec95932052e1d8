"""How far predicted ratings are from those that were given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmrg.core.errors import CallerError


@dataclass(frozen=True)
class RatingError:
    """Both in the units of the ratings (stars); lower is better."""

    rmse: float
    """Root of the mean squared error."""
    mae: float
    """Mean absolute error."""
    count: int
    """Ratings that were compared."""


def rating_error(predicted: np.ndarray | Sequence[float], actual: np.ndarray | Sequence[float]) -> RatingError:
    """Compare ratings pair by pair.

    Args: predicted, actual: (N,) finite numbers, pairs in the same order.
    Raises: CallerError: not as many of the one as of the other, none at all, or a number that is not finite.
    """
    ours, theirs = np.asarray(predicted, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    if ours.ndim != 1 or ours.shape != theirs.shape:
        raise CallerError(f"one predicted rating for each actual one is expected, not {ours.shape} and {theirs.shape}")
    if not len(ours):
        raise CallerError("no ratings to compare")
    for name, ratings in (("predicted", ours), ("actual", theirs)):
        wrong = np.flatnonzero(~np.isfinite(ratings))
        if len(wrong):
            raise CallerError(f"{name} rating {wrong[0]} (from 0) is {ratings[wrong[0]]}; leave such pairs out of both")
    apart = np.abs(ours - theirs)
    return RatingError(float(np.sqrt(np.mean(apart**2))), float(np.mean(apart)), len(apart))
