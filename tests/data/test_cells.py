"""Cells of any library and any dump hold what they hold."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmrg.core.errors import BadRowError, DataError
from llmrg.data.cells import MISSING, UnreadableCell, seconds, text, values
from llmrg.data.registry import load_data

NOTHING = [
    None,
    "",
    "  ",
    math.nan,
    np.nan,
    pd.NA,
    pd.NaT,
    Decimal("NaN"),
    np.datetime64("NaT"),
    pa.scalar(None),
    *sorted(MISSING),
]


@pytest.mark.parametrize("cell", NOTHING, ids=repr)
def test_nothing_is_nothing(cell: Any) -> None:
    assert text(cell) == ""
    assert values(cell, "|") == ()
    assert seconds(cell) is None


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        (np.int64(7), "7"), (np.float32(7), "7"), (np.str_("x"), "x"), (Decimal("7.00"), "7"), (Decimal("7.5"), "7.5"),
        (b"caf\xc3\xa9", "café"), (pa.scalar(7), "7"), (True, "True"), (np.bool_(True), "True"),
        (dt.date(2024, 1, 2), "2024-01-02"), (np.array(7), "7"), (2**70, str(2**70)),
    ],
    ids=repr,
)  # fmt: skip
def test_one_value(cell: Any, found: str) -> None:
    assert text(cell) == found


@pytest.mark.parametrize("cell", [["a", "b"], {"id": 7}, np.array(["a"]), b"\xff\xfe\x00", 1.2345678901234567e19], ids=repr)
def test_what_is_no_id_is_not_made_one(cell: Any) -> None:
    with pytest.raises(UnreadableCell):
        text(cell)


WORDS = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=8).filter(lambda w: w not in MISSING)
LISTS = st.lists(WORDS, min_size=1, max_size=5, unique=True)
WRITTEN = {
    "list": list,
    "tuple": tuple,
    "numpy": np.array,
    "series": pd.Series,
    "arrow": pa.array,
    "json": lambda words: json.dumps(words, ensure_ascii=False),
    "python": repr,
    "python tuple": lambda words: repr(tuple(words)),
    "numpy written": lambda words: "[" + " ".join(map(repr, words)) + "]",
    "bare": lambda words: "[" + ", ".join(words) + "]",
    "postgres": lambda words: "{" + ",".join(f'"{word}"' for word in words) + "}",
    "records": lambda words: [{"id": n, "name": word} for n, word in enumerate(words)],
    "records written": lambda words: repr([{"id": n, "name": word} for n, word in enumerate(words)]),
    "piped": "|".join,
}


@pytest.mark.parametrize("form", WRITTEN)
@given(words=LISTS)
@example(words=["00", "7"])
@example(words=["007", "1"])
def test_a_list_is_read_however_it_is_written(form: str, words: list[str]) -> None:
    assert values(WRITTEN[form](words), "|") == tuple(words)


@pytest.mark.parametrize("word", ["00", "1_000", "0x1f", "0b1"])
def test_what_python_takes_for_a_number_is_kept_as_it_is_written(word: str) -> None:
    assert values(f"[{word}, b]", "|") == (word, "b")


def test_records_without_a_clear_name_are_not_guessed() -> None:
    with pytest.raises(UnreadableCell, match="without a name"):
        values([{"a": "x", "b": "y"}], "|")


@pytest.mark.parametrize("unit", [1, 1e3, 1e6, 1e9])
@given(at=st.integers(978_307_200, 4_102_444_800))
def test_times_in_any_unit(unit: float, at: int) -> None:
    assert seconds(int(at * unit)) == pytest.approx(at)


@given(st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2199, 1, 1)))
def test_times_as_they_are_written(moment: dt.datetime) -> None:
    at = moment.replace(tzinfo=dt.UTC, microsecond=0).timestamp()
    for written in (
        moment.isoformat(sep=" ", timespec="seconds"),
        f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        f"{moment:%Y-%m-%d %H:%M:%S} UTC",
    ):
        assert seconds(written.replace("UTC", "UTC")) == at
    assert seconds(f"{moment:%d.%m.%Y %H:%M:%S}", "%d.%m.%Y %H:%M:%S") == at
    day = dt.datetime(moment.year, moment.month, moment.day, tzinfo=dt.UTC).timestamp()
    assert seconds(f"{moment:%Y%m%d}") == seconds(int(f"{moment:%Y%m%d}")) == day


LOG = {"user": ["a", "a", "b"], "item": [1, 2, None], "time": [3, None, 5], "rating": [1.0, None, 2.5]}


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(LOG).convert_dtypes(),
        pd.DataFrame(LOG).astype({"user": "category", "item": "Int64"}),
        pd.DataFrame({**LOG, "item": pd.array([1, 2, None], dtype="Int32"), "rating": pd.array([1, None, 2.5], dtype="Float64")}),
        pl.DataFrame(LOG).with_columns(pl.col("user").cast(pl.Categorical)),
        pd.DataFrame(LOG).convert_dtypes(dtype_backend="pyarrow"),
    ],
    ids=["nullable", "category", "Int32", "polars", "arrow"],
)
def test_missing_cells_of_frames_are_missing(frame: Any) -> None:
    dataset = load_data(frame, on_bad_row="skip")
    assert dataset.history("a").items == ("1",)
    assert len(dataset.report.bad_rows) == 2
    with pytest.raises(BadRowError, match="line 2, column 'time': empty"):
        load_data(frame)


def test_nested_and_binary_cells_of_parquet(tmp_path: Path) -> None:
    items = pa.table(
        {
            "item": pa.array([b"x", b"y"], pa.binary()),
            "title": pa.array(["X", None]).dictionary_encode(),
            "tags": pa.array([["a", "b"], None], pa.list_(pa.string())),
            "maker": pa.array([{"id": 1, "name": "Acme"}, None]),
        }
    )
    pq.write_table(items, tmp_path / "items.parquet")
    pq.write_table(pa.table({"user": pa.array([1, 1], pa.int8()), "item": ["x", "y"]}), tmp_path / "log.pq")
    dataset = load_data(tmp_path / "log.pq", items=tmp_path / "items.parquet")
    assert dataset.catalogue["x"].attributes == (("tags", "a"), ("tags", "b"), ("maker", "Acme"))
    assert [item.title for item in dataset.catalogue] == ["X", "y"]


def test_columns_of_frames_that_are_numbers_tuples_or_twice_there() -> None:
    frame = pd.DataFrame([["ann", 7, 100]])
    assert load_data(frame, columns={"user": 0, "item": 1, "time": 2}).history("ann").at == (100.0,)
    pivot = pd.DataFrame([["ann", 7]], columns=pd.MultiIndex.from_tuples([("log", "user"), ("log", "item")]))
    assert load_data(pivot, columns={"user": "log_user", "item": "log_item"}).history("ann").items == ("7",)
    with pytest.raises(DataError, match="a pandas or Polars data frame is expected, not Series"):
        load_data(pd.Series([1, 2]))
    with pytest.raises(DataError, match="'item' is there 2 times"):
        load_data(pd.DataFrame([["a", 1, 2]], columns=["user", "item", "item"]))


# -- text files ----------------------------------------------------------------------------------------------------------
def test_a_quote_that_is_a_letter(tmp_path: Path) -> None:
    (tmp_path / "log.tsv").write_text('user\titem\tproduct_name\na\t1\t"Best of" ABBA\nb\t2\t"Low\nb\t3\tBlur\nc\t4\tHigh"\n')
    dataset = load_data(tmp_path / "log.tsv")
    assert [item.title for item in dataset.catalogue] == ['"Best of" ABBA', '"Low', "Blur", 'High"']
    assert any("quotes are read as letters" in note for note in dataset.report.notes)


def test_quoted_fields_of_several_lines_stay_whole(tmp_path: Path) -> None:
    said = "Long, dark, sad, slow\nand then, suddenly, it, ends"
    (tmp_path / "log.csv").write_text(f'user,item,rating,review\na,1,4,"{said}"\nb,2,5,"He said ""no"", twice"\n')
    dataset = load_data(tmp_path / "log.csv", columns={"text": "review"})
    assert dataset.opinions["a"][0].text == said.replace("\n", " ")  # type: ignore[union-attr]
    assert dataset.opinions["b"][0].text == 'He said "no", twice'  # type: ignore[union-attr]


def test_a_quote_that_is_never_closed_is_told(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text('user,item,title\na,1,"Heroes\nb,2,"Low, and more"\nc,3,Blur\n')
    with pytest.raises(DataError, match="a quote that opens in line 2"):
        load_data(tmp_path / "log.csv")


def test_what_a_file_is_its_content_says(tmp_path: Path) -> None:
    rows = b"user,item\nann,x\n"
    (tmp_path / "packed.csv").write_bytes(gzip.compress(rows))
    (tmp_path / "plain.csv.gz").write_bytes(rows)
    (tmp_path / "wide.csv").write_bytes(rows.decode().encode("utf-16"))
    pq.write_table(pa.table({"user": ["ann"], "item": ["x"]}), tmp_path / "parquet.csv")
    for name in ("packed.csv", "plain.csv.gz", "wide.csv", "parquet.csv"):
        assert load_data(tmp_path / name).history("ann").items == ("x",)
    for head, what in ((b"PK\x03\x04", "Excel"), (b"BZh9", "bzip2"), (b"\x28\xb5\x2f\xfd", "Zstandard")):
        (tmp_path / "other.csv").write_bytes(head + b"\x00" * 20)
        with pytest.raises(DataError, match=what):
            load_data(tmp_path / "other.csv")


def test_very_long_fields(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(f"user,item,review\nann,x,{'long ' * 60_000}\n")
    assert len(load_data(tmp_path / "log.csv", columns={"text": "review"}).opinions["ann"][0].text) > 250_000  # type: ignore[union-attr]
    (tmp_path / "bad.csv").write_text(f"user,item,time\nann,x,{'9x' * 60_000}\n")
    with pytest.raises(BadRowError) as found:
        load_data(tmp_path / "bad.csv")
    assert len(str(found.value)) < 600


@pytest.mark.parametrize("word", [r"\N", "NULL", "nan", "None", "<NA>"])
def test_words_for_nothing_are_no_ids(word: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(f"user,item\n{word},x\nann,{word}\nann,y\n")
    with pytest.raises(BadRowError, match="line 2, column 'user': a missing value"):
        load_data(tmp_path / "log.csv")
    assert list(load_data(tmp_path / "log.csv", on_bad_row="skip").histories) == ["ann"]
    assert word in load_data(tmp_path / "log.csv", missing=()).histories
