"""RecBole atomic files: `NAME.inter`, and `NAME.item` and `NAME.user` beside it.

Tab-separated; the header gives each column a type, `item_id:token`: token, token_seq (values separated by spaces), float,
float_seq.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from llmrg.core.errors import DataError
from llmrg.data.dataset import Dataset
from llmrg.data.delimited import csv_rows
from llmrg.data.files import open_text
from llmrg.data.rows import BadRows, OnBadRow, Row
from llmrg.data.tabular import GUESSES, Table, dataset_of

TYPES = ("token", "token_seq", "float", "float_seq")


def load_recbole(
    path: Path,
    *,
    name: str = "",
    columns: Mapping[str, str] | None = None,
    on_bad_row: OnBadRow = "error",
    min_interactions: int = 1,
    noun: str = "item",
) -> Dataset:
    """Read `NAME.inter`, or the folder that holds it.

    Args:
        columns: role -> column, without its type; by default user_id, item_id, timestamp, rating and common names.
    Raises:
        DataError: no .inter file, a header without types, or a missing column.
        BadRowError: a row cannot be read, and bad rows are not skipped.
    """
    inter = _inter_file(path)
    bad_rows = BadRows(on_bad_row)
    beside = {suffix: inter.with_suffix(suffix) for suffix in (".item", ".user")}
    return dataset_of(
        name or inter.stem,
        _atomic(inter, bad_rows),
        _atomic(beside[".item"], bad_rows) if beside[".item"].exists() else None,
        _atomic(beside[".user"], bad_rows) if beside[".user"].exists() else None,
        columns=columns,
        bad_rows=bad_rows,
        noun=noun,
        min_interactions=min_interactions,
    )


def _inter_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.inter"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise DataError(f"{path}: one .inter file is expected in a RecBole folder; there are: {names}")
    return found[0]


def _atomic(path: Path, bad_rows: BadRows) -> Table:
    with open_text(path) as file:
        header = file.readline().rstrip("\r\n")
    if not header:
        raise DataError(f"{path}: the file is empty; its first line must be typed, for instance user_id:token<TAB>item_id:token")
    names: dict[str, str] = {}
    for typed in header.split("\t"):
        column, _, kind = typed.rpartition(":")
        if kind not in TYPES:
            raise DataError(
                f"{path}: column {typed!r} has no type; RecBole headers say column:type with one of {', '.join(TYPES)}"
            )
        names[column] = kind
    separators = {c: " " if kind == "token_seq" and c.lower() not in GUESSES["title"] else "\x00" for c, kind in names.items()}
    kept = [column for column, kind in names.items() if kind != "float_seq"]

    def rows() -> Iterator[Row]:
        with open_text(path) as lines:
            for row in csv_rows(lines, path.name, (), bad_rows, "\t", csv.QUOTE_NONE):
                yield Row(row.source, row.line, dict(zip(names, row.values.values(), strict=True)))

    return Table(str(path), kept, rows(), separators)
