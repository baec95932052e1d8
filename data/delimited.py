"""Delimited text (CSV, TSV, `::`) as rows."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from llmrg.core.errors import BadRowError, DataError
from llmrg.data.files import open_text
from llmrg.data.rows import BadRows, Row, check_columns


def read_csv(path: Path, wanted: Sequence[str], bad_rows: BadRows, delimiter: str = ",") -> Iterator[Row]:
    """Rows of a CSV file whose first line names the columns.

    Raises:
        DataError: the file is empty, or a wanted column is missing.
        BadRowError: a row has another number of fields than the header.
    """
    with open_text(path) as file:
        yield from csv_rows(file, path.name, wanted, bad_rows, delimiter)


def csv_rows(
    lines: Iterable[str],
    source: str,
    wanted: Sequence[str],
    bad_rows: BadRows,
    delimiter: str = ",",
    quoting: int = csv.QUOTE_MINIMAL,
) -> Iterator[Row]:
    """As `read_csv`, over lines that are open already."""
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    try:
        header = next((row for row in reader if row), None)
        if header is None:
            raise DataError(f"{source}: the file is empty; its first line must name the columns")
        names = [name.strip() for name in header]
        check_columns(source, wanted, names)
        for fields in reader:
            if len(fields) == len(names):
                yield Row(source, reader.line_num, dict(zip(names, fields, strict=True)))
            elif fields:
                bad_rows.add(_wrong_width(source, reader.line_num, names, fields))
    except csv.Error as error:
        raise DataError(f"{source}, line {reader.line_num}: not readable as delimited text: {error}") from error


def plain_rows(lines: Iterable[str], source: str, names: Sequence[str], bad_rows: BadRows, delimiter: str) -> Iterator[Row]:
    """Rows of text without a header and without quoting. Raises: DataError: the file is empty. BadRowError as `read_csv`."""
    empty = True
    for number, line in enumerate(lines, start=1):
        stripped = line.rstrip("\r\n")
        if not stripped:
            continue
        empty = False
        fields = stripped.split(delimiter)
        if len(fields) == len(names):
            yield Row(source, number, dict(zip(names, fields, strict=True)))
        else:
            bad_rows.add(_wrong_width(source, number, names, fields))
    if empty:
        raise DataError(f"{source}: the file is empty")


def _wrong_width(source: str, line: int, names: Sequence[str], fields: Sequence[str]) -> BadRowError:
    column = names[min(len(fields), len(names) - 1)]
    return BadRowError(source, line, column, list(fields), f"{len(fields)} fields where {len(names)} are expected")
