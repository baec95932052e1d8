"""Golden values by hand, and what must hold for any ranking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from llmrg.core.errors import LlmrgError
from llmrg.recommenders.ranking import coverage, metric, target_ranks


def test_ranks_by_hand() -> None:
    scores = np.array([[0.9, 0.5, 0.7, 0.1], [0.2, 0.2, 0.2, 0.2], [3.0, 2.0, 1.0, 0.0]])
    # row 0: 0.7 stands behind 0.9 -> 2. row 1: all tie, ties count against us -> 4. row 2: last -> 4.
    assert target_ranks(scores, np.array([2, 0, 3])).tolist() == [2, 4, 4]


def test_hidden_items_do_not_compete_but_the_target_does() -> None:
    scores = np.array([[0.9, 0.5, 0.7, 0.1]])
    hidden = np.array([[True, True, False, False]])
    assert target_ranks(scores, np.array([2]), hidden).tolist() == [1]
    assert target_ranks(scores, np.array([1]), hidden).tolist() == [2]  # hidden itself, yet ranked: only 0.7 is above


def test_metrics_by_hand() -> None:
    ranks = np.array([1, 2, 3, 11])
    assert metric("HR@10", ranks).tolist() == [1, 1, 1, 0]
    # 1/log2(2) = 1, 1/log2(3) = 0.63093, 1/log2(4) = 0.5, beyond 10: 0
    assert metric("NDCG@10", ranks) == pytest.approx([1.0, 0.63093, 0.5, 0.0], abs=1e-5)
    assert metric("MRR@10", ranks) == pytest.approx([1, 1 / 2, 1 / 3, 0])
    assert coverage(np.array([[0, 1, 9], [1, 0, 8]]), n_items=10, k=2) == pytest.approx(0.2)


def test_a_constant_recommender_gains_nothing_from_ties() -> None:
    ranks = target_ranks(np.zeros((50, 100)), np.arange(50))
    assert metric("HR@10", ranks).sum() == 0


def test_nan_is_refused() -> None:
    with pytest.raises(LlmrgError, match="NaN"):
        target_ranks(np.array([[np.nan, 1.0]]), np.array([1]))


@given(hnp.arrays(np.float64, (4, 12), elements=st.floats(-5, 5)), st.lists(st.integers(0, 11), min_size=4, max_size=4))
def test_ranks_are_ranks(scores: np.ndarray, targets: list[int]) -> None:
    columns = np.array(targets)
    ranks = target_ranks(scores, columns)
    assert ((ranks >= 1) & (ranks <= 12)).all()
    shift = np.random.default_rng(0).permutation(12)
    moved = np.argsort(shift)[columns]
    assert (target_ranks(scores[:, shift], moved) == ranks).all()  # the order of the catalogue does not matter
    for name in ("HR@5", "NDCG@5", "MRR@5"):
        assert ((metric(name, ranks) >= 0) & (metric(name, ranks) <= 1)).all()
    assert (metric("HR@10", ranks) >= metric("HR@5", ranks)).all()
