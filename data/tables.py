"""CSV, TSV, Parquet and JSON-lines tables with named columns: one file, or a folder with interactions, items and users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llmrg.core.errors import DataError
from llmrg.data.dataset import Dataset
from llmrg.data.delimited import read_csv
from llmrg.data.json_lines import read_json_lines
from llmrg.data.rows import BadRows, OnBadRow, Row
from llmrg.data.tabular import Table, dataset_of

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl")


def load_tables(
    interactions: Path,
    items: Path | None = None,
    users: Path | None = None,
    *,
    name: str = "",
    columns: Mapping[str, str] | None = None,
    on_bad_row: OnBadRow = "error",
    min_interactions: int = 1,
    noun: str = "item",
) -> Dataset:
    """Read tables whose kinds are told by their suffixes (`.gz` allowed for text).

    Args:
        interactions: a file, or a folder with `interactions.*` and, if wanted, `items.*` and `users.*`.
        columns: role -> column for the roles user, item, time, rating, title, headline, text; by default common names are tried
            (never for headline and text).
    Raises:
        DataError: a file is missing, empty, of an unknown kind, or lacks a column.
        BadRowError: a row cannot be read, and bad rows are not skipped.
    """
    bad_rows = BadRows(on_bad_row)
    named = name or interactions.name.split(".")[0]
    if interactions.is_dir():
        folder = interactions
        found = _in_folder(folder, "interactions")
        if found is None:
            raise DataError(f"{folder}: no interactions.csv (or {', '.join(SUFFIXES[1:])}); there are: {_listing(folder)}")
        interactions, items, users = found, items or _in_folder(folder, "items"), users or _in_folder(folder, "users")
    return dataset_of(
        named,
        read_table(interactions, bad_rows),
        read_table(items, bad_rows) if items else None,
        read_table(users, bad_rows) if users else None,
        columns=columns,
        bad_rows=bad_rows,
        noun=noun,
        min_interactions=min_interactions,
    )


def kind_of(path: Path) -> str:
    """`.csv`, `.tsv`, `.parquet` or `.jsonl`, a `.gz` looked through; "" for anything else."""
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    suffix = {".ndjson": ".jsonl", ".json": ".jsonl", ".pq": ".parquet"}.get(suffix, suffix)
    return suffix if suffix in SUFFIXES else ""


def read_table(path: Path, bad_rows: BadRows) -> Table:
    """The columns (looked up now) and the rows (read when used) of one file. Raises: DataError: see `load_tables`."""
    kind = kind_of(path)
    if kind == ".parquet":
        return _parquet(path)
    if kind == ".jsonl":
        rows = read_json_lines(path, (), bad_rows)
    elif kind:
        rows = read_csv(path, (), bad_rows, DELIMITERS[kind])
    else:
        raise DataError(f"{path}: unknown kind of table; known are {', '.join(SUFFIXES)} (text also as .gz)")
    first = next(rows, None)
    if first is None:
        raise DataError(f"{path}: no rows in it" + (f"; bad rows: {bad_rows.skipped[0]} ..." if bad_rows.skipped else ""))
    return Table(str(path), list(first.values), _again(first, rows))


def _again(first: Row, rest: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rest


def _parquet(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file: Any = pq.ParquetFile(path)
    except FileNotFoundError:
        raise DataError(f"no file {path}") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a Parquet file: {error}") from error

    def rows() -> Iterator[Row]:
        line = 0
        for batch in file.iter_batches():
            for record in batch.to_pylist():
                line += 1
                yield Row(path.name, line, record)

    return Table(str(path), list(file.schema_arrow.names), rows())


def _in_folder(folder: Path, stem: str) -> Path | None:
    return next((path for path in sorted(folder.iterdir()) if path.name.split(".")[0] == stem and kind_of(path)), None)


def _listing(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.iterdir())[:20]) or "no files"
