"""Rows of any source, and what becomes of the bad ones."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from llmrg.core.errors import BadRowError, ConfigError, DataError
from llmrg.data import cells
from llmrg.data.cells import MISSING, UnreadableCell

OnBadRow = Literal["error", "skip"]
T = TypeVar("T")
ROUNDED = re.compile(r"\d(\.\d+)?[eE]\+\d+")
"""What spreadsheets make of long numbers: 1.23457E+12."""
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d{1,2}")
"""With three digits behind the comma it could part thousands."""


@dataclass(slots=True)
class Row:
    """One row: where it stands and its values by column name."""

    source: str
    """Name of the file or frame, for messages."""
    line: int
    """1-based line of the file (of a frame or a Parquet file: 1-based row)."""
    values: Mapping[str, Any]
    missing: Collection[str] = MISSING
    """Words that stand for a missing value."""

    def __getitem__(self, column: str) -> Any:
        return self.values[column]

    def bad(self, column: str, problem: str) -> BadRowError:
        return BadRowError(self.source, self.line, column, self.values.get(column), problem)

    def text(self, column: str) -> str:
        """A cell as text; "" for nothing. Raises: BadRowError: several values, or what is no text."""
        cell = self.values.get(column)
        if type(cell) is str:  # a million times a file: short
            content = cell.strip()
            return "" if content in self.missing else content
        return self._read(column, lambda cell: cells.text(cell, self.missing))

    def need(self, column: str) -> str:
        """An id. Raises: BadRowError: nothing is there, or no id."""
        content = self.text(column)
        if content in ("True", "False") and not isinstance(self.values.get(column), str):
            raise self.bad(column, "true or false is no id; name another column")
        if not content:
            raise self._nothing(column)
        if "+" in content and ROUNDED.fullmatch(content):
            raise self.bad(
                column, "an id as a rounded number, whose last digits are lost; write this column as text where it comes from"
            )
        if "\0" in content:
            raise self.bad(column, "an id with a NUL character; the text may be in another encoding")
        return content

    def one_line(self, column: str) -> str:
        """A cell as text with every run of white space as one blank."""
        return " ".join(self.text(column).split())

    def many(self, column: str, separator: str | None) -> tuple[str, ...]:
        """See `cells.values`. Raises: BadRowError."""
        return self._read(column, lambda cell: cells.values(cell, separator, self.missing))

    def number(self, column: str) -> float | None:
        """A finite number, or None where nothing is there. Raises: BadRowError: something else."""
        content = self.text(column)
        if not content:
            return None
        try:
            value = float(content.replace(",", ".") if DECIMAL_COMMA.fullmatch(content) else content)
        except ValueError:
            raise self.bad(column, "not a number") from None
        if not math.isfinite(value):
            raise self.bad(column, "not a finite number")
        return value

    def time(self, column: str, layout: str = "") -> float:
        """Unix seconds; see `cells.seconds`. Raises: BadRowError: nothing is there, or no time."""
        at = self._read(column, lambda cell: cells.seconds(cell, layout, self.missing))
        if at is None:
            raise self._nothing(column)
        return at

    def _nothing(self, column: str) -> BadRowError:
        cell = self.values.get(column)
        return self.bad(column, "a missing value" if isinstance(cell, str) and cell.strip() else "empty")

    def _read(self, column: str, read: Callable[[Any], T]) -> T:
        try:
            return read(self.values.get(column))
        except UnreadableCell as error:
            raise self.bad(column, str(error)) from None


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """How the cells of a column are read; a row whose cell is refused is bad."""

    column: str
    read: Callable[[Row, str], Any]
    """Of a row and the column's name: a number, a text, or None. Raises: BadRowError."""
    kind: str = ""
    """`number` (which may be missing) or `time`, where `read` is the usual rule of these, of which there is a faster equal."""


class BadRows:
    """Raises bad rows, or skips and lists them."""

    def __init__(self, on_bad_row: OnBadRow = "error") -> None:
        if on_bad_row not in ("error", "skip"):
            raise ConfigError(f"on_bad_row must be 'error' or 'skip', not {on_bad_row!r}")
        self._skip = on_bad_row == "skip"
        self.skipped: list[str] = []

    def add(self, error: BadRowError) -> None:
        """Raises: BadRowError: unless bad rows are skipped."""
        if not self._skip:
            raise error
        self.skipped.append(f"{error.source}, line {error.line}, column {error.column!r}: {error.problem}: {error.value!r}"[:500])

    def each(self, rows: Iterable[Row], make: Callable[[Row], T]) -> Iterator[T]:
        """make(row) of every good row."""
        for row in rows:
            try:
                record = make(row)
            except BadRowError as error:
                self.add(error)
            else:
                yield record


def check_columns(source: str, wanted: Iterable[str], present: Collection[str]) -> None:
    """Raises: DataError: a wanted column is missing; the message lists what is there."""
    missing = [name for name in wanted if name not in present]
    if missing:
        raise DataError(
            f"{source}: no column {', '.join(map(repr, missing))}; there are: {', '.join(map(repr, present)) or 'none'}",
            sdk="name the columns with `columns={'user': ..., 'item': ..., 'time': ...}`",
            shell="name the columns with `--columns user=...,item=...,time=...`",
        )
