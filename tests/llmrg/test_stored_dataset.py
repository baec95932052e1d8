"""A data set that is only in the store: what is not stored is found again as far as it can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrg.agents.minds.attributes import AttributesMind
from llmrg.agents.minds.reason_bank import reason_bank
from llmrg.core.errors import DataError
from llmrg.core.records import History, Item
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.stored_dataset import stored_dataset

ITEMS = [
    Item(f"b{n}", f"Book {n}", (("theme", theme), ("author", f"Author {n}"), ("pages", str(300 + n))))
    for n, theme in enumerate(["pirates", "pirates", "ghosts", "ghosts", "pirates", "ghosts"])
]


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    with SqliteStore(tmp_path / "graphs.db") as opened:
        opened.put_items("x", ITEMS)
        opened.put_histories("x", [History("ann", ("b0", "b1", "b2")), History("bob", ("b3", "b4"))])
        yield opened  # type: ignore[misc]


def test_attributes_that_can_be_reasons_are_found_in_the_catalogue(store) -> None:
    dataset = stored_dataset(store, "x")
    assert dataset.reason_attributes == ("theme",)
    assert reason_bank(dataset, 150) == ("ghosts", "pirates"), "what the likelihood mind chooses from"
    assert AttributesMind(dataset).settings


def test_all_else_is_as_it_was_stored(store) -> None:
    dataset = stored_dataset(store, "x")
    assert list(dataset.catalogue) == ITEMS
    assert {user: h.items for user, h in dataset.histories.items()} == {"ann": ("b0", "b1", "b2"), "bob": ("b3", "b4")}
    assert (dataset.report.interactions, dataset.report.users, dataset.report.items) == (5, 2, 6)


def test_nothing_there(store) -> None:
    with pytest.raises(DataError, match="'y'"):
        stored_dataset(store, "y")
