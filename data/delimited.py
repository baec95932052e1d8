"""Delimited text (CSV, TSV, `::`) as rows."""

from __future__ import annotations

import csv
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from llmrg.core.errors import BadRowError, DataError
from llmrg.data.cells import MISSING
from llmrg.data.files import open_text
from llmrg.data.rows import BadRows, Row, check_columns

csv.field_size_limit(sys.maxsize)  # a description may be longer than the 128 KiB that csv allows by itself
OTHERS = (",", ";", "\t", "|")


def read_csv(path: Path, wanted: Sequence[str], bad_rows: BadRows, delimiter: str = ",") -> Iterator[Row]:
    """Rows of a CSV file whose first line names the columns.

    Raises:
        DataError: the file is empty, names a column twice, or a wanted column is missing.
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
    header: bool = True,
    missing: Collection[str] = MISSING,
) -> Iterator[Row]:
    """As `read_csv`, over lines that are open already; without a header the columns are called 1, 2, 3."""
    reader = _fields(lines, delimiter, quoting)
    names: list[str] = []
    number = 0
    try:
        for number, fields in reader:
            if not fields:
                continue
            if not names:
                names = [name.strip() for name in fields] if header else [str(n) for n in range(1, len(fields) + 1)]
                check_names(source, names)
                check_columns(source, wanted, names)
                if header:
                    continue
            if len(fields) == len(names):
                yield Row(source, number, dict(zip(names, fields, strict=True)), missing)
            else:
                bad_rows.add(_wrong_width(source, number, names, fields))
    except csv.Error as error:
        raise DataError(f"{source}, after line {number}: not readable as delimited text: {error}") from error
    if not names:
        raise DataError(f"{source}: the file is empty; its first line must name the columns")


def _fields(lines: Iterable[str], delimiter: str, quoting: int) -> Iterator[tuple[int, list[str]]]:
    """(number of the last line, fields) of each row; the csv module takes separators of one character only."""
    if len(delimiter) > 1:
        for number, line in enumerate(lines, start=1):
            stripped = line.rstrip("\r\n")
            yield number, stripped.split(delimiter) if stripped else []
        return
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    for fields in reader:
        yield reader.line_num, fields


def check_names(source: str, names: Sequence[str]) -> None:
    """Raises: DataError: two columns have one name. (Columns without a name are told apart by nobody, and are not used.)"""
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise DataError(
            f"{source}: the column {twice[0]!r} is there {names.count(twice[0])} times; give each a name of its own "
            f"(there are: {', '.join(map(repr, names))})"
        )


def separator_of(first_line: str, usual: str) -> str:
    """The usual separator, or the only other one that a header without it has."""
    if usual in first_line:
        return usual
    found = [sign for sign in OTHERS if sign in first_line]
    return found[0] if len(found) == 1 else usual


def quoting_of(path: Path, delimiter: str) -> int:
    """Whether quotes in a file are signs of CSV or letters, such as in a title that begins with one.

    They are letters where reading them as signs breaks rows or swallows some, and each line has its fields without them.
    Raises: DataError: rows are swallowed either way; the message names the line in which the quote opens.
    """
    if len(delimiter) > 1 or not _has_quotes(path):
        return csv.QUOTE_MINIMAL
    opened, clean = _swallowing(path, delimiter, strict=True)
    if clean and not opened:
        return csv.QUOTE_MINIMAL
    if _all_lines_whole(path, delimiter):
        return csv.QUOTE_NONE
    if not clean:
        opened, clean = _swallowing(path, delimiter, strict=False)
    if not clean:
        raise DataError(
            f"{path.name}: a quote that opens in line {opened} swallows the rows behind it; close it, or write a quote that is "
            'meant as a letter twice ("")'
        )
    return csv.QUOTE_MINIMAL


def _has_quotes(path: Path) -> bool:
    with open_text(path) as file:
        return any('"' in line for line in file)


def _swallowing(path: Path, delimiter: str, strict: bool) -> tuple[int, bool]:
    """(line in which the first quoted field opens that holds what looks like whole rows, or 0; whether all rows are whole)."""
    width = start = opened = 0
    clean = True
    taken: list[str] = []

    def kept(lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    with open_text(path) as file:
        reader = csv.reader(kept(file), delimiter=delimiter, strict=strict)
        try:
            for fields in reader:
                width = width or len(fields)
                clean = clean and (not fields or len(fields) == width)
                if not opened and len(taken) > 1 and any(line.count(delimiter) >= width - 1 > 0 for line in taken[1:]):
                    opened = start + 1
                start += len(taken)
                taken.clear()
        except csv.Error:
            return opened or start + 1, False
    if not strict and opened:
        clean = False
    return opened, clean


def _all_lines_whole(path: Path, delimiter: str) -> bool:
    with open_text(path) as file:
        widths = {line.count(delimiter) for line in file if line.strip()}
    return len(widths) == 1


def first_line(path: Path) -> str:
    """The first line that holds anything; "" if none does."""
    with open_text(path) as file:
        return next((line.rstrip("\r\n") for line in file if line.strip()), "")


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
