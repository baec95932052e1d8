"""JSON (an object a line, or one list of objects; plain or gzipped) as rows."""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from llmrg.core.errors import BadRowError, DataError
from llmrg.data.cells import MISSING
from llmrg.data.files import open_text
from llmrg.data.rows import BadRows, Row, check_columns


def read_json_lines(
    path: Path, wanted: Sequence[str], bad_rows: BadRows, missing: Collection[str] = MISSING, python: bool = False
) -> Iterator[Row]:
    """One JSON object a line; the first one must have the wanted columns.

    Args: python: lines may be Python literals too, as older releases of some publishers are.
    Raises:
        DataError: the file is empty, or a wanted column is missing.
        BadRowError: a line is not a JSON object.
    """
    empty = True
    with open_text(path) as file:
        for number, line, record in _records(path, file, python):
            if not isinstance(record, dict):
                bad_rows.add(BadRowError(path.name, number, "line", line.strip()[:80], "not a JSON object"))
                continue
            if empty:
                check_columns(path.name, wanted, list(record))
                empty = False
            yield Row(path.name, number, record, missing)
    if empty:
        raise DataError(f"{path.name}: no JSON object in it; one a line is expected")


def columns_of(path: Path) -> list[str]:
    """The keys of all objects, in order of their first appearance: a line leaves out what it has nothing to say of."""
    found: dict[str, None] = {}
    with open_text(path) as file:
        for _, _, record in _records(path, file, python=False):
            if isinstance(record, dict):
                found.update(dict.fromkeys(record))
    return list(found)


def first_object(path: Path, python: bool = True) -> dict[str, Any]:
    """The first object of a file; {} where it begins with none."""
    with open_text(path) as file:
        line = next((line for line in file if line.strip()), "") if not _is_list(path) else ""
        record = _read(line[:1_000_000], python) if line else next((r for _, _, r in _records(path, file, python)), None)
    return record if isinstance(record, dict) else {}


def _records(path: Path, file: Any, python: bool) -> Iterator[tuple[int, str, Any]]:
    """(line or place in the list, its text, what it holds or None)."""
    if _is_list(path):
        try:
            found = json.load(file)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path.name}: begins as a JSON list and is none ({error}); mend it, or write an object a line"
            ) from error
        for number, record in enumerate(found, start=1):
            yield number, str(record), record
        return
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield number, line, _read(line, python)


def _read(line: str, python: bool) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        if not python:
            return None
    try:
        return ast.literal_eval(line.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _is_list(path: Path) -> bool:
    with open_text(path) as file:
        return file.read(4096).lstrip().startswith("[")
