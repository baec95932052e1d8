"""Of an item that was taken already an explanation says when, and what led to it then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue
from llmrg.explanations.explain import explain
from llmrg.explanations.in_words import in_words

CATALOGUE = Catalogue([Item(f"b{n}", f"Book {n}") for n in range(6)])
HISTORY = History("u", ("b0", "b1", "b2", "b1", "b3"), (0.0, None, 2e8, 1.7e9, None))
LINK = Step("u", 3, "reasoned", "item", "b2", 2, "the sea", "b1", 0.9, 0, 4)
FIRST = Step("u", 2, "reasoned", "root", "", None, "storms", "b2", 0.6, 0, 3)
GRAPH = ReasoningGraph("u", (FIRST, LINK, replace(LINK, accepted=False, chain=-1, reason="the moon", score=0.1)))


def test_the_last_time_and_what_led_to_it_are_told() -> None:
    why = explain(GRAPH, HISTORY, "b1", verified=True)
    assert (why.taken, why.taken_at, why.steps, why.score) == (3, 1.7e9, (FIRST, LINK), 0.6)
    text = why.text(CATALOGUE)
    assert text.startswith("“Book 1”: already taken, as item 4 of the history (2023-11-14); a recommendation leaves it out")
    assert "“Book 2” → the sea → “Book 1” (0.90)" in text
    assert "the moon" not in text
    told = why.to_json(CATALOGUE)
    assert (told["taken"], told["taken_at"], told["found"]) == (3, 1.7e9, True)


@pytest.mark.parametrize(("item", "place"), [("b0", "item 1 of the history (1970-01-01)"), ("b3", "item 5 of the history;")])
def test_without_a_chain_that_is_told_too(item: str, place: str) -> None:
    text = explain(GRAPH, HISTORY, item, verified=True).text(CATALOGUE)
    assert place in text
    assert "no verified chain led to it then" in text
    assert "no chain led to it then" in explain(GRAPH, HISTORY, item).text(CATALOGUE)


def test_what_is_taken_later_is_not_known_yet() -> None:
    why = explain(GRAPH, HISTORY, "b1", position=3, verified=True)
    assert (why.taken, why.steps) == (1, ())
    assert explain(GRAPH, HISTORY, "b3", position=3).taken is None


def test_a_history_without_times() -> None:
    why = explain(GRAPH, replace(HISTORY, at=()), "b1")
    assert why.taken_at is None
    assert "as item 4 of the history; a recommendation" in why.text(CATALOGUE)


def test_in_words_it_is_told_without_asking_a_model() -> None:
    told = in_words(explain(GRAPH, HISTORY, "b1"), object(), CATALOGUE)  # type: ignore[arg-type]
    assert told.how == "none"
    assert told.text.startswith("“Book 1”: already taken, as item 4 of the history (2023-11-14)")
