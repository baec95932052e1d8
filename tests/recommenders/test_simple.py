"""The controls without training, against counts made by hand and closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from llmrg.core.errors import CallerError, ConfigError, UnknownItemError
from llmrg.core.records import History, Item
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.data.successors import Successors
from llmrg.encoders.text import CachedVectors, HashedVectors
from llmrg.recommenders.base import BaseRecommender
from llmrg.recommenders.ease import Ease, EaseConfig
from llmrg.recommenders.item_knn import ItemKnn, ItemKnnConfig
from llmrg.recommenders.items import ItemRows
from llmrg.recommenders.loading import load_recommender
from llmrg.recommenders.popularity import Popularity
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.sequential_rules import SequentialRules, SequentialRulesConfig
from llmrg.recommenders.text_cosine import TextCosine, TextCosineConfig
from llmrg.testing.recommender_suite import cycle_world

LETTERS = "abcdef"


def dataset(*histories: str) -> Dataset:
    found = {f"u{n}": History(f"u{n}", tuple(items)) for n, items in enumerate(histories)}
    catalogue = Catalogue(Item(letter, letter) for letter in LETTERS)
    return Dataset("letters", catalogue, found, LoadReport("letters", 0, len(found), 6))


def scores(made: BaseRecommender, history: str) -> np.ndarray:
    return made.scores([Query(History("new", tuple(history)))])[0]


def test_popularity_counts_training_parts_only() -> None:
    made = Popularity()
    made.fit(dataset("abcd", "acef", "ab"))  # training parts: ab, ac, ab (too short to hold anything out)
    np.testing.assert_allclose(scores(made, "f"), np.array([3, 2, 1, 0, 0, 0]) / 6, rtol=1e-6)


def test_sequential_rules_by_hand() -> None:
    made = SequentialRules(SequentialRulesConfig(window=2, last=2, damping=1.0, popularity=0.0))
    made.fit(dataset("abcdef"))  # training part abcd: C[a,b]=1 C[a,c]=1/2 C[b,c]=1 C[b,d]=1/2 C[c,d]=1
    b, c, d = 0.5 * 1 / 2.5, 1 / 2.5 + 0.5 * 0.5 / 2.5, 0.5 / 2.5
    np.testing.assert_allclose(scores(made, "ab"), [0, b, c, d, 0, 0], rtol=1e-6)


def test_sequential_rules_count_as_the_successors_do() -> None:
    data = dataset("abcabdef", "bacdefab", "fedcbaab")
    made, counts = SequentialRules(SequentialRulesConfig(last=1, damping=0.0, popularity=0.0)), Successors(data)
    made.fit(data)
    ranked = dict(counts.ranked("b"))
    expected = np.array([ranked.get(item, 0.0) for item in LETTERS])
    np.testing.assert_allclose(scores(made, "b"), expected / expected.sum(), rtol=1e-5)


def test_item_knn_by_hand() -> None:
    data = dataset("abb", "ab", "ac", "abcdef")  # training parts a, ab, ac, abcd
    made = ItemKnn(ItemKnnConfig(shrinkage=1.0))
    made.fit(data)  # taken by: a 4, b 2, c 2, d 1; together: ab 2, ac 2, ad 1, bc 1, bd 1, cd 1
    ab, ac, ad = 2 / (8**0.5 + 1), 2 / (8**0.5 + 1), 1 / (4**0.5 + 1)
    bc, bd = 1 / (2 + 1), 1 / (2**0.5 + 1)
    np.testing.assert_allclose(scores(made, "a"), [0, ab, ac, ad, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(scores(made, "abab"), [ab, ab, ac + bc, ad + bd, 0, 0], rtol=1e-6)
    nearest = ItemKnn(ItemKnnConfig(shrinkage=1.0, neighbours=1))
    nearest.fit(data)  # nearest to a: b (ties by row); to b: a; to c: a; to d: b
    np.testing.assert_allclose(scores(nearest, "a"), [0, ab, ac, 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(scores(nearest, "b"), [ab, 0, 0, bd, 0, 0], rtol=1e-6)


def test_item_knn_in_chunks_equals_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset("abcabdef", "bacdefab", "fedcbaab", "faceda")
    found = []
    for size in (1024, 4, 1):
        monkeypatch.setattr("llmrg.recommenders.item_knn.CHUNK", size)
        made = ItemKnn(ItemKnnConfig(neighbours=2))
        made.fit(data)
        found.append(scores(made, "abc"))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


HISTORIES = st.lists(st.text(LETTERS, min_size=1, max_size=9), min_size=1, max_size=8)


@settings(max_examples=30, deadline=None)
@given(HISTORIES, st.sampled_from([0.5, 20.0]))
def test_ease_is_the_closed_form(histories: list[str], ridge: float) -> None:
    made, data = Ease(EaseConfig(ridge=ridge)), dataset(*histories)
    made.fit(data)
    parts = [history[:-2] if len(history) >= 3 else history for history in histories]
    taken = np.array([[letter in part for letter in LETTERS] for part in parts], dtype=float)
    inverse = np.linalg.inv(taken.T @ taken + ridge * np.eye(6))
    weights = -inverse / np.diag(inverse)[None, :]
    np.fill_diagonal(weights, 0.0)
    for number, letter in enumerate(LETTERS):
        found = scores(made, letter)
        assert found[number] == 0.0  # an item says nothing of itself
        np.testing.assert_allclose(found, weights[number], atol=2e-4)
    np.testing.assert_allclose(scores(made, "aab"), weights[0] + weights[1], atol=4e-4)


def test_ease_refuses_what_would_fill_the_memory() -> None:
    with pytest.raises(ConfigError, match=r"6 items would need 0\.0 GiB, and max_items is 5"):
        Ease(EaseConfig(max_items=5)).fit(dataset("abc"))
    large = Dataset("large", Catalogue(Item(str(n), "") for n in range(20_001)), {}, LoadReport("large", 0, 0, 20_001))
    with pytest.raises(ConfigError, match=r"20001 items would need 3\.0 GiB"):
        Ease().fit(large)


def test_text_cosine_by_hand(tmp_path: Path) -> None:
    vectors = {"A": (1.0, 0.0), "B. red, old": (0.6, 0.8), "C": (0.0, 1.0), "D": (0.0, 0.0)}
    asked: list[str] = []

    def ask(texts: list[str]) -> np.ndarray:
        asked.extend(texts)
        return np.array([vectors[text] for text in texts], dtype=np.float32)

    items = [Item("a", "A"), Item("b", "B", (("colour", "red"), ("age", "old"))), Item("c", "C"), Item("d", "D")]
    data = Dataset("four", Catalogue(items), {}, LoadReport("four", 0, 0, 4))
    made = TextCosine(text=CachedVectors("mine", ask))
    made.fit(data)
    np.testing.assert_allclose(scores(made, "ab"), [0.8, 0.8, 0.4, 0], atol=1e-6)
    np.testing.assert_allclose(scores(made, "d"), np.zeros(4), atol=1e-6)
    recent = TextCosine(TextCosineConfig(half_life=1.0), CachedVectors("mine", ask))
    recent.fit(data)
    np.testing.assert_allclose(scores(recent, "ab"), [(1 + 2 * 0.6) / 3, (0.6 + 2) / 3, 2 * 0.8 / 3, 0], atol=1e-6)
    recent.save(tmp_path / "saved")
    asked.clear()
    again = load_recommender(tmp_path / "saved")
    np.testing.assert_array_equal(scores(again, "ab"), scores(recent, "ab"))
    again.save(tmp_path / "again")
    assert asked == []  # a saved one holds its vectors, and the name of what made them
    assert '"mine"' in (tmp_path / "again" / "config.json").read_text()


def test_text_cosine_finds_spelling_without_a_model() -> None:
    items = [Item("1", "Ghost stories"), Item("2", "A ghost story"), Item("3", "Cooking for two")]
    made = TextCosine(text=HashedVectors())
    made.fit(Dataset("three", Catalogue(items), {}, LoadReport("three", 0, 0, 3)))
    found = scores(made, "1")
    assert found[0] == pytest.approx(1.0, abs=1e-6)
    assert found[1] > found[2] + 0.2


@pytest.mark.parametrize("kind", [Popularity, SequentialRules, ItemKnn, Ease, TextCosine])
@pytest.mark.parametrize("histories", [("a", "b", "b"), ()])
def test_one_item_histories_and_an_empty_data_set_fit(kind: type[BaseRecommender], histories: tuple[str, ...]) -> None:
    made = kind()
    made.fit(dataset(*histories))
    found = made.scores([Query(History("new", ("c",))), Query(History("none", ()))])
    assert found.shape == (2, 6)
    assert np.isfinite(found).all()


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"ridge": 0.0}, {"max_items": 0}):
        with pytest.raises(ValidationError):
            EaseConfig(**wrong)
    with pytest.raises(ValidationError):
        ItemKnnConfig(shrinkage=-1.0)
    with pytest.raises(ValidationError):
        TextCosineConfig(half_life=0.0)


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
