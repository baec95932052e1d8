"""Data frames of pandas or Polars (anything that narwhals reads)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from llmrg.core.errors import DataError
from llmrg.data.dataset import Dataset
from llmrg.data.delimited import check_names
from llmrg.data.log_columns import Block
from llmrg.data.options import ReadOptions
from llmrg.data.rows import BadRows, Row
from llmrg.data.tabular import Table, dataset_of


def load_frames(
    interactions: Any, items: Any = None, users: Any = None, options: ReadOptions | None = None, noun: str = "item"
) -> Dataset:
    """Read frames: one row an interaction, one row an item, one row a user. The frames are not changed.

    A data set without a name is called after its content (`frame-` and eight digits): the same frames have the same name, others
    another one.

    Raises:
        DataError: not a frame, an empty frame, a missing column, or two of one name.
        BadRowError: a row cannot be read, and bad rows are not skipped; its line is the 1-based row.
    """
    options = options or ReadOptions()
    dataset = dataset_of(
        options.name or "frame",
        _table(interactions, "interactions frame", options),
        None if items is None else _table(items, "items frame", options),
        None if users is None else _table(users, "users frame", options),
        options=options,
        bad_rows=BadRows(options.on_bad_row),
        noun=noun,
    )
    return dataset if options.name else replace(dataset, name=f"frame-{_content(dataset)}")


def _content(dataset: Dataset) -> str:
    digest = hashlib.sha256()
    for item in dataset.catalogue:
        digest.update(repr((item.id, item.title)).encode())
    for history in dataset.histories.values():
        digest.update(repr((history.user, history.items)).encode())
    return digest.hexdigest()[:8]


def _table(frame: Any, source: str, options: ReadOptions) -> Table:
    import narwhals as nw

    if hasattr(frame, "set_axis") and hasattr(frame, "columns"):
        frame = _with_text_names(_with_index(frame), source)
    try:
        wrapped = nw.from_native(frame)
    except TypeError:
        raise DataError(f"{source}: a pandas or Polars data frame is expected, not {type(frame).__name__}") from None
    ready: Any = wrapped.collect() if isinstance(wrapped, nw.LazyFrame) else wrapped
    if not len(ready):
        raise DataError(f"{source}: no rows in it; its columns are: {', '.join(map(repr, ready.columns)) or 'none'}")

    def rows() -> Iterator[Row]:
        for line, record in enumerate(ready.iter_rows(named=True), start=1):
            yield Row(source, line, record, options.missing)

    def blocks(columns: Sequence[str]) -> Iterator[Block]:
        yield Block(source, 1, {column: _cells(ready.get_column(column)) for column in columns})

    return Table(source, list(ready.columns), rows(), blocks=blocks)


def _cells(series: Any) -> Any:
    """A column as Arrow has it, where it can tell the objects of pandas the same."""
    import pyarrow as pa

    from llmrg.data.column_cells import as_cells

    try:
        array = series.to_arrow()
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return series.to_list()
    cells = as_cells(array)
    return series.to_list() if isinstance(cells, list) else cells


def _with_index(frame: Any) -> Any:
    """pandas may hold a column, such as the users, as the index: one that has a name is a column."""
    named = [name for name in frame.index.names if name is not None and name not in frame.columns]
    return frame.reset_index(level=named) if named else frame


def _with_text_names(frame: Any, source: str) -> Any:
    """pandas allows any object as a column's name, and one name twice: `header=None` gives numbers, a pivot gives tuples."""
    names = ["_".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in frame.columns]
    check_names(source, names)
    return frame.set_axis(names, axis="columns") if names != list(frame.columns) else frame
