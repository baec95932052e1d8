"""Leave-one-out, and successor counts that never rest on the user's own or held-out items."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.core.records import History, Interaction
from llmrg.data import splits
from llmrg.data.clean import make_dataset
from llmrg.data.dataset import Dataset
from llmrg.data.successors import Successors

histories = st.dictionaries(
    st.sampled_from("pqrs"), st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=7, unique=True), min_size=1
)


def dataset(items: dict[str, list[str]]) -> Dataset:
    rows = [Interaction(user, item) for user, mine in items.items() for item in mine]
    return make_dataset("test", rows, source="test", in_order=True)


@given(st.integers(min_value=1, max_value=9))
def test_the_last_two_are_held_out(length: int) -> None:
    history = History("u", tuple(map(str, range(length))))
    if length < 3:
        assert splits.train_length(history) == length
        assert splits.validation_position(history) is splits.test_position(history) is None
    else:
        assert (splits.train_length(history), splits.validation_position(history), splits.test_position(history)) == (
            length - 2,
            length - 2,
            length - 1,
        )


def test_nearer_items_weigh_more() -> None:
    successors = Successors(dataset({"p": ["a", "b", "c", "d", "e", "held", "out"], "q": ["a", "b"]}), window=3)
    assert dict(successors.ranked("a")) == pytest.approx({"b": 2.0, "c": 1 / 2, "d": 1 / 3})
    assert [item for item, _ in successors.ranked("a")] == ["b", "c", "d"]


def test_held_out_items_are_never_counted() -> None:
    successors = Successors(dataset({"p": ["a", "b", "held", "out"]}))
    assert {item for start in "ab" for item, _ in successors.ranked(start)} == {"b"}
    assert successors.ranked("held") == []


@given(histories, st.sampled_from("abcdefg"))
def test_leaving_a_user_out_equals_counting_without_that_user(items: dict[str, list[str]], item: str) -> None:
    whole = dataset(items)
    for user in items:
        others = {other: mine for other, mine in items.items() if other != user}
        left = dict(Successors(whole).ranked(item, without=whole.history(user)))
        expected = dict(Successors(dataset(others)).ranked(item)) if others else {}
        assert left == pytest.approx(expected)
