"""Delimited text (CSV, TSV, `::`) as rows."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llmrg.core.errors import BadRowError, DataError
from llmrg.data.cells import MISSING
from llmrg.data.files import UTF_8, open_text
from llmrg.data.rows import BadRows, Row, check_columns

csv.field_size_limit(sys.maxsize)  # a description may be longer than the 128 KiB that csv allows by itself
OTHERS = (",", ";", "\t", "|", "::")
SAID = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""A first line by which Excel tells its separator."""
Quotes = Mapping[str, Any]
"""Arguments of `csv.reader`: what quotes are."""
USUAL: Quotes = {"skipinitialspace": True}
BACKSLASH: Quotes = {"skipinitialspace": True, "escapechar": "\\", "doublequote": False}
SINGLE: Quotes = {"skipinitialspace": True, "quotechar": "'"}
LETTERS: Quotes = {"quoting": csv.QUOTE_NONE}


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
    quotes: Quotes = USUAL,
    header: bool = True,
    missing: Collection[str] = MISSING,
) -> Iterator[Row]:
    """As `read_csv`, over lines that are open already; without a header the columns are called 1, 2, 3."""
    reader = _fields(lines, delimiter, quotes)
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
            if len(fields) == len(names) + 1 and not fields[-1].strip():
                fields.pop()  # a separator behind the last column
            if len(fields) == len(names):
                yield Row(source, number, dict(zip(names, fields, strict=True)), missing)
            else:
                bad_rows.add(_wrong_width(source, number, names, fields))
    except csv.Error as error:
        raise DataError(f"{source}, after line {number}: not readable as delimited text: {error}") from error
    if not names:
        raise DataError(f"{source}: the file is empty; its first line must name the columns")


def _fields(lines: Iterable[str], delimiter: str, quotes: Quotes) -> Iterator[tuple[int, list[str]]]:
    """(number of the last line, fields) of each row; the csv module takes separators of one character only."""
    if len(delimiter) > 1:
        for number, line in enumerate(lines, start=1):
            stripped = line.rstrip("\r\n")
            yield number, stripped.split(delimiter) if stripped else []
        return
    reader = csv.reader(lines, delimiter=delimiter, **quotes)
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
    """The usual separator, or the only other one that a header without it has; the one that Excel's first line tells."""
    if directive := SAID.fullmatch(first_line):
        return directive[1]
    if usual in first_line:
        return usual
    signs = [sign for sign in OTHERS if sign in first_line]
    return signs[0] if len(signs) == 1 else usual


@contextmanager
def table_lines(path: Path, encoding: str = UTF_8) -> Iterator[Iterator[str]]:
    """Lines of a text table; that by which Excel tells the separator is left blank."""
    with open_text(path, encoding) as file:
        yield ("\n" if number == 0 and SAID.fullmatch(line) else line for number, line in enumerate(file))


def quotes_of(path: Path, delimiter: str, encoding: str = UTF_8) -> Quotes:
    """What quotes are in a file: signs of CSV, or letters, such as in a title that begins with one.

    They are letters where reading them as signs breaks rows or swallows some, and each line has its fields without them.
    Raises: DataError: rows are swallowed either way; the message names the line in which the quote opens.
    """
    if len(delimiter) > 1:
        return USUAL
    with table_lines(path, encoding) as lines:
        head = next((line for line in lines if line.strip()), "").strip().split(delimiter)
        if len(head) > 1 and all(re.fullmatch(r"\s*'[^']*'\s*", name) for name in head):
            return SINGLE
        signs = {sign for line in lines for sign in ('"', '\\"') if sign in line} | ({'"'} if '"' in "".join(head) else set())
    if not signs:
        return USUAL
    opened, clean = _swallowing(path, delimiter, encoding, {**USUAL, "strict": True})
    if clean and not opened:
        return USUAL
    if '\\"' in signs and _swallowing(path, delimiter, encoding, {**BACKSLASH, "strict": True}) == (0, True):
        return BACKSLASH
    if _all_lines_whole(path, delimiter, encoding):
        return LETTERS
    if not clean:
        opened, clean = _swallowing(path, delimiter, encoding, USUAL)
    if not clean and opened:
        raise DataError(
            f"{path.name}: a quote that opens in line {opened} swallows the rows behind it; close it, or write a quote that is "
            'meant as a letter twice ("")'
        )
    return USUAL


def _swallowing(path: Path, delimiter: str, encoding: str, quotes: Quotes) -> tuple[int, bool]:
    """(line in which the first quoted field opens that holds what looks like whole rows, or 0; whether all rows are whole)."""
    width = start = opened = 0
    clean = True
    taken: list[str] = []

    def kept(lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    with table_lines(path, encoding) as lines:
        reader = csv.reader(kept(lines), delimiter=delimiter, **quotes)
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
    if not quotes.get("strict") and opened:
        clean = False
    return opened, clean


def _all_lines_whole(path: Path, delimiter: str, encoding: str) -> bool:
    with table_lines(path, encoding) as lines:
        widths = {line.count(delimiter) for line in lines if line.strip()}
    return len(widths) == 1


def first_line(path: Path, encoding: str = UTF_8) -> str:
    """The first line that holds anything; "" if none does."""
    with open_text(path, encoding) as file:
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
    why = f"{len(fields)} fields where {len(names)} are expected"
    if len(fields) == len(names) + 1:
        why += " (if all rows are so, the header lacks a name for the first column, as where R writes row names: add it)"
    return BadRowError(source, line, column, list(fields), why)
