"""Ids and times that can be read and may mean something else: refused, or said in a note."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrg.core.errors import BadRowError
from llmrg.data.cells import MISSING, seconds
from llmrg.data.doubts import NOBODY
from llmrg.data.registry import load_data

NOTHING = {word.casefold() for word in (*MISSING, *NOBODY)}


def of_users(*users: str) -> tuple[str, ...]:
    frame = pd.DataFrame({"user_id": users, "item_id": [f"i{n}" for n in range(len(users))], "timestamp": range(len(users))})
    return load_data(frame).report.notes


@settings(deadline=None)
@given(st.from_regex(r"[1-9](\.[0-9]{1,8})?[eE]\+[0-9]{2}", fullmatch=True))
def test_ids_that_a_spreadsheet_rounded_are_refused(rounded: str) -> None:
    with pytest.raises(BadRowError, match="last digits are lost"):
        of_users(rounded)


@pytest.mark.parametrize("user", ["12e45", "7e10", "a+b", "1.5", "c++"])
def test_codes_that_only_look_like_numbers_stay(user: str) -> None:
    assert not of_users(user, "ann")


def test_an_id_with_nul_characters_is_refused() -> None:
    with pytest.raises(BadRowError, match="NUL"):
        of_users("ann\0")


@pytest.mark.parametrize("word", ["-", "?", "unknown", "Anonymous", "guest", "(not set)", "none"])
def test_words_for_nobody_are_told(word: str) -> None:
    (note,) = of_users("ann", word, word)
    assert f"2 rows have the user {word!r}, which may stand for none" in note


@settings(deadline=None)
@given(
    st.text(st.characters(categories=("Ll", "Lu"), max_codepoint=0x2FF), min_size=1, max_size=6).filter(
        lambda name: name.casefold() not in NOTHING
    )
)
def test_one_name_in_two_ways_to_write_its_letters_is_told(name: str) -> None:
    ways = {unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)}
    assert any("spelled in two ways" in note for note in of_users(*ways)) == (len(ways) == 2)


@pytest.mark.parametrize("hidden", ["\u200b", "\ufeff", "\u00ad", "\u2060"])
def test_signs_that_nobody_sees_are_told(hidden: str) -> None:
    (note,) = of_users("ann", f"ann{hidden}")
    assert "spelled in two ways" in note
    assert hidden not in note


@pytest.mark.parametrize(
    ("cells", "read"), [((2023, 2024), "2023 to 2024"), ((202401, 202402), "202401"), ((45321, 45322), "45321")]
)
def test_numbers_that_are_hardly_seconds_are_told(cells: tuple[int, int], read: str) -> None:
    frame = pd.DataFrame({"user_id": "ann", "item_id": ["x", "y"], "date": cells})
    assert any(read in note and "time format" in note for note in load_data(frame).report.notes)


@pytest.mark.parametrize("cells", [(1, 2), (1_700_000_000, 1_600_000_000), ("1971-01-02", "1970-03-01")])
def test_ranks_seconds_and_days_are_not(cells: tuple[object, object]) -> None:
    assert not load_data(pd.DataFrame({"user_id": "ann", "item_id": ["x", "y"], "date": cells})).report.notes


@pytest.mark.parametrize("cell", ["20240131", "20240131.0", 20240131.0, "20240131000000", 20240131000000])
def test_days_written_as_numbers(cell: object) -> None:
    assert seconds(cell) == 1706659200.0
    assert seconds("20240131103005") == 1706659200.0 + 37805


@pytest.mark.parametrize(("written", "rating"), [("4,5", 4.5), ("-0,25", -0.25), ("3", 3.0), ("4.5", 4.5)])
def test_ratings_with_a_decimal_comma(written: str, rating: float, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(f"user_id;item_id;rating\nann;x;{written}\n")
    (said,) = load_data(tmp_path / "log.csv").opinions_before("ann", 1)
    assert said is not None
    assert said.rating == rating


def test_a_comma_that_may_part_thousands_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user_id;item_id;rating\nann;x;4,500\n")
    with pytest.raises(BadRowError, match="not a number: '4,500'"):
        load_data(tmp_path / "log.csv")
