"""What users said goes where their interactions go, and is cut as histories are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.core.errors import DataError, UnknownUserError
from llmrg.core.records import Interaction
from llmrg.data import Dataset, Opinion
from llmrg.data.clean import make_dataset
from llmrg.data.frames import load_frames
from llmrg.data.options import ReadOptions
from llmrg.data.registry import load_data
from llmrg.data.tables import load_tables


@st.composite
def logs(draw: st.DrawFn) -> list[Interaction]:
    """Few users, items and times, so that repeats and ties abound; what was said names the row, if anything was said."""
    times = st.none() | st.integers(0, 4).map(float) if draw(st.booleans()) else st.integers(0, 4).map(float)
    rows = st.tuples(
        st.sampled_from("abc"), st.sampled_from("uvwxyz"), times, st.sampled_from(["rating", "headline", "text", ""])
    )
    drawn = draw(st.lists(rows, min_size=1, max_size=50))
    return [
        Interaction(
            user,
            item,
            at,
            float(place) if what == "rating" else None,
            f"headline {place}" if what == "headline" else "",
            f"text {place}" if what == "text" else "",
        )
        for place, (user, item, at, what) in enumerate(drawn)
    ]


def who_put_it_there(log: list[Interaction], user: str, item: str, in_order: bool) -> Interaction:
    """The user's earliest interaction with the item; of equally early ones, and of a user without all times, the file's first."""
    mine = [row for row in log if row.user == user]
    rows = [row for row in mine if row.item == item]
    if in_order or any(row.at is None for row in mine):
        return rows[0]
    return min(rows, key=lambda row: row.at or 0.0)


def said_in(row: Interaction) -> Opinion | None:
    said = row.rating is not None or row.headline or row.text
    return Opinion(row.rating, row.headline, row.text) if said else None


def whole(dataset: Dataset, user: str) -> tuple[Opinion | None, ...]:
    return dataset.opinions_before(user, len(dataset.history(user)))


@given(logs(), st.booleans(), st.integers(1, 3))
def test_each_opinion_is_that_of_the_interaction_that_put_the_item_there(log: list[Interaction], in_order: bool, k: int) -> None:
    try:
        dataset = make_dataset("test", log, source="test", in_order=in_order, min_interactions=k)
    except DataError:
        assert k > 1
        return
    for user, history in dataset.histories.items():
        expected = [said_in(who_put_it_there(log, user, item, in_order)) for item in history.items]
        assert whole(dataset, user) == (tuple(expected) if any(expected) else ())
    assert set(dataset.opinions) <= set(dataset.histories)


@given(logs(), st.integers(0, 8))
def test_nothing_said_at_or_after_a_position_comes_out(log: list[Interaction], position: int) -> None:
    planted = [replace(row, text=f"secret of {row.item}") for row in log]
    dataset = make_dataset("test", planted, source="test")
    for user, history in dataset.histories.items():
        known = dataset.opinions_before(user, position)
        assert len(known) == len(history.before(position))
        secrets = [opinion.text for opinion in known if opinion]
        assert secrets == [f"secret of {item}" for item in history.before(position).items]


def test_the_cut_is_that_of_the_history_and_a_shortened_history_gives_no_more_away() -> None:
    dataset = make_dataset(
        "test", [Interaction("a", item, rating=stars) for item, stars in zip("xyz", (1, 2, 3), strict=True)], source="t"
    )
    for position in (-1, 0, 2, 3, 9):
        assert [o.rating for o in dataset.opinions_before("a", position) if o] == [1, 2, 3][:position]
    shortened = replace(dataset, histories={"a": dataset.history("a").before(1)})
    assert shortened.opinions_before("a", 3) == (Opinion(1),)


def test_of_a_repeated_item_the_opinion_that_is_kept_is_the_first() -> None:
    log = [Interaction("a", "x", 9.0, 1.0), Interaction("a", "y", 5.0, 2.0), Interaction("a", "x", 3.0, 5.0)]
    dataset = make_dataset("test", log, source="test")
    assert dataset.history("a").items == ("x", "y")
    assert whole(dataset, "a") == (Opinion(5.0), Opinion(2.0))


def test_the_k_core_takes_opinions_along() -> None:
    log = [Interaction(user, item, rating=float(n)) for n, (user, item) in enumerate(["ax", "aq", "ay", "bx", "by", "cx"])]
    dataset = make_dataset("test", log, source="test", min_interactions=2)
    assert dataset.opinions == {"a": (Opinion(0.0), Opinion(2.0)), "b": (Opinion(3.0), Opinion(4.0))}


def test_users_who_said_nothing_have_none() -> None:
    silent = make_dataset("test", [Interaction("a", "x")], source="test")
    assert silent.opinions == {}
    assert silent.opinions_before("a", 1) == ()
    assert load_data("demo").opinions == {}
    mixed = make_dataset(
        "test", [Interaction("a", "x"), Interaction("b", "x"), Interaction("b", "y", headline="!")], source="test"
    )
    assert mixed.opinions == {"b": (None, Opinion(None, "!"))}
    with pytest.raises(UnknownUserError, match="no user 'q'"):
        mixed.opinions_before("q", 1)


def test_chosen_users_keep_their_own() -> None:
    dataset = make_dataset("test", [Interaction(user, "x", rating=1.0) for user in "ab"] + [Interaction("c", "x")], source="test")
    assert dataset.only(["b", "c"]).opinions == {"b": (Opinion(1.0),)}


def test_ratings_alone_are_shared() -> None:
    dataset = make_dataset("test", [Interaction(u, i, rating=float("4.5")) for u in "ab" for i in "xy"], source="test")
    assert len({id(opinion) for user in "ab" for opinion in whole(dataset, user)}) == 1


ROWS = [
    {"user": "a", "item": "x", "stars": 5, "text": "not asked for", "head": "Fine\n stuff", "body": "It  is\tgood. "},
    {"user": "a", "item": "y", "stars": None, "text": "", "head": None, "body": None},
]


def test_tables_and_frames_keep_ratings_and_what_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    for load in (
        lambda **more: load_tables(path, options=ReadOptions(**more)),
        lambda **more: load_frames(pd.DataFrame(ROWS), options=ReadOptions(**more)),
    ):
        assert whole(load(), "a") == (Opinion(5.0), None)  # a column called `text` is not taken for what the user wrote
        named = load(columns={"headline": "head", "text": "body"})
        assert whole(named, "a") == (Opinion(5.0, "Fine stuff", "It is good."), None)
        with pytest.raises(DataError, match="no column 'review'; there are: 'user'"):
            load(columns={"text": "review"})
