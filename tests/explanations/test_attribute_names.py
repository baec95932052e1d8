"""A value that alone says nothing is told with the name of its attribute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.core.contribution import Contribution
from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue
from llmrg.explanations.explain import explain
from llmrg.explanations.page import draw_page
from llmrg.explanations.svg import draw_svg
from llmrg.explanations.wording import named


def shop(*attributes: tuple[str, str]) -> Catalogue:
    return Catalogue([Item("hat", "Hat", attributes), Item("cap", "Cap", attributes), Item("bare", "Bare")], "product")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("shade", "Night Owl", "shade: Night Owl"),
        ("product_line", "Aurora", "product_line: Aurora"),
        ("Material", "cork", "Material: cork"),
        ("Main Genre", "noir", "noir"),
        ("subGenre", "noir", "noir"),
        ("CATEGORY", "hats", "hats"),
        ("user_tags", "cosy", "cosy"),
        ("format", "large format", "large format"),
    ],
)
def test_a_value_has_its_name_where_it_needs_one(name: str, value: str, told: str) -> None:
    assert named(value, ("hat",), shop((name, value))) == told
    assert named(value.upper(), ("hat", "cap"), shop((name, value))).casefold() == told.casefold()
    assert named(value, ("bare", "unknown"), shop((name, value))) == value


def test_a_value_of_two_attributes_has_none() -> None:
    assert named("Olive", ("hat",), shop(("shade", "Olive"), ("brand", "Olive"))) == "Olive"


@given(st.text(), st.text())
def test_what_is_no_value_is_told_as_it_is(reason: str, other: str) -> None:
    assert named(reason, ("hat",), shop(("shade", other + "x" + reason))) == " ".join(named(reason, (), shop()).split())


def test_texts_page_and_picture_tell_it() -> None:
    catalogue, history = shop(("shade", "Night Owl")), History("u", ("hat",))
    steps = (
        Step("u", 0, "reasoned", "root", "", None, "Night Owl", "hat", 0.9, 0, 1),
        Step("u", 1, "imagined", "item", "hat", 0, "Night Owl", "cap", 0.9, 0, 1),
    )
    graph = ReasoningGraph("u", steps)
    assert "→ shade: Night Owl → “Cap”" in explain(graph, history, "cap").text(catalogue)
    parts = [Contribution("base", "sasrec", 1.0), Contribution("theme", "Night Owl", 1.0, (0,))]
    why = explain(graph, history, "cap", contributions=parts)
    assert "\n  shade: Night Owl: “Hat”" in why.text(catalogue)
    assert why.to_json(catalogue)["parts"][0]["name"] == "Night Owl"
    marked = [("cap", 1.0, why)]
    assert "<h4>shade: Night Owl</h4>" in draw_page(catalogue, history, graph, marked)
    assert "Reason: shade: Night Owl" in draw_svg(catalogue, history, graph, marked)
