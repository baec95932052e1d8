"""CSV, TSV, Parquet and JSON tables with named columns: one file, or a folder with interactions, items and users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from llmrg.core.errors import DataError
from llmrg.data.dataset import Dataset
from llmrg.data.delimited import LETTERS, SAID, USUAL, check_names, csv_rows, first_line, quotes_of, separator_of, table_lines
from llmrg.data.files import PARQUET, UTF_8, open_bytes, open_text, starts_with
from llmrg.data.json_lines import columns_of, is_json, read_json_lines
from llmrg.data.log_columns import Block, NotPlainError
from llmrg.data.options import ReadOptions
from llmrg.data.plain_text import PlainText
from llmrg.data.rows import BadRows, Row
from llmrg.data.tabular import Table, dataset_of

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl")
ALIASES = {".ndjson": ".jsonl", ".json": ".jsonl", ".pq": ".parquet", ".txt": ".tsv", ".dat": ".tsv", ".data": ".tsv"}


def load_tables(
    interactions: Path,
    items: Path | None = None,
    users: Path | None = None,
    options: ReadOptions | None = None,
    noun: str = "item",
) -> Dataset:
    """Read tables whose kinds are told by their suffixes (text also gzipped).

    Args: interactions: a file, or a folder with `interactions.*` and, if wanted, `items.*` and `users.*`.
    Raises:
        DataError: a file is missing, empty, of an unknown kind, lacks a column, or has two that could play one part.
        BadRowError: a row cannot be read, and bad rows are not skipped.
    """
    options = options or ReadOptions()
    bad_rows = BadRows(options.on_bad_row)
    named = options.name or (interactions.resolve() if interactions.is_dir() else interactions).name.split(".")[0]
    if interactions.is_dir():
        folder = interactions
        file = _in_folder(folder, "interactions")
        if file is None:
            raise DataError(
                f"{folder}: no interactions.csv (or {', '.join(SUFFIXES[1:])}); there are: {_listing(folder)}",
                sdk="name the file of interactions itself, and `items=...`",
                shell="name the file of interactions itself, and --items FILE",
            )
        interactions, items, users = file, items or _in_folder(folder, "items"), users or _in_folder(folder, "users")
    return dataset_of(
        named,
        read_table(interactions, bad_rows, options),
        read_table(items, bad_rows, replace(options, header=True)) if items else None,
        read_table(users, bad_rows, replace(options, header=True)) if users else None,
        options=options,
        bad_rows=bad_rows,
        noun=noun,
    )


def kind_of(path: Path) -> str:
    """`.csv`, `.tsv`, `.parquet` or `.jsonl`, a `.gz` looked through; "" for anything else."""
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    suffix = ALIASES.get(suffix, suffix)
    return suffix if suffix in SUFFIXES else ""


def read_table(path: Path, bad_rows: BadRows, options: ReadOptions | None = None) -> Table:
    """The columns (looked up now) and the rows (read when used) of one file. Raises: DataError: see `load_tables`."""
    options = options or ReadOptions()
    kind = kind_of(path)
    if not kind and not options.separator:
        raise DataError(
            f"{path}: unknown kind of table; known are {', '.join(SUFFIXES)} (text also as .gz)",
            sdk="if it is delimited text, say `separator=...`",
            shell="if it is delimited text, say --separator",
        )
    if kind == ".parquet" or starts_with(path, PARQUET):
        return _parquet(path, options)
    if not options.separator and is_json(path, options.encoding, sure=kind == ".jsonl"):
        rows = read_json_lines(path, (), bad_rows, options.missing, python=True, encoding=options.encoding)
        return Table(str(path), columns_of(path, options.encoding), _Some(path, rows, bad_rows))
    return _text(path, bad_rows, options, DELIMITERS.get(kind, ","))


def _text(path: Path, bad_rows: BadRows, options: ReadOptions, usual: str) -> Table:
    head = first_line(path, options.encoding)
    if not head:
        raise DataError(f"{path}: the file is empty; its first line must name the columns")
    separator = options.separator or separator_of(head, usual)
    if options.encoding == UTF_8 and len(separator) == 1 and not SAID.fullmatch(head):
        try:
            return _plain(path, bad_rows, options, separator, _separated(path, options, separator, usual))
        except NotPlainError:
            pass
    quotes = quotes_of(path, separator, options.encoding)
    notes = _separated(path, options, separator, usual)
    notes += [f"{path}: quotes are read as letters, since rows would be lost otherwise"] if quotes is LETTERS else []

    def rows() -> Iterator[Row]:
        with table_lines(path, options.encoding) as lines:
            yield from csv_rows(lines, path.name, (), bad_rows, separator, quotes, options.header, options.missing)

    some = _Some(path, rows(), bad_rows)
    return Table(str(path), list(next(iter(some)).values), some, notes=tuple(notes))


def _separated(path: Path, options: ReadOptions, separator: str, usual: str) -> list[str]:
    return [f"{path}: its columns are separated by {separator!r}"] if not options.separator and separator != usual else []


def _plain(path: Path, bad_rows: BadRows, options: ReadOptions, separator: str, notes: Sequence[str]) -> Table:
    """A text table without quotes and oddities. Raises: NotPlainError: it has some."""
    text = PlainText(path.name, lambda: open_bytes(path), separator, header=options.header)
    names = text.first_fields()
    text.check()
    check_names(path.name, names)

    def rows() -> Iterator[Row]:
        with open_text(path) as lines:
            yield from csv_rows(lines, path.name, (), bad_rows, separator, USUAL, options.header, options.missing)

    return Table(str(path), list(dict.fromkeys(names)), rows(), notes=tuple(notes), blocks=text.blocks)


class _Some:
    """Rows of which there is at least one: the first can be looked at before they are used up."""

    def __init__(self, path: Path, rows: Iterator[Row], bad_rows: BadRows) -> None:
        first = next(rows, None)
        if first is None:
            raise DataError(f"{path}: no rows in it" + (f"; bad rows: {bad_rows.skipped[0]} ..." if bad_rows.skipped else ""))
        self._first, self._rest = first, rows

    def __iter__(self) -> Iterator[Row]:
        yield self._first
        yield from self._rest


def _parquet(path: Path, options: ReadOptions) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from llmrg.data.column_cells import as_cells

    if not path.exists():
        raise DataError(f"no file {path}")
    try:
        file: Any = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a Parquet file: {error}") from error
    names = list(file.schema_arrow.names)
    check_names(str(path), names)
    if not file.metadata.num_rows:
        raise DataError(f"{path}: no rows in it")

    def rows() -> Iterator[Row]:
        line = 0
        for batch in file.iter_batches():
            for record in batch.to_pylist():
                line += 1
                yield Row(path.name, line, record, options.missing)

    def blocks(columns: Sequence[str]) -> Iterator[Block]:
        line = 1
        for batch in file.iter_batches(columns=list(columns)):
            yield Block(path.name, line, {column: as_cells(batch.column(column)) for column in columns})
            line += batch.num_rows

    return Table(str(path), names, rows(), blocks=blocks)


def _in_folder(folder: Path, stem: str) -> Path | None:
    return next((path for path in sorted(folder.iterdir()) if path.name.split(".")[0] == stem and kind_of(path)), None)


def _listing(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.iterdir())[:20]) or "no files"
