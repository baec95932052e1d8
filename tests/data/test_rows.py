"""Values of rows, and bad rows."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest

from llmrg.core.errors import BadRowError, ConfigError, DataError
from llmrg.data.cells import text
from llmrg.data.rows import BadRows, Row, check_columns


def row(value: Any) -> Row:
    return Row("file.csv", 7, {"x": value})


@pytest.mark.parametrize(("value", "seen"), [(" a ", "a"), (None, ""), (math.nan, ""), (12.0, "12"), (1.5, "1.5"), (3, "3")])
def test_text(value: Any, seen: str) -> None:
    assert text(value) == seen


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("978300019", 978300019.0),
        (978300019.5, 978300019.5),
        ("1970-01-02", 86400.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1970-01-01 00:00:05", 5.0),
        (dt.date(1970, 1, 2), 86400.0),
        (dt.datetime(1970, 1, 1, 0, 1), 60.0),
        (dt.datetime(1970, 1, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))), 0.0),
    ],
)
def test_time_in_seconds(value: Any, seconds: float) -> None:
    assert row(value).time("x") == seconds


@pytest.mark.parametrize("value", ["yesterday", "", None, "nan", "inf"])
def test_bad_times(value: Any) -> None:
    with pytest.raises(BadRowError, match=r"file\.csv, line 7, column 'x'"):
        row(value).time("x")


def test_pandas_missing_time_is_bad() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(BadRowError):
        row(pandas.NaT).time("x")


def test_numbers() -> None:
    assert row("4.5").number("x") == 4.5
    assert row(None).number("x") is None
    for bad in ("five", "inf"):
        with pytest.raises(BadRowError, match=bad):
            row(bad).number("x")


def test_required_text() -> None:
    with pytest.raises(BadRowError, match="empty"):
        row("  ").need("x")


def test_bad_rows_raise_or_are_listed() -> None:
    rows = [row("1"), row("one"), row("3")]
    with pytest.raises(BadRowError, match="'one'"):
        list(BadRows("error").each(rows, lambda r: r.number("x")))
    skipping = BadRows("skip")
    assert list(skipping.each(rows, lambda r: r.number("x"))) == [1.0, 3.0]
    assert skipping.skipped == ["file.csv, line 7, column 'x': not a number: 'one'"]


def test_an_unknown_way_with_bad_rows_is_refused() -> None:
    with pytest.raises(ConfigError, match="ignore"):
        BadRows("ignore")  # type: ignore[arg-type]


def test_a_missing_column_says_what_is_there() -> None:
    with pytest.raises(DataError, match="no column 'b'; there are: 'a', 'c'"):
        check_columns("f.csv", ["a", "b"], ["a", "c"])
