"""One table of an export folder as a file, written and read in batches: Parquet, or JSONL (a JSON object a line)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from llmrg.core.errors import NotAStoreError
from llmrg.graph_store.folder_rows import Row

FileFormat = Literal["parquet", "jsonl"]
_BATCH = 1000
"""Rows read at once: a row of knowledge with its vector takes some 10 kB as Python values."""
T = TypeVar("T")


class _Writer(Protocol):
    def write(self, rows: Sequence[Row]) -> None: ...

    def close(self) -> None: ...


class _ParquetWriter:
    def __init__(self, path: Path, columns: Any) -> None:
        self._columns = columns
        self._file = pq.ParquetWriter(path, columns, compression="zstd", write_page_checksum=True)

    def write(self, rows: Sequence[Row]) -> None:
        self._file.write_table(pa.Table.from_pylist(list(rows), self._columns))

    def close(self) -> None:
        self._file.close()


class _JsonLinesWriter:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")

    def write(self, rows: Sequence[Row]) -> None:
        self._file.writelines(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)

    def close(self) -> None:
        self._file.close()


class TableWriter:
    """Writes rows to a new file and counts them. Raises: OSError."""

    def __init__(self, path: Path, columns: Any) -> None:
        self.rows = 0
        self._writer: _Writer = _ParquetWriter(path, columns) if path.suffix == ".parquet" else _JsonLinesWriter(path)

    def write(self, rows: Sequence[Row]) -> None:
        if rows:
            self._writer.write(rows)
            self.rows += len(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()


def count_rows(path: Path) -> int:
    """Raises: NotAStoreError: not there, or damaged."""
    with _named_damage(path):
        if path.suffix == ".parquet":
            with pq.ParquetFile(path) as file:
                return int(file.metadata.num_rows)
        with path.open("rb") as lines:
            return sum(block.count(b"\n") for block in iter(lambda: lines.read(1 << 20), b""))


def read_records(path: Path, columns: Any, make: Callable[[Row], T]) -> Iterator[T]:
    """One record for each row, in order.

    Raises: NotAStoreError: damaged, other columns or types, or values that no record may have.
    """
    batches = _parquet_batches(path, columns) if path.suffix == ".parquet" else _jsonl_batches(path, columns)
    with _named_damage(path):
        for batch in batches:
            for column in columns:
                if not column.nullable and batch[column.name].null_count:
                    raise ValueError(f"a value of column {column.name!r} is missing")
            yield from map(make, batch.to_pylist())


def _parquet_batches(path: Path, columns: Any) -> Iterator[Any]:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        _check_names(file.schema_arrow.names, columns)
        for batch in file.iter_batches(_BATCH):
            yield pa.Table.from_batches([batch]).select(columns.names).cast(columns)


def _jsonl_batches(path: Path, columns: Any) -> Iterator[Any]:
    with path.open("rb") as lines:
        rows = (_row(number, line, columns) for number, line in enumerate(lines, 1))
        while batch := list(islice(rows, _BATCH)):
            yield pa.Table.from_pylist(batch, columns)


def _row(number: int, line: bytes, columns: Any) -> Row:
    try:
        row: Row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number} is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ValueError(f"line {number} is not a JSON object")
    _check_names(row, columns)
    return row


def _check_names(names: Sequence[str] | Row, columns: Any) -> None:
    if set(names) != set(columns.names):
        raise ValueError(f"the columns are {', '.join(sorted(names))}, not {', '.join(sorted(columns.names))}")


@contextmanager
def _named_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotAStoreError(f"{path} is missing; export again into another folder") from error
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise NotAStoreError(f"{path} is damaged or was changed ({error}); export again into another folder") from error
