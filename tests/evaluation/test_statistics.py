from __future__ import annotations

import numpy as np
import pytest

from llmrg.evaluation.statistics import bootstrap_mean, holm, paired_difference


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(7)
    hits = 0
    for trial in range(60):
        interval = bootstrap_mean(generator.normal(0.3, 1.0, 80), seed=trial)
        hits += interval.low <= 0.3 <= interval.high
    assert 51 <= hits <= 60  # 95 % of 60 is 57; the binomial's 0.2 % and 100 % points


def test_no_difference_is_no_difference() -> None:
    values = np.array([0.0, 1.0, 0.5])
    assert paired_difference(values, values)[1] == 1.0


def test_a_constant_gain_is_found() -> None:
    values = np.random.default_rng(0).random(40)
    interval, p = paired_difference(values + 0.1, values)
    assert interval.mean == pytest.approx(0.1)
    assert p < 0.01


def test_holm_by_hand() -> None:
    # sorted .01 .02 .04 -> .03, max(.03, .04) = .04, max(.04, .04) = .04
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
