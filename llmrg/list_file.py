"""Recommendations of many users as one file that is whole or not there: Parquet, CSV or JSON Lines, by its name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Protocol

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from llmrg.core.errors import ConfigError
from llmrg.core.places import writing

SCHEMA: Final = pa.schema(
    [("user", pa.string()), ("rank", pa.int32()), ("item", pa.string()), ("title", pa.string()), ("score", pa.float64())]
)
"""One row a recommendation; `rank` is 1-based."""
WITH_WHY: Final = SCHEMA.append(pa.field("why", pa.string()))
KINDS: Final = (".parquet", ".csv", ".jsonl")


class TableWriter(Protocol):
    """Takes tables of one schema, one after the other."""

    def write_table(self, table: pa.Table) -> None: ...
    def close(self) -> None: ...


class _JsonLines:
    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write_table(self, table: pa.Table) -> None:
        self._file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist())

    def close(self) -> None:
        self._file.close()


def check_kind(path: Path) -> None:
    """Raises: ConfigError: the name does not say which kind of file."""
    if path.suffix.lower() not in KINDS:
        raise ConfigError(f"lists are written as {', '.join(KINDS)}, and {str(path)!r} ends in none of them; name it so")


@contextmanager
def list_file(path: Path, schema: pa.Schema) -> Iterator[TableWriter]:
    """A file that gets its name when the block has ended well; until then it lies beside it under another.

    Raises: ConfigError: as `check_kind`; PlaceError: it cannot be written.
    """
    check_kind(path)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    with writing(scratch):
        try:
            writer = _writer(scratch, path.suffix.lower(), schema)
            try:
                yield writer
            finally:
                writer.close()
            os.replace(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)


def _writer(path: Path, kind: str, schema: pa.Schema) -> Any:
    if kind == ".jsonl":
        return _JsonLines(path.open("w", encoding="utf-8"))
    return pq.ParquetWriter(path, schema) if kind == ".parquet" else pa_csv.CSVWriter(path, schema)
