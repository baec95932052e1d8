from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from llmrg.core.interval import Interval
from llmrg.evaluation.statistics import PairedTest, bootstrap_mean, corrected, holm, p_text, paired_difference


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(7)
    hits = 0
    for trial in range(60):
        interval = bootstrap_mean(generator.normal(0.3, 1.0, 80), seed=trial)
        hits += interval.low <= 0.3 <= interval.high
    assert 51 <= hits <= 60  # 95 % of 60 is 57; the binomial's 0.2 % and 100 % points


def test_the_interval_is_scipys() -> None:
    values = np.random.default_rng(3).choice([0.0, 0.0, 0.0, 0.5, 1.0], 400)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(0))
    ours = bootstrap_mean(values)
    # the ends of 2,000 resamples have a standard error of about 4 % of the interval's width
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.012)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.012)


def test_no_difference_is_no_difference() -> None:
    values = np.array([0.0, 1.0, 0.5])
    found = paired_difference(values, values)
    assert (found.p_value, found.p_is_bound) == (1.0, False)


def test_the_p_value_is_scipys() -> None:
    generator = np.random.default_rng(5)
    ours, theirs = generator.choice([0.0, 0.5, 1.0], 150), generator.choice([0.0, 0.5, 1.0], 150, p=[0.4, 0.3, 0.3])
    test = stats.permutation_test(
        (ours - theirs,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(0)
    )
    assert 0.005 < test.pvalue < 0.5
    assert paired_difference(ours, theirs).p_value == pytest.approx(test.pvalue, abs=0.02)


def test_a_gain_beyond_all_flips_has_a_bound_for_a_p_value() -> None:
    values = np.random.default_rng(0).random(40)
    found = paired_difference(values + 0.1, values)
    assert found.difference.value == pytest.approx(0.1)
    assert found.p_is_bound  # one flip in 2^39 is as extreme, and 9,999 were drawn
    assert found.p_value == pytest.approx(1 / 10_000)
    few = paired_difference(np.ones(5), np.zeros(5))  # exact: 2 of 32 flips
    assert not few.p_is_bound
    assert few.p_value == pytest.approx(1 / 16, abs=0.01)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.3, 1.0]), min_size=1, max_size=30))
def test_a_test_does_not_care_who_is_ours(values: list[float]) -> None:
    a, b = np.array(values), np.zeros(len(values))
    one, other = paired_difference(a, b), paired_difference(b, a)
    assert one.p_value == other.p_value
    assert one.difference.value == pytest.approx(-other.difference.value)
    assert 0 < one.p_value <= 1
    assert one.difference.low <= one.difference.value + 1e-12
    assert one.difference.value - 1e-12 <= one.difference.high


def test_holm_by_hand() -> None:
    # sorted .01 .02 .04 -> .03, max(.03, .04) = .04, max(.04, .04) = .04
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])


def test_a_corrected_bound_stays_a_bound() -> None:
    none = Interval(0.0, 0.0, 0.0)
    found = corrected([PairedTest(none, 0.03, False), PairedTest(none, 0.001, True), PairedTest(none, 0.0012, False)])
    # .001 x 3 = .003; .0012 x 2 = .0024 is pulled up to .003, which only the bound says; .03 x 1
    assert [(test.p_value, test.p_is_bound) for test in found] == [
        (pytest.approx(0.03), False),
        (pytest.approx(0.003), True),
        (pytest.approx(0.003), True),
    ]


def test_p_values_show_no_more_than_was_measured() -> None:
    assert p_text(0.0006, bound=True) == "<= 0.0006"
    assert p_text(0.00161, bound=True) == "<= 0.0017"  # a bound is never rounded down
    assert p_text(0.0234, bound=False) == "0.023"
    assert p_text(1.0, bound=False) == "1"
    assert p_text(1.0, bound=True) == "1"
    assert p_text(0.8965, bound=False) == "0.9"
