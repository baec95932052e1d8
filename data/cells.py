"""What one cell holds, whatever library, file or database dump it came out of."""

from __future__ import annotations

import ast
import csv
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

MISSING = frozenset(
    (r"\N", "NULL", "Null", "null", "(null)", "None", "NaN", "nan", "-NaN", "-nan", "NA", "N/A", "n/a", "<NA>", "#N/A", "#NA",
     "NaT", "1.#QNAN", "-1.#IND", "undefined")
)  # fmt: skip
"""Words that databases, spreadsheets and data frames write where nothing is."""
NAMES = ("name", "title", "label", "value", "description")
"""What a record among several values is called by."""
BETWEEN_QUOTES = re.compile(r"""(?<=['"\w])(['"])\s+(?=['"])""")
EXACT = 2**53
"""From here on a float no longer tells whole numbers apart."""


class UnreadableCell(ValueError):
    """A cell is not what it should be; the text says why."""


def plain(value: Any) -> Any:
    """A cell as text, number, date, list, dict or None: what NumPy, pandas, Polars and Arrow wrap is taken out.

    Raises: UnreadableCell: bytes that are no UTF-8 text.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return bytes(value).decode("utf-8")
        except UnicodeDecodeError:
            raise UnreadableCell("bytes that are no UTF-8 text") from None
    if isinstance(value, Mapping):
        (wrapped,) = value.values() if len(value) == 1 and str(next(iter(value))).startswith("$") else (value,)
        return dict(value) if wrapped is value else plain(wrapped)  # {"$oid": ...}, {"$date": ...}: MongoDB's exports
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, Decimal):
        return None if value.is_nan() else int(value) if value == value.to_integral_value() else float(value)
    for unwrap in ("as_py", "tolist", "to_list"):  # Arrow scalars; NumPy scalars and arrays; series
        if hasattr(value, unwrap):
            return plain(getattr(value, unwrap)())
    return None if _is_no_value(value) else value


def _is_no_value(value: Any) -> bool:
    """pandas' NA has no truth, and NaT is a date that does not equal itself."""
    try:
        return bool(value != value)
    except TypeError:
        return True


def text(value: Any, missing: Collection[str] = MISSING) -> str:
    """A cell as text; nothing, and the words for it, are "", and 12.0 is "12".

    Raises: UnreadableCell: several values, a record, or a float that is too large to be an exact number.
    """
    value = plain(value)
    if isinstance(value, str):
        content = value.strip()
        return "" if content in missing else content
    if value is None:
        return ""
    if isinstance(value, list | dict):
        raise UnreadableCell(
            "one value is expected, and here are several" if isinstance(value, list) else "a record, not a value"
        )
    if isinstance(value, float) and value.is_integer():
        if abs(value) > EXACT:
            raise UnreadableCell("a float that is too large to be exact; read this column as text")
        return str(int(value))
    return str(value).strip()


def values(value: Any, separator: str | None, missing: Collection[str] = MISSING) -> tuple[str, ...]:
    """A cell as several values: a list, a list written as text (JSON or Python), or text with `separator` between them.

    Records among them go by their name (`[{"id": 16, "name": "Animation"}]`); None as a separator: text is one value.
    Raises: UnreadableCell: a record whose name is not clear.
    """
    value = plain(value)
    if isinstance(value, str):
        parts: Iterable[Any] | None = _written_list(value)
        if parts is None:
            parts = value.split(separator) if separator else (value,)
    else:
        parts = value if isinstance(value, list) else (value,)
    return tuple(dict.fromkeys(name for part in parts if (name := text(_name_of(plain(part)), missing))))


def _written_list(cell: str) -> list[Any] | None:
    """The list that a text writes out, as JSON, Python, NumPy (`['a' 'b']`), or bare (`[a, b]`, PostgreSQL's `{a,"b c"}`) do;
    None if it writes none."""
    cell = cell.strip()
    if cell[:1] + cell[-1:] not in ("[]", "{}", "()"):
        return None
    quoted = "'" in cell or '"' in cell or cell.startswith("(")
    for read in (json.loads, _literal) if quoted else (json.loads,):  # bare 00 and 1_000 are texts, and numbers to Python
        try:
            content = read(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(content, list | tuple):
            return list(content)
        if isinstance(content, dict):
            return [content]
    return None if cell.startswith("(") else next(csv.reader([cell[1:-1]], skipinitialspace=True), [])


def _literal(cell: str) -> Any:
    return ast.literal_eval(BETWEEN_QUOTES.sub(r"\1, ", cell))  # Python would join neighbours: 'a' 'b' is 'ab'


def _name_of(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    lowered = {str(key).lower(): value for key, value in part.items()}
    named = next((lowered[name] for name in NAMES if name in lowered), None)
    if named is None:
        words = [value for value in part.values() if isinstance(value, str)]
        if len(words) != 1:
            raise UnreadableCell(f"a record without a name among {', '.join(NAMES)}")
        named = words[0]
    return named


# -- times -------------------------------------------------------------------------------------------------------------
UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""Numbers from the first on count in that many parts of a second: seconds reach 1e11 in the year 5138 only."""


def seconds(value: Any, layout: str = "", missing: Collection[str] = MISSING) -> float | None:
    """Unix seconds of a number (seconds, or thousandths, millionths, billionths by its size), an ISO date or time, a date, or
    text in the given `strptime` layout; without a zone it is UTC. None for nothing.

    Raises: UnreadableCell: none of these.
    """
    value = plain(value)
    if isinstance(value, date):
        return _moment(value)
    written = text(value, missing)
    if not written:
        return None
    if layout:
        try:
            return _moment(datetime.strptime(written, layout))
        except ValueError:
            raise UnreadableCell(f"not a time of the form {layout!r}") from None
    if len(digits := written.removesuffix(".0")) in (8, 14) and digits.isdigit() and (day := _iso(digits[:8])) is not None:
        return day + _time_of_day(digits[8:])  # 20240131 is a day: as seconds it would be one of 1970
    try:
        at = float(written)
    except ValueError:
        moment = _iso(written)
        if moment is None:
            raise UnreadableCell(
                "neither Unix seconds nor an ISO date or time (another form is said by the time format)"
            ) from None
        return moment
    if not math.isfinite(at):
        raise UnreadableCell("not a finite time")
    return at / next((parts for least, parts in UNITS if abs(at) >= least), 1.0)


def _time_of_day(digits: str) -> float:
    """Seconds of `hhmmss`; "" is midnight. Raises: UnreadableCell: no such time."""
    hour, minute, second = (int(digits[n : n + 2] or 0) for n in (0, 2, 4))
    if hour > 23 or minute > 59 or second > 60:
        raise UnreadableCell("begins as a day, and goes on with no time of it")
    return hour * 3600.0 + minute * 60 + second


def _iso(written: str) -> float | None:
    for end in (" UTC", " GMT"):
        written = written.removesuffix(end)
    try:
        return _moment(datetime.fromisoformat(written))
    except ValueError:
        return None


def _moment(value: date) -> float:
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
