"""A data set is known again when it has grown, and told from another one of its name."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.core.records import History, Item
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.data.identity import Sketch


def shop(seed: int, users: int = 40, items: int = 60, titled: bool = True) -> Dataset:
    dice = random.Random(seed)
    catalogue = Catalogue(Item(str(n), f"thing {seed}-{n}" if titled else str(n)) for n in range(items))
    histories = {f"u{n}": History(f"u{n}", tuple(map(str, dice.sample(range(items), 12)))) for n in range(users)}
    return Dataset("shop", catalogue, histories, LoadReport("shop.csv", 12 * users, users, items))


def with_histories(dataset: Dataset, change: object) -> Dataset:
    histories = {user: History(user, change(h.items)) for user, h in dataset.histories.items()}  # type: ignore[operator]
    return replace(dataset, histories=histories)


GROWN = {
    "the same": lambda d: d,
    "more items": lambda d: with_histories(d, lambda items: (*items, "0", "1", "2")),
    "a later window": lambda d: with_histories(d, lambda items: (*items[4:], "0", "1", "2", "3")),
    "late rows": lambda d: with_histories(d, lambda items: (*items[:3], "0", *items[3:])),
    "fewer users": lambda d: d.only(list(d.histories)[:7]),
    "a k-core": lambda d: with_histories(d, lambda items: items[::2]),
    "a title mended": lambda d: replace(d, catalogue=Catalogue(replace(i, title="X") if i.id == "7" else i for i in d.catalogue)),
    "titles in capitals": lambda d: replace(d, catalogue=Catalogue(replace(i, title=i.title.upper()) for i in d.catalogue)),
}


@pytest.mark.parametrize("how", GROWN)
def test_a_data_set_that_grew_is_the_same(how: str) -> None:
    assert Sketch.of(shop(1)).other_than(GROWN[how](shop(1))) == ""  # type: ignore[no-untyped-call]


def test_another_one_of_the_name_is_told_by_its_titles() -> None:
    why = Sketch.of(shop(1)).other_than(shop(2))
    assert "is 'thing 1-" in why
    assert "and 'thing 2-" in why


@given(st.integers(2, 200))
def test_without_titles_it_is_told_by_what_users_took(seed: int) -> None:
    assert "began with" in Sketch.of(shop(1, titled=False)).other_than(shop(seed, titled=False))


def test_sets_that_share_nothing_are_two() -> None:
    other = Dataset("shop", Catalogue([Item("x", "X")]), {"ann": History("ann", ("x",))}, LoadReport("", 1, 1, 1))
    assert "neither users nor items" in Sketch.of(shop(1)).other_than(other)
    assert Sketch({}, {}).other_than(other) == ""
