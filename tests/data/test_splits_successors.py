"""Leave-one-out, and successor counts that never rest on the user's own or held-out items."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.core.errors import ConfigError
from llmrg.core.records import History, Interaction
from llmrg.data.clean import make_dataset
from llmrg.data.dataset import Dataset
from llmrg.data.splits import Split
from llmrg.data.successors import Successors

histories = st.dictionaries(
    st.sampled_from("pqrs"), st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=7, unique=True), min_size=1
)


def dataset(items: dict[str, list[str]]) -> Dataset:
    rows = [Interaction(user, item) for user, mine in items.items() for item in mine]
    return make_dataset("test", rows, source="test", in_order=True)


@given(st.integers(min_value=1, max_value=9))
def test_the_last_two_are_held_out(length: int) -> None:
    history, split = History("u", tuple(map(str, range(length)))), Split()
    if length < 3:
        assert split.train_length(history) == length
        assert split.validation_position(history) is split.test_position(history) is None
    else:
        assert (split.train_length(history), split.validation_position(history), split.test_position(history)) == (
            length - 2,
            length - 2,
            length - 1,
        )


@given(st.lists(st.integers(min_value=1, max_value=9)), st.sampled_from([0, 1, 2]))
def test_many_histories_are_held_out_of_as_one_is(lengths: list[int], held_out: int) -> None:
    split, sizes = Split(held_out), np.array(lengths, dtype=np.int64)
    assert split.train_lengths(sizes).tolist() == [split.train_length(range(n)) for n in lengths]
    for many, one in ((split.validation_positions, split.validation_position), (split.test_positions, split.test_position)):
        assert [None if p < 0 else p for p in many(sizes).tolist()] == [one(range(n)) for n in lengths]


def test_less_can_be_held_out_and_nothing_else() -> None:
    four = range(4)
    assert [Split(n).train_length(four) for n in (0, 1, 2)] == [4, 3, 2]
    assert [(Split(n).validation_position(four), Split(n).test_position(four)) for n in (0, 1)] == [(None, None), (None, 3)]
    with pytest.raises(ConfigError, match="not 3"):
        Split(3)


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
