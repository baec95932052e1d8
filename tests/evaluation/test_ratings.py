"""Errors of ratings and the means that must be beaten: golden values by hand, and what holds for any ratings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.core.errors import CallerError
from llmrg.core.records import Interaction
from llmrg.data.clean import make_dataset
from llmrg.evaluation.rating_baselines import GlobalMean, Rated, UserItemMeans, training_ratings
from llmrg.evaluation.ratings import RatingError, rating_error

stars = st.floats(1, 5)
logs = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz"), stars), min_size=1, max_size=40)


def test_errors_by_hand() -> None:
    # apart by 1, 0, 2: mean square 5/3, mean 1
    error = rating_error([4.0, 3.0, 5.0], [5.0, 3.0, 3.0])
    assert error == RatingError(pytest.approx((5 / 3) ** 0.5), 1.0, 3)  # type: ignore[arg-type]


@given(st.lists(st.tuples(stars, stars), min_size=1))
def test_errors_of_any_ratings(pairs: list[tuple[float, float]]) -> None:
    predicted, actual = np.array(pairs).T
    error = rating_error(predicted, actual)
    assert 0 <= error.mae <= error.rmse + 1e-12
    assert error == rating_error(actual, predicted)
    assert rating_error(actual, actual) == RatingError(0.0, 0.0, len(pairs))


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(CallerError, match=r"not \(1,\) and \(2,\)"):
        rating_error([1.0], [1.0, 2.0])
    with pytest.raises(CallerError, match="one predicted rating for each"):
        rating_error(np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(CallerError, match="no ratings to compare"):
        rating_error([], [])
    with pytest.raises(CallerError, match=r"predicted rating 1 \(from 0\) is nan"):
        rating_error([1.0, float("nan")], [1.0, 2.0])
    with pytest.raises(CallerError, match=r"actual rating 0 \(from 0\) is inf"):
        rating_error([1.0], [float("inf")])


THREE: list[Rated] = [("ann", "x", 5.0), ("ann", "y", 3.0), ("bob", "x", 4.0)]
PAIRS = [("ann", "x"), ("bob", "y"), ("new", "x"), ("new", "new")]


def test_the_global_mean_by_hand() -> None:
    assert GlobalMean.fit(THREE).predict(PAIRS).tolist() == [4.0] * 4
    assert GlobalMean.fit(THREE).predict([]).shape == (0,)


def test_user_and_item_means_by_hand() -> None:
    """The mean is 4; the ratings less it are 1, -1, 0. With a shrinkage of 5 the four derivatives are zero where

        7 ann + x + y = 1 - 1     6 bob + x = 0     7 x + ann + bob = 1 + 0     6 y + ann = -1

    bob = -x/6 and y = -(1 + ann)/6 leave 41 ann + 6 x = 1 and 6 ann + 41 x = 6, so by Cramer's rule (41^2 - 6^2 = 1645)
    ann = (41 - 36)/1645 = 1/329 and x = (246 - 6)/1645 = 48/329; then bob = -8/329 and y = -55/329.
    """
    means = UserItemMeans.fit(THREE)
    assert means.users == pytest.approx({"ann": 1 / 329, "bob": -8 / 329}, abs=1e-7)
    assert means.items == pytest.approx({"x": 48 / 329, "y": -55 / 329}, abs=1e-7)
    assert means.predict(PAIRS) == pytest.approx([4 + 49 / 329, 4 - 63 / 329, 4 + 48 / 329, 4.0], abs=1e-7)


def test_without_much_shrinkage_the_parts_of_a_sum_are_found_again() -> None:
    truth = {"a": 0.5, "b": -0.5, "x": 1.0, "y": -1.0}
    ratings = [(user, item, 3 + truth[user] + truth[item]) for user in "ab" for item in "xy"]
    means = UserItemMeans.fit(ratings, shrinkage=1e-6)
    assert {**means.users, **means.items} == pytest.approx(truth, abs=1e-5)
    assert means.predict([("a", "x")]) == pytest.approx([4.5], abs=1e-5)


@given(logs, st.sampled_from([0.5, 5.0, 25.0]))
def test_every_derivative_is_zero_and_predictions_stay_in_range(log: list[Rated], shrinkage: float) -> None:
    means = UserItemMeans.fit(log, shrinkage)
    for side, offsets in enumerate((means.users, means.items)):
        for name, offset in offsets.items():
            rest = [r - means.mean - means.users[u] - means.items[i] for u, i, r in log if (u, i)[side] == name]
            assert sum(rest) == pytest.approx(shrinkage * offset, abs=1e-5)
    predicted = means.predict([(user, item) for user in "abcd?" for item in "wxyz?"])
    given_stars = [rating for _, _, rating in log]
    assert (predicted >= min(given_stars)).all()
    assert (predicted <= max(given_stars)).all()


def test_what_cannot_be_learnt_from_is_refused() -> None:
    for fit in (GlobalMean.fit, UserItemMeans.fit):
        with pytest.raises(CallerError, match="no ratings to learn from"):
            fit([])
        with pytest.raises(CallerError, match="a rating is nan"):
            fit([("a", "x", float("nan"))])
    with pytest.raises(CallerError, match=r"above 0, not 0\.0"):
        UserItemMeans.fit(THREE, shrinkage=0.0)


def test_ratings_of_held_out_items_are_not_learnt_from() -> None:
    held_out = 99.0
    log = [
        Interaction("a", item, rating=rating) for item, rating in zip("vwxyz", (1.0, None, 3.0, held_out, held_out), strict=True)
    ]
    log += [Interaction("b", "v", rating=2.0), Interaction("c", "v")]  # too short to be evaluated: trained on whole
    assert training_ratings(make_dataset("test", log, source="test")) == [("a", "v", 1.0), ("a", "x", 3.0), ("b", "v", 2.0)]
