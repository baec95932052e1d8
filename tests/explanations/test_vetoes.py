"""Reasons that are not wanted are shown nowhere, though the graph and the recommender know them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmrg.core.contribution import Contribution
from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.core.themes import Themes
from llmrg.core.vetoes import Vetoes
from llmrg.data.dataset import Catalogue
from llmrg.explanations.explain import Explanation, explain
from llmrg.explanations.page import draw_page

CATALOGUE = Catalogue([Item(name, name.title()) for name in ("dune", "emma", "hyperion", "solaris")], "book")
HISTORY = History("u", ("dune", "emma", "hyperion"))
STEPS = (
    Step("u", 1, "reasoned", "item", "dune", 0, "Mental illness", "emma", 0.9, 0, 2),
    Step("u", 2, "reasoned", "item", "emma", 1, "sad songs", "hyperion", 0.8, 0, 3),
    Step("u", 3, "imagined", "item", "hyperion", 2, "signs of mental illness", "solaris", 0.9, 0, 3),
    Step("u", 3, "imagined", "item", "emma", 1, "aliens", "solaris", 0.5, 1, 3),
)
GRAPH = ReasoningGraph("u", STEPS)
PARTS = [
    Contribution("base", "sasrec", 2.0),
    Contribution("theme", "mental illness", 4.0, (1,)),
    Contribution("theme", "sad songs", 1.0, (2,)),
    Contribution("imagined", "signs of mental illness", 2.0, (2,)),
    Contribution("imagined", "aliens", 1.0, (1,)),
]
DENIED = Vetoes(("mental illness",))


def told(why: Explanation) -> str:
    return (why.text(CATALOGUE) + json.dumps(why.to_json(CATALOGUE))).casefold()


def test_the_sum_stays_and_what_is_denied_has_no_name() -> None:
    why = explain(GRAPH, HISTORY, "solaris", contributions=PARTS, vetoes=DENIED, verified=True)
    assert "mental illness" not in told(why)
    assert sum(part.value for part in why.parts) == 10.0
    assert [part.name for part in why.reasons] == ["aliens", "sad songs"]
    assert "2 reasons made 20 % of the score" in why.text(CATALOGUE)
    assert "the rest of the score, 80 %, comes from" in why.text(CATALOGUE)
    assert "reasons that are not shown" in why.text(CATALOGUE)
    assert "mental illness" in told(explain(GRAPH, HISTORY, "solaris", contributions=PARTS, verified=True))


def test_where_all_are_denied_it_says_so() -> None:
    why = explain(GRAPH, HISTORY, "solaris", contributions=PARTS[:2], vetoes=DENIED)
    assert not why.found
    assert why.lines(CATALOGUE)[0].startswith("no reason that is shown took part in this score; it comes from")


@pytest.mark.parametrize("allowed", [("aliens",), ("ALIENS", "something else")])
def test_only_what_is_allowed_is_shown(allowed) -> None:
    why = explain(GRAPH, HISTORY, "solaris", contributions=PARTS, vetoes=Vetoes((), allowed))
    assert [part.name for part in why.reasons] == ["aliens"]
    assert {step.reason for step in why.steps} == {"aliens"}


def test_without_a_recommender_another_chain_is_found_or_none() -> None:
    assert explain(GRAPH, HISTORY, "solaris").steps[-1].reason == "signs of mental illness"
    why = explain(GRAPH, HISTORY, "solaris", vetoes=DENIED)
    assert [step.reason for step in why.steps] == ["aliens"]
    assert not explain(GRAPH, HISTORY, "solaris", vetoes=Vetoes(("mental illness", "aliens"))).found
    taken = explain(GRAPH, HISTORY, "hyperion", vetoes=DENIED)
    assert [step.reason for step in taken.steps] == ["sad songs"]


def test_a_recommender_that_does_not_tell_imagined_steps_apart_keeps_its_part() -> None:
    parts = [Contribution("base", "sasrec", 1.0), Contribution("imagined", "graph vectors", 1.0)]
    why = explain(GRAPH, HISTORY, "solaris", contributions=parts, vetoes=Vetoes((), ("aliens",)))
    assert [part.name for part in why.reasons] == ["aliens"]


def test_a_denied_wording_is_hidden_in_a_theme_of_another_name() -> None:
    themes = Themes({"Mental illness": "sad songs"})
    parts = [Contribution("theme", "sad songs", 1.0, (1, 2))]
    how: dict[str, Any] = {"contributions": parts, "themes": themes}
    assert len(explain(GRAPH, HISTORY, "solaris", **how).steps) == 2
    assert "mental illness" not in told(explain(GRAPH, HISTORY, "solaris", **how, vetoes=DENIED))


def test_the_page_of_what_is_shown_does_not_hold_it() -> None:
    why = explain(GRAPH, HISTORY, "solaris", contributions=PARTS, vetoes=DENIED)
    page = draw_page(CATALOGUE, HISTORY, DENIED.shown(GRAPH), [("solaris", 1.0, why)]).casefold()
    assert "mental illness" not in page
    assert "aliens" in page
