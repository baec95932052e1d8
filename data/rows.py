"""Rows of any source, the values in them, and what becomes of the bad ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal, TypeVar

from llmrg.core.errors import BadRowError, ConfigError, DataError

OnBadRow = Literal["error", "skip"]
T = TypeVar("T")


@dataclass(slots=True)
class Row:
    """One row: where it stands and its values by column name."""

    source: str
    """Name of the file or frame, for messages."""
    line: int
    """1-based line of the file (of a frame or a Parquet file: 1-based row)."""
    values: Mapping[str, Any]

    def __getitem__(self, column: str) -> Any:
        return self.values[column]

    def bad(self, column: str, problem: str) -> BadRowError:
        return BadRowError(self.source, self.line, column, self.values.get(column), problem)


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
        self.skipped.append(f"{error.source}, line {error.line}, column {error.column!r}: {error.problem}: {error.value!r}")

    def each(self, rows: Iterable[Row], make: Callable[[Row], T]) -> Iterator[T]:
        """make(row) of every good row."""
        for row in rows:
            try:
                made = make(row)
            except BadRowError as error:
                self.add(error)
            else:
                yield made


def check_columns(source: str, wanted: Iterable[str], found: Collection[str]) -> None:
    """Raises: DataError: a wanted column is missing; the message lists what is there."""
    missing = [name for name in wanted if name not in found]
    if missing:
        raise DataError(
            f"{source}: no column {', '.join(map(repr, missing))}; there are: {', '.join(map(repr, found)) or 'none'}; "
            "name the columns with `columns={'user': ..., 'item': ..., 'time': ...}`"
        )


def text(value: Any) -> str:
    """A value as text; nothing (None, NaN) is "", and 12.0 is "12"."""
    if isinstance(value, str):
        return value.strip()
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def one_line(value: Any) -> str:
    """A value as text with every run of white space as one blank."""
    return " ".join(text(value).split())


def required_text(row: Row, column: str) -> str:
    """Raises: BadRowError: nothing is there."""
    found = text(row.values.get(column))
    if not found:
        raise row.bad(column, "empty")
    return found


def number(row: Row, column: str) -> float | None:
    """A finite number, or None where nothing is there. Raises: BadRowError: something else."""
    found = text(row.values.get(column))
    if not found:
        return None
    try:
        value = float(found)
    except ValueError:
        raise row.bad(column, "not a number") from None
    if not math.isfinite(value):
        raise row.bad(column, "not a finite number")
    return value


def time_in_seconds(row: Row, column: str) -> float:
    """Unix seconds of a number (seconds), an ISO date or time, or a datetime; without a zone it is UTC.

    Raises: BadRowError: nothing is there, or none of these.
    """
    value = row.values.get(column)
    if isinstance(value, date) and value == value:  # NaT is a date that does not equal itself
        return _seconds(value)
    found = required_text(row, column)
    try:
        at = float(found)
    except ValueError:
        try:
            return _seconds(datetime.fromisoformat(found))
        except ValueError:
            raise row.bad(column, "neither Unix seconds nor an ISO date or time") from None
    if not math.isfinite(at):
        raise row.bad(column, "not a finite time")
    return at


def _seconds(value: date) -> float:
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
