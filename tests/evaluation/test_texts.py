"""Overlap of texts: golden values by hand, equal texts, empty texts, missing packages."""

from __future__ import annotations

import logging
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.core.errors import CallerError, MissingPackageError
from llmrg.evaluation.texts import TextOverlap, most_frequent_headline, text_overlap

sentences = st.lists(st.sampled_from(["warm", "tone", "Strings", "hold", "tune"]), min_size=4, max_size=9).map(" ".join)


def test_overlap_by_hand() -> None:
    """Three pairs.

    1. the cat sat on the mat | the cat is on the mat: common words 5 of 6 and 6, pairs (the cat, on the, the mat) 3 of 5 and 5,
       triples (on the mat) 1 of 4, fours 0 of 3; longest common subsequence 5.
    2. Good value for the money | very good value for the money: words 5 of 5 and 6, pairs 4 of 4 and 5, triples 3 of 3, fours 2
       of 2; subsequence 5.
    3. cheap, loud | loud cheap: by blanks "cheap," is not "cheap", so words 1 of 2, pairs 0 of 1. Without signs, as ROUGE reads
       it: words 2 of 2 and 2, pairs 0, subsequence 1.

    BLEU: words 11/13, pairs 7/10, triples 4/7, fours 2/5; 13 words against 14 give the brevity penalty exp(1 - 14/13).
    ROUGE's F of matches m, of h and r there are, is 2 m / (h + r): words 10/12, 10/11, 4/4; pairs 6/10, 8/9, 0; subsequence
    10/12, 10/11, 2/4.
    """
    hypotheses = ["the cat sat on the mat", "Good value for the money", "cheap, loud"]
    references = ["the cat is on the mat", "very good value for the money", "loud cheap"]
    overlap = text_overlap(hypotheses, references)
    brevity = math.exp(-1 / 13)
    assert overlap.bleu2 == pytest.approx(100 * brevity * (11 / 13 * 7 / 10) ** (1 / 2))
    assert overlap.bleu4 == pytest.approx(100 * brevity * (11 / 13 * 7 / 10 * 4 / 7 * 2 / 5) ** (1 / 4))
    assert overlap.rouge1 == pytest.approx(100 * (5 / 6 + 10 / 11 + 1) / 3)
    assert overlap.rouge2 == pytest.approx(100 * (3 / 5 + 8 / 9 + 0) / 3)
    assert overlap.rougeL == pytest.approx(100 * (5 / 6 + 10 / 11 + 1 / 2) / 3)
    assert overlap.count == 3


@given(st.lists(sentences, min_size=1, max_size=5))
def test_equal_texts_overlap_wholly_whatever_their_case(texts: list[str]) -> None:
    expected = pytest.approx(100.0)
    assert text_overlap([text.upper() for text in texts], texts) == TextOverlap(*[expected] * 5, len(texts))  # type: ignore[arg-type]


@given(st.lists(st.tuples(sentences, sentences), min_size=1, max_size=5))
def test_overlap_is_a_percentage(pairs: list[tuple[str, str]]) -> None:
    overlap = text_overlap([a for a, _ in pairs], [b for _, b in pairs])
    values = (overlap.bleu2, overlap.bleu4, overlap.rouge1, overlap.rouge2, overlap.rougeL)
    assert all(0 <= value <= 100 + 1e-9 for value in values)


def test_empty_texts_score_nothing() -> None:
    assert text_overlap([""], ["some words here now"]) == TextOverlap(0.0, 0.0, 0.0, 0.0, 0.0, 1)
    assert text_overlap([""], [""]) == TextOverlap(0.0, 0.0, 0.0, 0.0, 0.0, 1)
    half = text_overlap(["", "warm tone and strings"], ["gone", "warm tone and strings"])
    assert half.rouge1 == pytest.approx(50.0)


def test_shorter_texts_have_no_four_words_in_a_row() -> None:
    short = text_overlap(["great strings"], ["great strings"])
    assert (short.bleu2, short.bleu4) == (pytest.approx(100.0), 0.0)


def test_full_stops_that_stand_alone_are_no_reason_to_warn(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        text_overlap(["it works ."] * 200, ["it works ."] * 200)
    assert not caplog.records


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(CallerError, match="not 1 for 2"):
        text_overlap(["a", "b"], ["a"])
    with pytest.raises(CallerError, match="no texts to compare"):
        text_overlap([], [])


@pytest.mark.parametrize(("module", "package"), [("sacrebleu", "sacrebleu"), ("rouge_score", "rouge-score")])
def test_missing_packages_say_how_to_install_them(module: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPackageError, match=rf"'{package}' is not installed.*llmrg\[lm\]"):
        text_overlap(["a"], ["a"])


def test_the_most_frequent_headline() -> None:
    assert most_frequent_headline(["", "Good", "Fine", "Five Stars", "", "", "Five Stars"]) == "Five Stars"
    assert most_frequent_headline(["Fine", "Good"]) == "Fine"
    with pytest.raises(CallerError, match="no headlines"):
        most_frequent_headline(["", ""])
