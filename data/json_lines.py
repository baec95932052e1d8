"""JSON lines (plain or gzipped) as rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from llmrg.core.errors import BadRowError, DataError
from llmrg.data.files import open_text
from llmrg.data.rows import BadRows, Row, check_columns


def read_json_lines(path: Path, wanted: Sequence[str], bad_rows: BadRows) -> Iterator[Row]:
    """One JSON object a line; the first one must have the wanted columns.

    Raises:
        DataError: the file is empty, or a wanted column is missing.
        BadRowError: a line is not a JSON object.
    """
    empty = True
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if not isinstance(record, dict):
                bad_rows.add(BadRowError(path.name, number, "line", line.strip()[:80], "not a JSON object"))
                continue
            if empty:
                check_columns(path.name, wanted, list(record))
                empty = False
            yield Row(path.name, number, record)
    if empty:
        raise DataError(f"{path.name}: no JSON object in it; one a line is expected")
