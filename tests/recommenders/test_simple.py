"""Popularity and skip-Markov against counts made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from llmrg.core.errors import CallerError, UnknownItemError
from llmrg.core.records import History, Item
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.data.successors import Successors
from llmrg.recommenders.items import ItemRows
from llmrg.recommenders.popularity import Popularity
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.skip_markov import SkipMarkov, SkipMarkovConfig
from llmrg.testing.recommender_suite import cycle_world


def dataset(*histories: str) -> Dataset:
    found = {f"u{n}": History(f"u{n}", tuple(items)) for n, items in enumerate(histories)}
    catalogue = Catalogue(Item(letter, letter) for letter in "abcdef")
    return Dataset("letters", catalogue, found, LoadReport("letters", 0, len(found), 6))


def test_popularity_counts_training_parts_only() -> None:
    made = Popularity()
    made.fit(dataset("abcd", "acef", "ab"))  # training parts: ab, ac, ab (too short to hold anything out)
    scores = made.scores([Query(History("new", ("f",)))])[0]
    np.testing.assert_allclose(scores, np.array([3, 2, 1, 0, 0, 0]) / 6, rtol=1e-6)


def test_skip_markov_by_hand() -> None:
    made = SkipMarkov(SkipMarkovConfig(window=2, last=2, damping=1.0, popularity=0.0))
    made.fit(dataset("abcdef"))  # training part abcd: C[a,b]=1 C[a,c]=1/2 C[b,c]=1 C[b,d]=1/2 C[c,d]=1
    scores = made.scores([Query(History("new", ("a", "b")))])[0]
    b, c, d = 0.5 * 1 / 2.5, 1 / 2.5 + 0.5 * 0.5 / 2.5, 0.5 / 2.5
    np.testing.assert_allclose(scores, [0, b, c, d, 0, 0], rtol=1e-6)


def test_skip_markov_counts_as_the_successors_do() -> None:
    data = dataset("abcabdef", "bacdefab", "fedcbaab")
    made, counts = SkipMarkov(SkipMarkovConfig(last=1, damping=0.0, popularity=0.0)), Successors(data)
    made.fit(data)
    scores = made.scores([Query(History("new", ("b",)))])[0]
    ranked = dict(counts.ranked("b"))
    expected = np.array([ranked.get(item, 0.0) for item in "abcdef"])
    np.testing.assert_allclose(scores, expected / expected.sum(), rtol=1e-5)


def test_one_item_histories_and_an_empty_data_set_fit() -> None:
    for data in (dataset("a", "b", "b"), dataset()):
        made = SkipMarkov()
        made.fit(data)
        scores = made.scores([Query(History("new", ("c",)))])
        assert np.isfinite(scores).all()


def test_scores_before_fit_are_refused() -> None:
    with pytest.raises(CallerError, match="not fitted"):
        Popularity().scores([Query(History("u", ()))])


def test_a_history_outside_the_catalogue_is_refused_at_fit() -> None:
    with pytest.raises(UnknownItemError, match="'z'"):
        Popularity().fit(dataset("azbc"))


def test_a_misspelt_item_gets_a_hint() -> None:
    rows = ItemRows(cycle_world(1).catalogue.ids)
    with pytest.raises(UnknownItemError, match="did you mean"):
        rows.row("i1x")
    assert rows.rows(["i0", "i11"]).tolist() == [1, 12]
