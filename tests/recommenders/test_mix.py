"""Mixes: weights by validation, parts that sum, members that fit together; and the choice among ways."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llmrg.core.errors import CallerError, ConfigError
from llmrg.core.themes import CATALOGUE, Profile, Themes
from llmrg.data.dataset import Catalogue
from llmrg.data.demo_set import load_demo
from llmrg.data.profiles import catalogue_profile, words_profile
from llmrg.evaluation.controls import shuffled_profile
from llmrg.recommenders.best_of import BestOf
from llmrg.recommenders.loading import load_recommender
from llmrg.recommenders.mix import Mix
from llmrg.recommenders.popularity import Popularity
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.sequential_rules import SequentialRules
from llmrg.recommenders.theme_scores import ThemeScores, ThemeScoresConfig
from llmrg.testing.recommender_suite import cycle_world

BOOKS = load_demo()
QUERIES = [Query.at(history, len(history) - 1) for history in list(BOOKS.histories.values())[:20]]


def reasons() -> ThemeScores:
    return ThemeScores(ThemeScoresConfig(view="shared"))


def test_right_profiles_get_weight_and_the_same_dealt_to_wrong_items_none() -> None:
    right = Mix([SequentialRules(), reasons()])
    right.fit(BOOKS)
    assert right.weights[1] > 1
    wrong = Mix([SequentialRules(), reasons()])
    dealt = shuffled_profile(catalogue_profile(BOOKS), seed=1)
    wrong.fit(BOOKS, {}, Themes({}, (Profile(replace(dealt.source, name=CATALOGUE), dealt.appeals),)))
    assert wrong.weights[1] == 0
    assert right.validation_ndcg > wrong.validation_ndcg + 0.03


def test_parts_sum_to_the_score_and_survive_saving(tmp_path: Path) -> None:
    made = Mix([SequentialRules(), Popularity(), reasons()])
    made.fit(BOOKS)
    made.save(tmp_path)
    again = load_recommender(tmp_path)
    scores = made.scores(QUERIES)
    np.testing.assert_allclose(again.scores(QUERIES), scores, atol=1e-5)
    for query, line in zip(QUERIES[:3], scores, strict=False):
        for item in BOOKS.catalogue.ids[:40]:
            parts = again.contributions(query, item)
            assert sum(part.value for part in parts) == pytest.approx(float(line[BOOKS.catalogue.row(item) - 1]), abs=1e-4)
    alone = made.members[0]
    (part,) = alone.contributions(QUERIES[0], BOOKS.catalogue.ids[0])
    assert part.value == pytest.approx(
        float(alone.scores(QUERIES[:1])[0, 0])
    )  # rules alone are shares, in a mix their logarithms


def test_members_that_are_fitted_are_taken_as_they_are_and_those_of_another_catalogue_refused() -> None:
    rules = SequentialRules()
    rules.fit(BOOKS)
    counts = rules._counts
    made = Mix([rules, reasons()], refit=False)
    made.fit(BOOKS)
    assert rules._counts is counts
    foreign = SequentialRules()
    foreign.fit(replace(BOOKS, catalogue=Catalogue(reversed(list(BOOKS.catalogue)))))
    with pytest.raises(ConfigError, match="another catalogue"):
        Mix([foreign], refit=False).fit(BOOKS)
    with pytest.raises(CallerError, match="at least one"):
        Mix([])


def test_histories_too_short_to_hold_anything_out() -> None:
    data = cycle_world(6)
    short = replace(data, histories={user: history.before(2) for user, history in data.histories.items()})
    made = Mix([SequentialRules(), Popularity()])
    made.fit(short)
    assert made.weights.tolist() == [1.0, 0.0]
    assert np.isfinite(made.scores([Query(history) for history in short.histories.values()])).all()


def test_validation_chooses_and_the_chosen_one_is_saved(tmp_path: Path) -> None:
    ways = {"counting": Mix([Popularity()]), "themes": Mix([SequentialRules(), reasons()])}
    made = BestOf(ways)
    made.fit(BOOKS)
    assert made.chosen == "themes"
    assert made.validation["themes"] == made.validation_ndcg > made.validation["counting"]
    made.save(tmp_path)
    again = load_recommender(tmp_path)
    np.testing.assert_allclose(again.scores(QUERIES), made.scores(QUERIES), atol=1e-5)
    assert again.contributions(QUERIES[0], BOOKS.catalogue.ids[0])
    with pytest.raises(CallerError, match="not fitted"):
        _ = BestOf(ways).best


def test_words_of_titles_that_items_share_are_a_profile() -> None:
    found = words_profile(BOOKS)
    words = {appeal.theme for appeal in found.appeals}
    assert "the" not in words or sum(a.theme == "the" for a in found.appeals) <= 0.25 * len(BOOKS.catalogue)
    counts = {word: sum(a.theme == word for a in found.appeals) for word in list(words)[:20]}
    assert all(count >= 2 for count in counts.values())
