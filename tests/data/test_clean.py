"""The one cleaning path: order, repeats, ties, k-core, titles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.core.errors import ConfigError, DataError, UnknownItemError, UnknownUserError
from llmrg.core.records import Interaction, Item
from llmrg.data.clean import k_core, make_dataset, sorted_by_time, without_repeats
from llmrg.data.interactions import Interactions

rows = st.lists(
    st.builds(
        Interaction,
        st.sampled_from("abcde"),
        st.sampled_from("uvwxyz"),
        st.integers(min_value=0, max_value=5).map(float),
    ),
    min_size=1,
    max_size=60,
)


def make(interactions: list[Interaction], **options: object):  # type: ignore[no-untyped-def]
    return make_dataset("test", interactions, source="test", **options)  # type: ignore[arg-type]


def grouped(interactions: Iterable[Interaction]) -> dict[str, list[Interaction]]:
    """The plain way: user -> rows, users by first appearance."""
    events: dict[str, list[Interaction]] = {}
    for row in interactions:
        events.setdefault(row.user, []).append(row)
    return events


@given(rows)
def test_sorting_is_stable_and_loses_nothing(interactions: list[Interaction]) -> None:
    tagged = [replace(row, item=f"{row.item}#{place}") for place, row in enumerate(interactions)]
    log = sorted_by_time(Interactions.of(tagged))
    assert Counter(log) == Counter(tagged)
    assert list(grouped(log)) == list(grouped(tagged)) == [user for user, _ in groupby(log, key=lambda row: row.user)]
    for mine in grouped(log).values():
        for a, b in pairwise(mine):
            place = [int(row.item.split("#")[1]) for row in (a, b)]
            assert a.at < b.at or (a.at == b.at and place[0] < place[1])  # type: ignore[operator]


@given(rows)
def test_repeats_go_and_the_first_stays(interactions: list[Interaction]) -> None:
    events = grouped(interactions)
    kept = without_repeats(Interactions.of(interactions).by_user())
    assert {(row.user, row.item) for row in kept} == {(row.user, row.item) for row in interactions}
    for user, mine in grouped(kept).items():
        assert len({row.item for row in mine}) == len(mine)
        assert mine == [row for n, row in enumerate(events[user]) if row.item not in {r.item for r in events[user][:n]}]


@given(rows, st.integers(min_value=1, max_value=4))
def test_k_core_is_a_k_core_and_the_largest(interactions: list[Interaction], k: int) -> None:
    log = without_repeats(Interactions.of(interactions).by_user())
    core = list(k_core(log, k))
    for of in (Counter(row.user for row in core), Counter(row.item for row in core)):
        assert all(n >= k for n in of.values())
    pairs = {(row.user, row.item) for row in log}
    while True:  # an independent way: take out one bad pair after another
        bad = [p for p in pairs if min(sum(q[0] == p[0] for q in pairs), sum(q[1] == p[1] for q in pairs)) < k]
        if not bad:
            break
        pairs -= set(bad)
    assert {(row.user, row.item) for row in core} == pairs


@given(rows)
def test_the_report_adds_up(interactions: list[Interaction]) -> None:
    dataset = make(interactions)
    report = dataset.report
    assert report.interactions == sum(map(len, dataset.histories.values()))
    assert report.interactions + report.duplicates_dropped == len(interactions)
    assert (report.users, report.items) == (len(dataset.histories), len(dataset.catalogue))
    ties = sum(a == b for h in dataset.histories.values() for a, b in pairwise(h.at))
    assert report.time_ties == ties
    assert all(item in dataset.catalogue for h in dataset.histories.values() for item in h.items)


def test_equal_times_keep_the_order_of_the_source_and_are_counted() -> None:
    dataset = make([Interaction("a", "late", 9), Interaction("a", "x", 5), Interaction("a", "b", 5), Interaction("a", "x", 7)])
    assert dataset.history("a").items == ("x", "b", "late")
    assert dataset.history("a").at == (5, 5, 9)
    assert (dataset.report.time_ties, dataset.report.duplicates_dropped) == (1, 1)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["ax", "ax", "ay"], "1 of 3 rows is a repeat of what a user had taken; only the first counts"),
        (["ax", "bx", "ax", "bx", "bx"], "3 of 5 rows are repeats of what a user had taken; only the first counts"),
        (["ax"] * 1200, "1,199 of 1,200 rows are repeats of what a user had taken; only the first counts"),
        (["ax", "bx", "ay"], ""),
    ],
)
def test_dropped_repeats_are_told_where_there_are_any(rows: list[str], told: str) -> None:
    report = make([Interaction(user, item) for user, item in rows]).report
    assert report.repeats == told
    assert [note for note in report.notes if "repeat" in note] == [told] * bool(told)


def test_interactions_that_are_in_order_already_are_not_sorted() -> None:
    dataset = make([Interaction("a", "x", 5), Interaction("a", "y", None), Interaction("a", "z", 1)], in_order=True)
    assert dataset.history("a").items == ("x", "y", "z")


def test_without_times_the_source_gives_the_order_and_a_note_says_so() -> None:
    dataset = make([Interaction("a", "x"), Interaction("a", "y", 3.0), Interaction("b", "y", 1.0)])
    assert dataset.history("a").items == ("x", "y")
    assert any("file order" in note for note in dataset.report.notes)


def test_items_without_a_title_keep_the_id_and_are_counted() -> None:
    dataset = make([Interaction("a", "x"), Interaction("a", "y"), Interaction("a", "z")], items=[Item("x", "X"), Item("y", "")])
    assert [item.title for item in dataset.catalogue] == ["X", "y", "z"]
    assert dataset.report.items_without_title == 2


def test_listed_items_that_nobody_took_are_left_out_or_kept() -> None:
    items = [Item("unused", "U"), Item("x", "X")]
    left_out = make([Interaction("a", "x")], items=items)
    assert left_out.catalogue.ids == ("x",)
    assert any("1 listed items" in note for note in left_out.report.notes)
    assert make([Interaction("a", "x")], items=items, keep_unused=True).catalogue.ids == ("unused", "x")


def test_k_core_is_reported() -> None:
    interactions = [Interaction(user, item) for user in "ab" for item in "xy"] + [Interaction("c", "x")]
    dataset = make(interactions, min_interactions=2)
    assert set(dataset.histories) == {"a", "b"}
    assert any("1 of 5 interactions dropped" in note for note in dataset.report.notes)


def test_a_user_with_one_item_is_kept() -> None:
    assert make([Interaction("a", "x", 1.0)]).history("a").items == ("x",)


def test_nothing_in_nothing_out() -> None:
    with pytest.raises(DataError, match="test: no interactions"):
        make([])
    with pytest.raises(DataError, match="all 1 rows were bad, the first: row 3"):
        make([], bad_rows=["row 3"])
    with pytest.raises(DataError, match="nothing is left of 1 interactions with min_interactions=5"):
        make([Interaction("a", "x")], min_interactions=5)
    with pytest.raises(ConfigError, match="not 0"):
        make([Interaction("a", "x")], min_interactions=0)


def test_unknown_users_and_items_are_named() -> None:
    dataset = make([Interaction("a", "x")])
    with pytest.raises(UnknownUserError, match=r"no user 'b'.*for instance 'a'"):
        dataset.history("b")
    with pytest.raises(UnknownUserError):
        dataset.only(["b"])
    with pytest.raises(UnknownItemError, match="no item 'q'"):
        dataset.catalogue.row("q")
    with pytest.raises(UnknownItemError):
        dataset.catalogue["q"]
    assert dataset.catalogue.row("x") == 1


def test_reason_attributes_that_no_item_has_are_left_out() -> None:
    dataset = make([Interaction("a", "x")], items=[Item("x", "X", (("genre", "War"),))], reason_attributes=("genre", "tag"))
    assert dataset.reason_attributes == ("genre",)
