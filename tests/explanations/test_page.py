"""Pages and pictures stand alone, and what data says is never markup."""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrg.core.errors import CallerError
from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue
from llmrg.explanations.explain import explain
from llmrg.explanations.notebook import notebook_html
from llmrg.explanations.page import draw_page
from llmrg.explanations.svg import draw_svg

EVIL = "</title><script>alert('x')</script>\"' onload=alert(1) &amp; ]]>"


class Elements(HTMLParser):
    """Every element with its attributes, and the text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str, class_: str = "") -> int:
        return sum(1 for name, attrs in self.found if name == tag and class_ in ["", *(attrs.get("class") or "").split()])


def reader_of(text: str) -> tuple[Catalogue, History, ReasoningGraph]:
    """A reader in whose data every free text is `text`."""
    catalogue = Catalogue([Item("a", text, ((text, text),)), Item(text or "t", text), Item("c", text)], "book")
    history = History(text, ("a", text or "t"), (), ((text, text),))
    steps = (
        Step(text, 0, "reasoned", "attribute", text, None, text, "a", 0.8, 0, 1),
        Step(text, 1, "reasoned", "item", "a", 0, text, text or "t", 0.8, 0, 2, origin="knowledge"),
        Step(text, 1, "reasoned", "root", "", None, text, text or "t", 0.1, -1, 2, False, text),
        Step(text, 2, "imagined", "item", text or "t", 1, text, "c", 0.7, 0, 2),
        Step(text, 2, "imagined", "item", "a", 0, text, "c", 0.2, -1, 2, False, text),
    )
    return catalogue, history, ReasoningGraph(text, steps, text, 1)


def all_of(reader: tuple[Catalogue, History, ReasoningGraph], title: str = "") -> tuple[str, str]:
    picks = [("c", 1.0, explain(reader[2], reader[1], "c")), ("zz", 0.5, explain(reader[2], reader[1], "zz"))]
    return draw_page(*reader, picks, title=title), draw_svg(*reader, picks, title=title)


def test_data_is_never_markup() -> None:
    page, svg = all_of(reader_of(EVIL), EVIL)
    plain, _ = all_of(reader_of("plain"), "plain")
    found = Elements(page)
    assert found.count("script") == 1
    assert not [(tag, key) for tag, attrs in found.found for key in attrs if key.startswith("on")]
    assert {tag for tag, _ in found.found} == {tag for tag, _ in Elements(plain).found}
    assert "<script" not in svg
    assert EVIL in Elements(page).text


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_svg_is_well_formed_whatever_the_data(text: str) -> None:
    _, svg = all_of(reader_of(text), text)
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert float(root.attrib["width"]) > 300


@pytest.mark.parametrize("name", ["fifty", "nine", "one", "bare"])
def test_nothing_is_loaded_from_outside(name: str, request: pytest.FixtureRequest) -> None:
    reader = request.getfixturevalue(name)
    parts = (reader.catalogue, reader.history, reader.graph, reader.recommendations)
    page, svg = draw_page(*parts), draw_svg(*parts)
    for text in (page, svg):
        assert set(re.findall(r"https?://[^\"'\s<>]*", text)) <= {"http://www.w3.org/2000/svg"}
        assert not re.search(r"@import|url\(|\bsrc=|\bhref=", text)
    assert "default-src 'none'" in page
    assert len(page) < 400_000


def test_page_tells_what_is_known(fifty) -> None:
    page = draw_page(
        fifty.catalogue, fifty.history, fifty.graph, fifty.recommendations, title="Reader 17", simulated=True, verified=True
    )
    found = Elements(page)
    known = fifty.graph.before(50)
    accepted = len(known.reasoned()) + len(known.imagined(50))
    assert found.count("g", "lg-step") == accepted
    assert found.count("g", "lg-stop") == 50
    assert found.count("g", "lg-refused") == len(known.rejected())
    assert found.count("li", "pick") == 5
    assert found.count("tr") == len(known.steps) + 1
    for words in (
        "Simulated user",
        "age: 25-34",
        "imagined from cut 50",
        "names a theme the item does not have",
        "knowledge base",
    ):
        assert words in found.text
    assert found.text.count("No verified chain leads to this book") == 1


def test_a_page_calls_verified_what_was_verified_and_nothing_else(fifty) -> None:
    parts = (fifty.catalogue, fifty.history, fifty.graph)
    loose = [(item, score, replace(why, verified=False)) for item, score, why in fifty.recommendations]
    for draw in (draw_page, draw_svg, notebook_html):
        checked = html.unescape(draw(*parts, fifty.recommendations, verified=True))
        assert "verified step" in checked
        assert "rejected by verification" in checked
        assert "not verified" not in checked
        unchecked = html.unescape(draw(*parts, loose))
        said = re.findall(r"[^<>]*verif[^<>]*", unchecked, re.IGNORECASE)
        assert said
        assert all("not verified" in words for words in said), said
    text = Elements(draw_page(*parts, loose)).text
    assert f"{len(fifty.graph.reasoned())} steps in 8 chains, not verified" in text
    assert text.count("No chain leads to this book") == 1
    assert "weakest step" not in text


def test_card_points_at_the_steps_of_its_chain(fifty) -> None:
    page = Elements(draw_page(fifty.catalogue, fifty.history, fifty.graph, fifty.recommendations))
    numbers = {a["data-step"] for tag, a in page.found if tag == "g" and "lg-step" in (a.get("class") or "").split()}
    cards = [a["data-focus"] for tag, a in page.found if tag == "button" and a.get("class") == "show"]
    lengths = [len(why.steps) for _, _, why in fifty.recommendations if why.found]
    assert [len((card or "").split()) for card in cards] == lengths
    assert all(set((card or "").split()) <= numbers for card in cards)


def test_real_user_is_not_called_simulated_and_empty_graph_says_so(bare) -> None:
    text = Elements(draw_page(bare.catalogue, bare.history, bare.graph)).text
    assert "Simulated" not in text
    assert "no reasoning graph yet" in text


def test_steps_made_later_are_not_on_the_page(nine) -> None:
    short = nine.history.before(3)
    page = Elements(draw_page(nine.catalogue, short, nine.graph))
    assert page.count("g", "lg-step") == len([s for s in nine.graph.before(3).steps if s.accepted])
    assert "steps made after position 3 are not drawn" in page.text


def test_notebook_cell_is_one_sandboxed_frame(nine) -> None:
    cell = Elements(notebook_html(nine.catalogue, nine.history, nine.graph, nine.recommendations))
    assert [tag for tag, _ in cell.found] == ["iframe"]
    frame = cell.found[0][1]
    assert frame["sandbox"] == "allow-scripts"
    assert frame["srcdoc"] == draw_page(nine.catalogue, nine.history, nine.graph, nine.recommendations)


def test_graph_of_another_user_is_refused(nine) -> None:
    for draw in (draw_page, draw_svg, notebook_html):
        with pytest.raises(CallerError, match="somebody"):
            draw(nine.catalogue, nine.history, ReasoningGraph("somebody"))
