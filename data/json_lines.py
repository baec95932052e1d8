"""JSON as rows: an object a line, one list of objects, or one document that holds the rows (`llmrg.data.json_documents`)."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from llmrg.core.errors import BadRowError, DataError
from llmrg.data.cells import MISSING
from llmrg.data.files import UTF_8, open_text
from llmrg.data.json_documents import Repeated, holds_rows, object_of, rows_of, values_of
from llmrg.data.rows import BadRows, Row, check_columns


def read_json_lines(
    path: Path,
    wanted: Sequence[str],
    bad_rows: BadRows,
    missing: Collection[str] = MISSING,
    python: bool = False,
    encoding: str = UTF_8,
) -> Iterator[Row]:
    """One JSON object a line; the first one must have the wanted columns.

    Args: python: lines may be Python literals too, as older releases of some publishers are.
    Raises:
        DataError: the file is empty, or a wanted column is missing.
        BadRowError: a line is not a JSON object, or one with a key twice.
    """
    empty = True
    with open_text(path, encoding) as file:
        for number, line, record in _records(path, file, python, encoding):
            if not isinstance(record, dict):
                bad_rows.add(BadRowError(path.name, number, "line", line.strip()[:80], "not a JSON object"))
                continue
            if isinstance(record, Repeated):
                problem = "this key stands twice in the object; which of its values counts is not clear"
                bad_rows.add(BadRowError(path.name, number, record.key, line.strip()[:80], problem))
                continue
            if empty:
                check_columns(path.name, wanted, list(record))
                empty = False
            yield Row(path.name, number, record, missing)
    if empty:
        raise DataError(f"{path.name}: no JSON object in it; one a line is expected")


def columns_of(path: Path, encoding: str = UTF_8) -> list[str]:
    """The keys of all objects, in order of their first appearance: a line leaves out what it has nothing to say of."""
    columns: dict[str, None] = {}
    with open_text(path, encoding) as file:
        for _, _, record in _records(path, file, True, encoding):
            if isinstance(record, dict):
                columns.update(dict.fromkeys(record))
    return list(columns)


def first_object(path: Path, python: bool = True) -> dict[str, Any]:
    """The first object of a file; {} where it begins with none."""
    with open_text(path) as file:
        line = next((line for line in file if line.strip()), "") if not _is_whole(path, UTF_8) else ""
        record = _read(line[:1_000_000], python) if line else next((r for _, _, r in _records(path, file, python, UTF_8)), None)
    return record if isinstance(record, dict) else {}


def is_json(path: Path, encoding: str = UTF_8, *, sure: bool = False) -> bool:
    """Whether a text holds JSON; `sure`: its name says so."""
    if sure:
        return True
    with open_text(path, encoding) as file:
        head = file.read(4096).lstrip()
    return bool(re.match(r"""\{\s*(["']\w[^"']*["']\s*:|$)|\[\s*(\{|$)""", head))


def _records(path: Path, file: Any, python: bool, encoding: str) -> Iterator[tuple[int, str, Any]]:
    """(line, or place in the document; its text; what it holds or None)."""
    if _is_whole(path, encoding):
        for number, record in enumerate(rows_of(path.name, values_of(path.name, file.read())), start=1):
            yield number, str(record), record
        return
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield number, line, _read(line, python)


def _read(line: str, python: bool) -> Any:
    line = line.strip().strip("\x1e").rstrip(",")
    try:
        return json.loads(line, object_pairs_hook=object_of)
    except (ValueError, RecursionError):
        if not python:
            return None
    try:
        return ast.literal_eval(line)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _is_whole(path: Path, encoding: str) -> bool:
    """Whether the file is to be read as a whole: a list, an object over several lines, or one line only that holds others."""
    with open_text(path, encoding) as file:
        first = file.readline()
        while first and not first.strip():
            first = file.readline()
        if first.lstrip().startswith("["):
            return True
        if not first.lstrip().startswith("{"):
            return False
        end = first.rstrip()
        if end.endswith(("{", "[", ":", ",")) and not end.endswith("},"):
            return True
        return not any(line.strip() for line in file) if holds_rows(_read(first, python=True)) else False
