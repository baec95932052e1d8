"""Reading by columns means what reading row by row means: values, bad rows, line numbers, whatever the cells hold."""

from __future__ import annotations

import math
import os
import string
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrg.core.errors import BadRowError, DataError
from llmrg.data import plain_text
from llmrg.data.cells import MISSING
from llmrg.data.column_cells import IdColumn, numbers_of
from llmrg.data.dataset import Dataset
from llmrg.data.registry import load_data
from llmrg.data.rows import ColumnRule, Row

odd = st.sampled_from(
    ["", " ", "0", "-1", "7.50", "007", "12.0", "1e3", "1,5", "1,234", "nan", "inf", "NULL", r"\N", "20240131", "20241399",
     "01230405",
     "20240131235959", "20240131.0", "1700000000", "1700000000123", "1700000000123456789", "99999999999999999999", "2024-01-31",
     "2024-01-31 10:00:00 UTC", " 5 ", "５", "0x1F", "+5", "1_000", "1.5", ".5", "5.", "1.23457E+12", "a\0b", "nothing", "x" * 40]
)  # fmt: skip
texts = odd | st.text(string.digits + ".-: T", max_size=19) | st.integers(-(10**19), 10**19).map(str) | st.text(max_size=6)
objects = texts | st.none() | st.booleans() | st.integers() | st.floats() | st.lists(texts, max_size=2) | st.datetimes()
missing = st.just(MISSING) | st.sets(st.sampled_from(["0", "5", "1.5", "20240131", "n", "1700000000"])).map(frozenset)
RULES: dict[str, Callable[[Row, str], Any]] = {"number": Row.number, "time": Row.time}


def by_rule(cells: list[Any], read: Callable[[Row, str], Any], words: frozenset[str]) -> list[Any]:
    """One cell after another; "bad" for what is refused."""
    found: list[Any] = []
    for cell in cells:
        try:
            found.append(read(Row("test", 1, {"cell": cell}, words), "cell"))
        except BadRowError:
            found.append("bad")
    return found


def by_column(cells: Any, kind: str, words: frozenset[str]) -> list[Any]:
    values, bad = numbers_of(cells, ColumnRule("cell", RULES[kind], kind), words)
    pairs = zip(values.tolist(), bad.tolist(), strict=True)
    return ["bad" if wrong else None if math.isnan(value) else value for value, wrong in pairs]


@settings(deadline=None)
@given(st.lists(texts, max_size=12), st.sampled_from(sorted(RULES)), missing)
def test_texts_are_the_numbers_and_times_that_one_cell_is(cells: list[str], kind: str, words: frozenset[str]) -> None:
    assert by_column(pa.array(cells, pa.string()), kind, words) == by_rule(cells, RULES[kind], words)


@settings(deadline=None)
@given(st.lists(objects, max_size=12), st.sampled_from(sorted(RULES)), missing)
def test_objects_are_the_numbers_and_times_that_one_cell_is(cells: list[Any], kind: str, words: frozenset[str]) -> None:
    assert by_column(cells, kind, words) == by_rule(cells, RULES[kind], words)


whole = st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 10**15)
floats = st.none() | st.floats() | st.integers(-(10**17), 10**17).map(float) | st.floats(0, 1e15)


@settings(deadline=None)
@given(st.lists(whole, max_size=8) | st.lists(floats, max_size=8), st.sampled_from(sorted(RULES)), missing)
def test_numbers_of_arrow_are_what_one_cell_is(cells: list[Any], kind: str, words: frozenset[str]) -> None:
    of = pa.float64() if any(isinstance(cell, float) for cell in cells) else pa.int64()
    array = pa.array(cells, of)
    assert by_column(array, kind, words) == by_rule(array.to_pylist(), RULES[kind], words)


@settings(deadline=None)
@given(st.lists(objects, max_size=12), missing)
def test_ids_are_what_one_cell_is(cells: list[Any], words: frozenset[str]) -> None:
    for column in (cells, pa.array([cell for cell in cells if isinstance(cell, str)], pa.string())):
        codes: dict[str, int] = {}
        found = IdColumn(ColumnRule("cell", Row.need), words, codes).of(column)
        named = ["bad" if code < 0 else list(codes)[code] for code in found.tolist()]
        assert named == by_rule(column if isinstance(column, list) else column.to_pylist(), Row.need, words)


def told(dataset: Dataset) -> tuple[Any, ...]:
    """All that a data set says."""
    report = dataset.report
    said = (report.bad_rows, report.notes, report.first, report.duplicates_dropped, report.columns)
    return dict(dataset.histories), dict(dataset.opinions), dataset.catalogue.titles, said


cell = st.sampled_from(["a", "b", " a", "c ", "", "NULL", "5", "5.0", "05"]) | st.text("ab01 .é", max_size=3)
lines = st.lists(st.tuples(cell, cell, texts.filter(lambda t: not set(t) & set('",\r\n\0')), cell, cell), min_size=1, max_size=12)


@settings(deadline=None, max_examples=30)
@given(lines, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.integers(20, 200))
def test_a_file_says_the_same_by_columns_and_row_by_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], end: str, ends: bool, block: int
) -> None:
    """A quote in the header leaves the file to the reader that goes row by row."""
    path = tmp_path_factory.mktemp("both") / "log.csv"
    body = end.join(",".join(row) for row in [("u", "i", "1700000000", "3", "t"), *rows]) + end * ends
    path.write_bytes(f"user,item,timestamp,rating,title{end}{body}".encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_text, "BLOCK", block)
        by_columns = load_data(path, on_bad_row="skip")
    path.write_bytes(f'"user",item,timestamp,rating,title{end}{body}'.encode())
    assert told(by_columns) == told(load_data(path, on_bad_row="skip"))


def test_a_bad_cell_is_named_with_its_line_also_far_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_text, "BLOCK", 100)
    rows = [f"u{n % 7},i{n},{1_700_000_000 + n}" for n in range(200)]
    rows[150] = "u3,i150,soon"
    (tmp_path / "log.csv").write_text("user,item,time\n" + "\n".join(rows))
    with pytest.raises(BadRowError, match=r"log\.csv, line 152, column 'time'.*'soon'"):
        load_data(tmp_path / "log.csv")
    dataset = load_data(tmp_path / "log.csv", on_bad_row="skip")
    assert dataset.report.interactions == 199
    assert dataset.report.bad_rows[0].startswith("log.csv, line 152, column 'time'")


def test_users_stand_by_their_first_good_row(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,time\nlate,x,never\nann,x,1\nlate,y,2\n")
    assert list(load_data(tmp_path / "log.csv", on_bad_row="skip").histories) == ["ann", "late"]


def test_one_ragged_row_far_down_is_told_as_ever(tmp_path: Path) -> None:
    rows = [f"u{n % 7},i{n}" for n in range(50)]
    rows[40] = "u1,i40,more"
    (tmp_path / "log.csv").write_text("user,item\n" + "\n".join(rows) + "\n")
    with pytest.raises(BadRowError, match=r"line 42.*3 fields where 2 are expected"):
        load_data(tmp_path / "log.csv")
    assert load_data(tmp_path / "log.csv", on_bad_row="skip").report.interactions == 49


FRAME = pd.DataFrame(
    {
        "user": ["ann", "ann", "bob", "bob", "bob"],
        "item": [1, 2, 2, 1, 3],
        "time": pd.to_datetime(
            ["2024-01-02", "2024-01-01", "2024-02-01T10:00:01.5", "2024-02-02", "2024-02-03"], format="ISO8601"
        ),
        "rating": [1.0, np.nan, 4.5, 5.0, 2.0],
    }
)


@pytest.mark.parametrize("kind", ["csv", "parquet", "pandas", "polars", "categories", "objects"])
def test_the_same_data_in_any_form_is_the_same(kind: str, tmp_path: Path) -> None:
    source: Any = {"pandas": FRAME, "polars": pl.from_pandas(FRAME)}.get(kind, FRAME)
    if kind == "csv":
        FRAME.to_csv(source := tmp_path / "log.csv", index=False)
    if kind == "parquet":
        pq.write_table(pa.Table.from_pandas(FRAME), source := tmp_path / "log.parquet")
    if kind == "categories":
        source = FRAME.astype({"user": "category", "item": "category"})
    if kind == "objects":
        source = FRAME.astype({"item": object}).assign(user=np.array(["ann", "ann", "bob", b"bob", "bob"], dtype=object))
    dataset = load_data(source)
    assert dataset.history("ann").items == ("2", "1")
    assert dataset.history("bob").at == tuple(
        datetime(2024, 2, *at, tzinfo=UTC).timestamp() for at in [(1, 10, 0, 1, 500_000), (2,), (3,)]
    )
    assert [None if said is None else said.rating for said in dataset.opinions["ann"]] == [None, 1.0]


def test_what_cannot_fit_into_memory_is_told_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item,time\n" + "ann,dune,1700000000\n" * 5000)
    assert load_data(path).report.interactions == 1
    os.truncate(path, 2**40)  # no byte of it is stored
    with pytest.raises(DataError, match=r"some 5\d,\d{3},\d{3},\d{3} rows by its size.*GB of memory at least .*GB are free"):
        load_data(path)
