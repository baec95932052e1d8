"""Items are found as people name them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.core.errors import CallerError, UnknownItemError
from llmrg.core.records import Item
from llmrg.data.dataset import Catalogue
from llmrg.data.find_item import find_item

CATALOGUE = Catalogue(
    [
        Item("b1", "Jane Eyre"),
        Item("b2", "Emma"),
        Item("b3", "emma "),
        Item("Emma!", "Middlemarch"),
        Item("Jane Eyre", "Villette"),
        Item("b6", ""),
        Item("b7", "Straße der Ölsardinen"),
    ]
)


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("b2", "b2"),
        ("Jane Eyre", "Jane Eyre"),  # an id comes before a title
        ("jane  eyre", "b1"),
        ("VILLETTE", "Jane Eyre"),
        (" middlemarch", "Emma!"),
        ("STRASSE DER ÖLSARDINEN", "b7"),
    ],
)
def test_ids_come_first_then_titles(name: str, item: str) -> None:
    assert find_item(CATALOGUE, name).id == item


def test_a_title_of_several_items_is_refused_with_their_ids() -> None:
    with pytest.raises(CallerError, match=r"2 items have the title 'EMMA'.*b2, b3"):
        find_item(CATALOGUE, "EMMA")
    many = Catalogue([Item(f"x{n}", "Same") for n in range(9)])
    with pytest.raises(CallerError, match="x0, x1, x2, x3, x4 and 4 more"):
        find_item(many, "same")


@pytest.mark.parametrize(("name", "nearest"), [("Middlemarsh", "Emma!"), ("vilette", "Jane Eyre"), ("Emma?", "b2"), ("9999", "")])
def test_what_is_not_there_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UnknownItemError) as caught:
        find_item(CATALOGUE, name)
    assert caught.value.item == name
    assert (caught.value.nearest in ("b2", "b3", "Emma!")) if nearest == "b2" else caught.value.nearest == nearest


@pytest.mark.parametrize("name", ["", "   "])
def test_nothing_names_nothing(name: str) -> None:
    with pytest.raises(UnknownItemError):
        find_item(CATALOGUE, name)


@given(st.text(max_size=30))
def test_any_text_is_found_or_refused(name: str) -> None:
    try:
        found = find_item(CATALOGUE, name)
    except CallerError:
        return
    assert name == found.id or name.casefold().split() == found.title.casefold().split()
