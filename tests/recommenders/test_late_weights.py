"""Weights of scores: what is worth something gets its weight, what is noise gets none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad

from llmrg.recommenders import late_weights
from llmrg.recommenders.late_weights import ENOUGH, Shortlists, choose_weights, fit_weights, sharpened, shortlists


def drawn(users: int, items: int, true: list[float], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores and targets drawn from the softmax of their weighted sum; scores beyond `true` are noise."""
    dice = np.random.default_rng(seed)
    scores = dice.normal(size=(len(true), users, items)).astype(np.float32)
    logits = np.tensordot(np.array(true), scores, axes=1)
    targets = (logits + dice.gumbel(size=logits.shape)).argmax(axis=1)
    return scores, targets


def none_hidden(scores: np.ndarray) -> np.ndarray:
    return np.zeros(scores.shape[1:], dtype=bool)


def test_the_weights_behind_the_choices_are_found() -> None:
    scores, targets = drawn(4000, 60, [1.5, 0.5])
    lists = shortlists(scores, targets, none_hidden(scores), np.random.default_rng(0))
    found = fit_weights(lists, np.ones(2, dtype=bool))
    np.testing.assert_allclose(found, [1.5, 0.5], atol=0.06)


def test_a_score_that_is_noise_gets_weight_0_and_one_that_is_not_stays() -> None:
    for seed in range(5):
        scores, targets = drawn(600, 50, [1.0, 0.0, 0.4, 0.0], seed)
        lists = shortlists(scores, targets, none_hidden(scores), np.random.default_rng(seed))
        fitted = choose_weights(lists, np.array([True, False, False, False]), 1.64, np.random.default_rng(seed))
        assert fitted.weights[0] > 0.5
        assert fitted.weights[2] > 0.2
        assert (fitted.weights[[1, 3]] == 0).sum() >= 1  # each has a chance of one in twenty
        assert fitted.gains[2] > 0


def test_noise_is_dropped_nearly_always() -> None:
    kept = 0
    for seed in range(20):
        scores, targets = drawn(400, 40, [1.0, 0.0], seed)
        lists = shortlists(scores, targets, none_hidden(scores), np.random.default_rng(seed))
        kept += choose_weights(lists, np.array([True, False]), 1.64, np.random.default_rng(seed)).weights[1] > 0
    assert kept <= 3


def test_a_shortlist_stands_for_the_whole_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, targets = drawn(3000, 400, [1.0, 0.6])
    whole = fit_weights(shortlists(scores, targets, none_hidden(scores), np.random.default_rng(0)), np.ones(2, dtype=bool))
    monkeypatch.setattr(late_weights, "BEST", 20)
    monkeypatch.setattr(late_weights, "SAMPLED", 40)
    lists = shortlists(scores, targets, none_hidden(scores), np.random.default_rng(0))
    assert lists.scores.shape[2] == 81
    np.testing.assert_allclose(fit_weights(lists, np.ones(2, dtype=bool)), whole, rtol=0.08)
    log = np.log(np.exp(scores[0] + 0.6 * scores[1]).sum(axis=1))
    own = (scores[0] + 0.6 * scores[1])[np.arange(3000), targets]
    assert abs((lists.log_likelihood(np.array([1.0, 0.6])) - (own - log)).mean()) < 0.02


def test_hidden_items_take_no_part() -> None:
    scores, targets = drawn(50, 30, [1.0])
    hidden = np.random.default_rng(1).random((50, 30)) < 0.4
    hidden[np.arange(50), targets] = True  # the held-out item itself always takes part
    lists = shortlists(scores, targets, hidden, np.random.default_rng(0))
    hidden[np.arange(50), targets] = False
    open_scores = np.where(hidden, -np.inf, scores[0])
    expected = scores[0][np.arange(50), targets] - np.log(np.exp(open_scores).sum(axis=1))
    np.testing.assert_allclose(lists.log_likelihood(np.ones(1)), expected, rtol=1e-4)
    ranks = (open_scores >= scores[0][np.arange(50), targets][:, None]).sum(axis=1)
    np.testing.assert_allclose(lists.ndcg(np.ones(1)), np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0))


def test_weights_are_never_negative_and_a_missing_score_stays_out() -> None:
    scores, targets = drawn(500, 30, [1.0, -1.0, 0.5])
    lists = shortlists(scores, targets, none_hidden(scores), np.random.default_rng(0))
    found = fit_weights(lists, np.array([True, True, False]))
    assert found[0] > 0
    assert found[1] == 0
    assert found[2] == 0


def test_the_slope_is_the_losss() -> None:
    scores, targets = drawn(40, 15, [1.0, 0.5])
    lists = shortlists(scores, targets, none_hidden(scores), np.random.default_rng(0))

    def loss(weights: np.ndarray) -> float:
        return float(-lists.log_likelihood(weights).mean())

    best = fit_weights(lists, np.ones(2, dtype=bool))
    assert check_grad(loss, lambda _: np.zeros(2), best) < 1e-3  # at the best weights nothing is left to gain


def often_right_sometimes_far_off(users: int, seed: int = 0) -> Shortlists:
    """Score 0 lifts the held-out item above nearly all for most users and buries it for the rest; score 1 helps all a bit."""
    dice = np.random.default_rng(seed)
    scores, targets = dice.normal(size=(3, users, 60)).astype(np.float32), dice.integers(60, size=users)
    line = np.arange(users)
    scores[0, line, targets] += np.where(dice.random(users) < 0.85, 2.0, -6.0)
    scores[1, line, targets] += 0.8
    return shortlists(scores, targets, none_hidden(scores), dice)


def test_sharpened_weights_rank_higher_where_the_likeliest_shy_away_from_a_score_that_can_be_far_off() -> None:
    lists, others = often_right_sometimes_far_off(2000), often_right_sometimes_far_off(2000, seed=1)
    free = np.array([True, True, False])
    likeliest = fit_weights(lists, free)
    sharper = sharpened(lists, likeliest)
    assert others.ndcg(sharper).mean() > others.ndcg(likeliest).mean() + 0.05
    assert others.log_likelihood(sharper).mean() < others.log_likelihood(likeliest).mean()
    assert sharper[2] == 0.0
    spread = lists.scores.std(axis=(1, 2))
    assert np.linalg.norm(sharper * spread) == pytest.approx(np.linalg.norm(likeliest * spread), rel=1e-3)


def test_weights_are_sharpened_where_enough_users_say_so() -> None:
    keep = np.array([True, False, False])
    for users, expected in ((ENOUGH, True), (ENOUGH - 1, False)):
        fitted = choose_weights(often_right_sometimes_far_off(users), keep, 1.64, np.random.default_rng(0))
        assert fitted.sharpened is expected
    scores, targets = drawn(ENOUGH, 40, [1.0, 0.5])  # drawn from the softmax: the likeliest weights rank best
    lists = shortlists(scores, targets, none_hidden(scores), np.random.default_rng(0))
    one = fit_weights(lists, np.array([True, False]))
    np.testing.assert_array_equal(sharpened(lists, one), one)  # one score alone has nothing to be weighed against
    np.testing.assert_allclose(sharpened(lists, fit_weights(lists, np.ones(2, dtype=bool))), [1.0, 0.5], atol=0.3)
