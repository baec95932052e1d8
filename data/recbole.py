"""RecBole atomic files: `NAME.inter`, and `NAME.item` and `NAME.user` beside it.

Tab-separated; the header gives each column a type, `item_id:token`: token, token_seq (values separated by spaces), float,
float_seq.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from llmrg.core.errors import DataError
from llmrg.data.dataset import Dataset
from llmrg.data.delimited import LETTERS, csv_rows
from llmrg.data.files import open_bytes, open_text
from llmrg.data.options import ReadOptions
from llmrg.data.plain_text import PlainText
from llmrg.data.rows import BadRows, Row
from llmrg.data.tabular import Table, dataset_of

TYPES = ("token", "token_seq", "float", "float_seq")


def load_recbole(path: Path, options: ReadOptions | None = None, noun: str = "item") -> Dataset:
    """Read `NAME.inter`, or the folder that holds it. Columns are named without their types.

    Raises:
        DataError: no .inter file, a header without types, or a missing column.
        BadRowError: a row cannot be read, and bad rows are not skipped.
    """
    options = options or ReadOptions()
    inter = _inter_file(path)
    bad_rows = BadRows(options.on_bad_row)
    beside = {suffix: inter.with_suffix(suffix) for suffix in (".item", ".user")}
    return dataset_of(
        options.name or inter.stem,
        _atomic(inter, bad_rows, options),
        _atomic(beside[".item"], bad_rows, options) if beside[".item"].exists() else None,
        _atomic(beside[".user"], bad_rows, options) if beside[".user"].exists() else None,
        options=options,
        bad_rows=bad_rows,
        noun=noun,
    )


def _inter_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    files = sorted(path.glob("*.inter"))
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise DataError(f"{path}: one .inter file is expected in a RecBole folder; there are: {names}")
    return files[0]


def _atomic(path: Path, bad_rows: BadRows, options: ReadOptions) -> Table:
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
        if column in names:
            raise DataError(f"{path}: the column {column!r} is there twice; give each a name of its own")
        names[column] = kind
    separators = {column: " " if kind == "token_seq" else "\x00" for column, kind in names.items()}
    kept = [column for column, kind in names.items() if kind != "float_seq"]

    def rows() -> Iterator[Row]:
        with open_text(path) as lines:
            for row in csv_rows(lines, path.name, (), bad_rows, "\t", LETTERS):
                yield Row(row.source, row.line, dict(zip(names, row.values.values(), strict=True)), options.missing)

    text = PlainText(path.name, lambda: open_bytes(path), "\t", [*names], letters=True)
    return Table(str(path), kept, rows(), separators, blocks=text.blocks)
