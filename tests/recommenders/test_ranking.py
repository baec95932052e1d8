"""Top lists and ranks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llmrg.core.errors import CallerError, UnknownUserError
from llmrg.recommenders import Query, recommend_batch, recommend_items, recommend_user
from llmrg.recommenders.popularity import Popularity
from llmrg.recommenders.ranking import masked, mean_ndcg, ranks, top_k
from llmrg.testing.recommender_suite import cycle_world

SCORES = arrays(np.float32, (3, 9), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0, -np.inf]))


@given(SCORES, st.integers(1, 12))
def test_top_k_is_a_stable_sort(scores: np.ndarray, k: int) -> None:
    for line, found in zip(scores, top_k(scores, k), strict=True):
        whole = [row for row in sorted(range(1, 10), key=lambda row: (-line[row - 1], row)) if line[row - 1] > -np.inf]
        assert found.tolist() == whole[:k]


@given(arrays(np.float32, (4, 7), elements=st.sampled_from([0.0, 1.0, 2.0])), st.lists(st.integers(1, 7), min_size=4, max_size=4))
def test_ranks_count_every_tie_against_the_target(scores: np.ndarray, targets: list[int]) -> None:
    found = ranks(scores, np.array(targets))
    for line, target, rank in zip(scores, targets, found, strict=True):
        assert rank == sum(value >= line[target - 1] for value in line)
    assert 0.0 <= mean_ndcg(found) <= 1.0


def test_ndcg_by_hand() -> None:
    assert mean_ndcg(np.array([1, 3, 11])) == pytest.approx((1 + 0.5 + 0) / 3)


def test_masked_leaves_the_scores_alone() -> None:
    scores = np.ones((1, 4), np.float32)
    assert masked(scores, [np.array([2])])[0].tolist() == [1, -np.inf, 1, 1]
    assert scores.sum() == 4


def test_recommendations_leave_out_what_was_seen() -> None:
    data = cycle_world()
    made = Popularity()
    made.fit(data)
    known = recommend_user(made, data, "u0", k=40)
    assert {line.item for line in known} == set(data.catalogue.ids) - set(data.histories["u0"].items)
    assert [line.rank for line in known] == list(range(1, 12))
    again = recommend_batch(made, data.catalogue, [Query(data.histories["u0"])], k=40, mask_seen=False)[0]
    assert len(again) == 20


def test_a_history_on_the_spot_and_a_cold_start() -> None:
    data = cycle_world()
    made = Popularity()
    made.fit(data)
    assert [line.item for line in recommend_items(made, data.catalogue, [], k=2)] == ["i0", "i1"]  # all equal: by row
    assert "i0" not in [line.item for line in recommend_items(made, data.catalogue, ["i0"], k=20)]


def test_callers_mistakes() -> None:
    data = cycle_world(3)
    made = Popularity()
    made.fit(data)
    with pytest.raises(CallerError, match="k must be 1 or more"):
        recommend_items(made, data.catalogue, [], k=0)
    with pytest.raises(UnknownUserError):
        recommend_user(made, data, "stranger")
