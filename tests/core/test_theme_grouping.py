"""Texts into themes: by wording, by vector, by what was known before; compared with the definition, one text at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrg.core import theme_grouping
from llmrg.core.errors import CallerError
from llmrg.core.theme_grouping import Vectors, folded, group_reasons


def vectors_of(table: Mapping[str, Sequence[float]]) -> Vectors:
    return lambda texts: np.array([table[text] for text in texts], np.float32).reshape(len(texts), -1)


GENERIC = np.random.default_rng(5).uniform(0.0, 1.0, (4, 6)).astype(np.float32)
"""So that no two cosines of unlike texts are equal."""


def letters(texts: Sequence[str]) -> np.ndarray:
    """Of how often each of four letters stands in a text."""
    counted = [[text.casefold().count(letter) for letter in "abcd"] for text in texts]
    return np.array(counted, np.float32).reshape(len(texts), 4) @ GENERIC


def one_by_one(counts: Mapping[str, int], known: Mapping[str, str], threshold: float) -> dict[str, str]:
    """The definition, in the simplest words."""
    themes = sorted(set(known.values()))
    given = {folded(theme): theme for theme in reversed(themes)} | {folded(text): known[text] for text in sorted(known)[::-1]}
    found = {}
    for text in sorted((text for text in counts if text.strip()), key=lambda text: (-counts[text], text)):
        if text in known:
            found[text] = known[text]
            continue
        if folded(text) not in given:
            row = letters([text])[0]
            cosines = [float(row @ other) / max(np.sqrt(row @ row * (other @ other)), 1e-30) for other in letters(themes)]
            best = max(range(len(themes)), key=cosines.__getitem__, default=-1)
            if best >= 0 and cosines[best] >= threshold:
                given[folded(text)] = themes[best]
            else:
                themes.append(" ".join(text.split()))
                given[folded(text)] = themes[-1]
        found[text] = given[folded(text)]
    return found


def test_texts_that_differ_in_case_spaces_and_end_punctuation_are_one_theme() -> None:
    counts = {"pirates": 2, "Pirates!": 5, "  pirates ...": 1, "pirates?\n": 1, "Pirates of the sea": 1, "?!": 1, " ": 9, "": 9}
    assert group_reasons(counts, None) == {
        "Pirates!": "Pirates!",
        "pirates": "Pirates!",
        "  pirates ...": "Pirates!",
        "pirates?\n": "Pirates!",
        "Pirates of the sea": "Pirates of the sea",
        "?!": "?!",
    }


def test_a_theme_is_one_line() -> None:
    assert group_reasons({"the\n  open sea": 1}, None) == {"the\n  open sea": "the open sea"}


def test_near_texts_share_the_theme_of_the_most_frequent() -> None:
    table = {"sea": (1, 0), "ocean": (0.9, 0.3), "space": (0, 1), "ships": (0.7, 0.7), "nothing": (0, 0), "void": (0, 0)}
    counts = {"ocean": 5, "sea": 3, "space": 1, "ships": 9, "nothing": 1, "void": 1}
    found = group_reasons(counts, vectors_of(table))
    assert found == {
        "ships": "ships", "ocean": "ships", "sea": "sea", "nothing": "nothing", "space": "space", "void": "void"
    }  # fmt: skip
    assert group_reasons(counts, vectors_of(table), threshold=0.95)["ocean"] == "ocean"
    assert group_reasons(counts, vectors_of(table), threshold=0.95)["sea"] == "sea"
    assert group_reasons(counts | {"ocean": 1}, vectors_of(table), threshold=0.93)["ocean"] == "sea", "the nearest, not the first"


def test_known_texts_keep_their_theme_and_take_others_in() -> None:
    table = {"The sea": (1, 0), "ocean": (0.9, 0.3), "boats": (0, 1), "Space": (0, 1)}
    known = {"waves": "The sea", "unused": "Space"}
    counts = {"waves": 1, "Waves!": 9, "the sea.": 2, "ocean": 7, "boats": 3}
    assert group_reasons(counts, vectors_of(table), known) == {
        "Waves!": "The sea", "ocean": "The sea", "boats": "Space", "the sea.": "The sea", "waves": "The sea"
    }  # fmt: skip
    grown = group_reasons(counts, vectors_of(table), known)
    assert group_reasons(counts, vectors_of(table), known | grown) == grown


words = st.text("abcdAB .!", max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    counts=st.dictionaries(words, st.integers(1, 3), max_size=25),
    known=st.dictionaries(words.filter(str.strip), st.sampled_from(("a", "bb", "abc", "D.")), max_size=4),
    threshold=st.sampled_from((0.9, 0.95, 0.99)),
    order=st.randoms(use_true_random=False),
)
def test_it_is_as_defined_whatever_the_order(
    counts: dict[str, int], known: dict[str, str], threshold: float, order: Random
) -> None:
    """In blocks of three, so that texts are near others of their own block and of earlier ones."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(theme_grouping, "_BLOCK", 3)
        patched.setattr(theme_grouping, "_LEADERS", 4)
        found = group_reasons(counts, letters, known, threshold)
        assert found == one_by_one(counts, known, threshold)
        mixed, mixed_known = list(counts.items()), list(known.items())
        order.shuffle(mixed)
        order.shuffle(mixed_known)
        assert group_reasons(dict(mixed), letters, dict(mixed_known), threshold) == found
    assert set(found) == {text for text in counts if text.strip()}
    assert all(found[text] == known[text] for text in found.keys() & known.keys())


def test_clusters_of_many_texts_are_found_in_seconds() -> None:
    """8,000 texts around 400 themes, 384 numbers each."""
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((400, 384)).astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    of = np.concatenate([np.arange(400), rng.integers(0, 400, 7600)])
    rows = centres[of] + 0.015 * rng.standard_normal((8000, 384)).astype(np.float32)
    rows[:400] = centres
    texts = [f"text {n:04}" for n in range(8000)]
    place = {text: n for n, text in enumerate(texts)}
    counts = {text: 1000 - min(n, 999) for n, text in enumerate(texts)}
    started = time.perf_counter()
    found = group_reasons(counts, lambda asked: rows[[place[text] for text in asked]])
    assert time.perf_counter() - started < 20
    assert [place[found[text]] for text in texts] == of.tolist()


@pytest.mark.parametrize("threshold", [0.0, 1.1, float("nan")])
def test_a_senseless_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(CallerError, match="threshold"):
        group_reasons({"a": 1}, None, threshold=threshold)


@pytest.mark.parametrize("rows", [np.zeros(3), np.zeros((2, 3)), np.full((1, 3), np.nan)])
def test_vectors_that_are_none_are_refused(rows: np.ndarray) -> None:
    with pytest.raises(CallerError, match="1 rows"):
        group_reasons({"a": 1}, lambda texts: rows)


def test_vectors_of_two_sizes_are_refused() -> None:
    with pytest.raises(CallerError, match="2 numbers do not compare with those of 3"):
        group_reasons({"a": 1}, lambda texts: np.ones((len(texts), 3 if "known" in texts else 2)), {"k": "known"}, threshold=0.9)
