"""Tables, frames and RecBole files: three ways to the same data set."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llmrg.core.errors import BadRowError, ConfigError, DataError
from llmrg.data.dataset import Dataset
from llmrg.data.frames import load_frames
from llmrg.data.options import ReadOptions
from llmrg.data.recbole import load_recbole
from llmrg.data.registry import load_data
from llmrg.data.sniff import load_path
from llmrg.data.tables import load_tables

INTERACTIONS = [
    {"who": "a", "what": 2, "when": 20, "stars": 4.0},
    {"who": "a", "what": 1, "when": 10, "stars": 5.0},
    {"who": "b", "what": 1, "when": 30, "stars": 1.0},
]
ITEMS: list[dict[str, Any]] = [
    {"what": 1, "title": "Dune", "genres": "desert|empire"},
    {"what": 2, "title": "Emma", "genres": "empire"},
    {"what": 3, "title": "Unread", "genres": ""},
]
USERS = [{"who": "a", "age": "old"}, {"who": "b", "age": None}]
COLUMNS = {"user": "who", "item": "what", "time": "when", "rating": "stars"}
RECBOLE = {
    "x.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\na\t2\t4\t20\na\t1\t5\t10\nb\t1\t1\t30\n",
    "x.item": "item_id:token\tmovie_title:token_seq\tgenres:token_seq\tvector:float_seq\n"
    '1\tDune "Part One"\tdesert empire\t0.1 0.2\n2\tEmma\tempire\t0.3 0.4\n',
    "x.user": "user_id:token\tage:token\na\told\n",
}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows as the kind of table that the suffix says."""
    bare = path.name.removesuffix(".gz")
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    if bare.endswith(".jsonl"):
        text = "".join(json.dumps(row) + "\n" for row in rows)
    else:
        mark = "," if bare.endswith(".csv") else "\t"
        lines = [list(rows[0]), *([("" if v is None else v) for v in row.values()] for row in rows)]
        text = "".join(mark.join(map(str, line)) + "\n" for line in lines)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def from_tables(suffix: str) -> Callable[[Path], Dataset]:
    def load(folder: Path) -> Dataset:
        for stem, rows in (("interactions", INTERACTIONS), ("items", ITEMS), ("users", USERS)):
            write(folder / f"{stem}.{suffix}", rows)
        return load_path(folder, options=ReadOptions(columns=COLUMNS))

    return load


def from_recbole(folder: Path) -> Dataset:
    for name, content in RECBOLE.items():
        (folder / name).write_text(content)
    return load_path(folder)


SOURCES: dict[str, Callable[[Path], Dataset]] = {
    **{suffix: from_tables(suffix) for suffix in ("csv", "tsv", "csv.gz", "jsonl", "parquet")},
    "pandas": lambda _: load_frames(*map(pd.DataFrame, (INTERACTIONS, ITEMS, USERS)), options=ReadOptions(columns=COLUMNS)),
    "polars": lambda _: load_frames(*map(pl.DataFrame, (INTERACTIONS, ITEMS, USERS)), options=ReadOptions(columns=COLUMNS)),
    "lazy polars": lambda _: load_data(
        pl.LazyFrame(INTERACTIONS), items=pl.LazyFrame(ITEMS), users=pl.LazyFrame(USERS), columns=COLUMNS
    ),
    "recbole": from_recbole,
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_same(source: str, tmp_path: Path) -> None:
    dataset = SOURCES[source](tmp_path)
    assert dataset.history("a").items == ("1", "2")
    assert dataset.history("a").at == (10.0, 20.0)
    assert dataset.history("a").attributes == (("age", "old"),)
    assert dataset.history("b").attributes == ()
    assert dataset.catalogue["1"].title.startswith("Dune")
    assert dataset.catalogue["1"].values("genres") == ("desert", "empire")
    assert "3" not in dataset.catalogue
    assert dataset.reason_attributes == ("genres",)
    assert dataset.report.items_without_title == 0


def test_common_column_names_are_found_without_being_told(tmp_path: Path) -> None:
    rows = [{"User_ID": "a", "movieId": 1, "Timestamp": "2024-05-01", "title": "Dune"}]
    dataset = load_path(write(tmp_path / "log.csv", rows))
    assert dataset.name == "log"
    assert dataset.history("a").items == ("1",)
    assert dataset.catalogue["1"].title == "Dune"


def test_items_beside_a_file_of_interactions(tmp_path: Path) -> None:
    log, items = write(tmp_path / "log.csv", INTERACTIONS), write(tmp_path / "books.jsonl", ITEMS)
    dataset = load_data(log, items=items, columns=COLUMNS, data_dir=tmp_path, name="mine")
    assert dataset.name == "mine"
    assert dataset.catalogue["2"].title == "Emma"


def test_lists_in_cells_are_several_values(tmp_path: Path) -> None:
    items = [{"what": 1, "title": "Dune", "tags": ["sand", "worms"]}]
    dataset = load_tables(
        write(tmp_path / "l.jsonl", INTERACTIONS), write(tmp_path / "i.parquet", items), options=ReadOptions(columns=COLUMNS)
    )
    assert dataset.catalogue["1"].values("tags") == ("sand", "worms")


def test_without_a_time_column_the_order_is_the_sources() -> None:
    dataset = load_frames(pd.DataFrame({"user": ["a", "a"], "item": ["x", "y"]}))
    assert dataset.history("a").items == ("x", "y")
    assert any("no time column" in note for note in dataset.report.notes)


def test_missing_columns_list_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'user'; there are: 'who', 'what', 'when', 'stars'"):
        load_path(write(tmp_path / "log.csv", INTERACTIONS))
    with pytest.raises(DataError, match="no column 'datum'; there are: 'who'"):
        load_frames(pd.DataFrame(INTERACTIONS), options=ReadOptions(columns={**COLUMNS, "time": "datum"}))
    with pytest.raises(DataError, match="items frame: no column 'item'"):
        load_frames(pd.DataFrame({"user": ["a"], "item": [1]}), pd.DataFrame({"name": ["x"]}))


def test_unknown_roles_are_refused() -> None:
    with pytest.raises(ConfigError, match="no role 'when'; the roles are user, item, time, rating, title, headline, text"):
        load_frames(pd.DataFrame(INTERACTIONS), options=ReadOptions(columns={"when": "when"}))


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_bad_rows_of_tables(suffix: str, tmp_path: Path) -> None:
    rows = [
        {"user": "a", "item": "x", "at": "2024-01-01"},
        {"user": "", "item": "y", "at": "2024-01-01"},
        {"user": "b", "item": "y", "at": "soon"},
    ]
    path = write(tmp_path / f"log.{suffix}", rows)
    line = 3 if suffix == "csv" else 2
    with pytest.raises(BadRowError, match=rf"log\.{suffix}, line {line}, column 'user': empty"):
        load_path(path)
    report = load_path(path, options=ReadOptions(on_bad_row="skip")).report
    assert report.interactions == 1
    assert [row.split(", ")[1] for row in report.bad_rows] == [f"line {line}", f"line {line + 1}"]
    assert "'soon'" in report.bad_rows[1]


def test_bad_rows_of_frames() -> None:
    frame = pd.DataFrame({"user": ["a", None], "item": ["x", "y"]})
    with pytest.raises(BadRowError, match="interactions frame, line 2, column 'user'"):
        load_frames(frame)
    assert len(load_frames(frame, options=ReadOptions(on_bad_row="skip")).report.bad_rows) == 1


def test_numbers_that_pandas_made_floats_stay_ids() -> None:
    frame = pd.DataFrame({"user": [1.0, 2.0], "item": [7, 8], "time": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    dataset = load_frames(frame)
    assert dataset.history("1").items == ("7",)
    assert dataset.history("1").at == (1704067200.0,)


def test_quoted_line_breaks_keep_line_numbers(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text('user,item,time,title\na,x,1,"two\nlines"\na,y,never,z\n')
    with pytest.raises(BadRowError, match="line 4, column 'time'"):
        load_path(tmp_path / "log.csv")


def test_empty_sources(tmp_path: Path) -> None:
    for name, content in (("empty.csv", ""), ("blank.csv", "\n\n"), ("header.csv", "user,item\n"), ("blank.jsonl", "\n")):
        (tmp_path / name).write_text(content)
        with pytest.raises(DataError, match=name):
            load_path(tmp_path / name)
    with pytest.raises(DataError, match="no rows in it; its columns are: 'user', 'item'"):
        load_frames(pd.DataFrame({"user": [], "item": []}))


def test_things_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="data frame is expected, not int"):
        load_frames(3)
    (tmp_path / "data.xls").write_text("x")
    with pytest.raises(DataError, match=r"unknown kind of table; known are \.csv"):
        load_path(tmp_path / "data.xls")
    (tmp_path / "fake.parquet").write_text("not parquet")
    with pytest.raises(DataError, match=r"fake\.parquet is not a Parquet file"):
        load_path(tmp_path / "fake.parquet")
    (tmp_path / "latin.csv").write_bytes("user,item\nJosé,x\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.csv is not UTF-8 text"):
        load_path(tmp_path / "latin.csv")
    (tmp_path / "sub").mkdir()
    with pytest.raises(DataError, match=r"no interactions\.csv.*there are: no files"):
        load_path(tmp_path / "sub")


def test_recbole_headers_need_types(tmp_path: Path) -> None:
    (tmp_path / "x.inter").write_text("user_id\titem_id\na\tb\n")
    with pytest.raises(DataError, match="column 'user_id' has no type"):
        load_recbole(tmp_path / "x.inter")
    (tmp_path / "x.inter").write_text("")
    with pytest.raises(DataError, match="empty"):
        load_recbole(tmp_path / "x.inter")
    (tmp_path / "y.inter").write_text("")
    with pytest.raises(DataError, match=r"one \.inter file is expected.*x\.inter, y\.inter"):
        load_recbole(tmp_path)


def test_recbole_quotes_are_letters_and_bad_rows_have_lines(tmp_path: Path) -> None:
    dataset = from_recbole(tmp_path)
    assert dataset.catalogue["1"].title == 'Dune "Part One"'
    (tmp_path / "x.inter").write_text(RECBOLE["x.inter"] + "c\t1\t1\tnoon\n")
    with pytest.raises(BadRowError, match=r"x\.inter, line 5, column 'timestamp'.*'noon'"):
        load_recbole(tmp_path)
    assert len(load_recbole(tmp_path, options=ReadOptions(on_bad_row="skip")).report.bad_rows) == 1


def test_recbole_with_named_columns(tmp_path: Path) -> None:
    (tmp_path / "x.inter").write_text("reader:token\tbook:token\na\tb\n")
    assert load_recbole(tmp_path, options=ReadOptions(columns={"user": "reader", "item": "book"})).history("a").items == ("b",)
