"""The rows in JSON that is no object a line: a list, objects one after the other, rows under a key, and what `to_json` of data
frames writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from llmrg.core.errors import DataError


class Repeated(dict[str, Any]):
    """An object with a key twice, of whose values JSON's readers keep the last."""

    key = ""


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Hook of JSON's decoder."""
    fields = dict(pairs)
    if len(fields) == len(pairs):
        return fields
    repeated = Repeated(fields)
    repeated.key = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
    return repeated


BETWEEN = " \t\r\n,\x1e\ufeff"
"""Signs between values that follow each other."""


def values_of(source: str, text: str) -> list[Any]:
    """The values that follow each other in a text. Raises: DataError: it holds something else."""
    decoder, values, at = json.JSONDecoder(object_pairs_hook=object_of), [], 0
    while at < len(text):
        if text[at] in BETWEEN:
            at += 1
            continue
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            kind = "list" if text.lstrip(BETWEEN).startswith("[") else "object"
            raise DataError(
                f"{source}: begins as a JSON {kind} and is none ({error}); mend it, or write an object a line"
            ) from error
        values.append(value)
    return values


def rows_of(source: str, values: Sequence[Any]) -> list[Any]:
    """The rows among the values of a file. Raises: DataError: rows stand under several keys."""
    if len(values) != 1:
        return [row for value in values for row in (value if isinstance(value, list) else [value])]
    (value,) = values
    if isinstance(value, list):
        return value
    if not holds_rows(value):
        return [value]
    if (table := _frame(value)) is not None:
        return table
    keys = _lists(value)
    if len(keys) > 1:
        raise DataError(
            f"{source}: rows stand under several keys ({', '.join(map(repr, keys))}); write those of one key as a file of its own"
        )
    return list(value[keys[0]])


def holds_rows(value: Any) -> bool:
    """Whether an object is no row itself: rows stand under its keys, or it is a data frame by columns or by row."""
    return isinstance(value, dict) and (_frame(value) is not None or (bool(_lists(value)) and not _is_row(value)))


def _lists(value: Mapping[str, Any]) -> list[str]:
    """The keys under which lists of objects stand."""
    return [
        key for key, field in value.items() if isinstance(field, list) and field and all(isinstance(row, dict) for row in field)
    ]


def _is_row(value: Mapping[str, Any]) -> bool:
    """Rows have ids; what wraps them has counts and words of its own."""
    return any(str(key).lower().replace("_", "").endswith(("id", "user", "item", "asin", "sku")) for key in value)


def _frame(value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The rows of a data frame as pandas writes it: `split`, `columns` (also as lists) or `index`; None for anything else."""
    names, data = value.get("columns"), value.get("data")
    if (
        isinstance(names, list)
        and isinstance(data, list)
        and all(isinstance(row, list) and len(row) == len(names) for row in data)
    ):
        return [dict(zip(map(str, names), row, strict=True)) for row in data]
    columns = list(value.values())
    if len(columns) < 2:
        return None
    if all(isinstance(column, list) and len(column) == len(columns[0]) > 0 for column in columns):
        scalar = all(not isinstance(cell, dict) for column in columns for cell in column)
        return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)] if scalar else None
    if not all(isinstance(column, dict) and column and list(column) == list(columns[0]) for column in columns):
        return None
    if all(key.isdigit() for key in columns[0]):
        return [{name: column[row] for name, column in value.items()} for row in columns[0]]
    return columns if all(key.isdigit() for key in value) else None
