"""Data frames of pandas or Polars (anything that narwhals reads)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmrg.core.errors import DataError
from llmrg.data.dataset import Dataset
from llmrg.data.rows import BadRows, OnBadRow, Row
from llmrg.data.tabular import Table, dataset_of


def load_frames(
    interactions: Any,
    items: Any = None,
    users: Any = None,
    *,
    name: str = "frame",
    columns: Mapping[str, str] | None = None,
    on_bad_row: OnBadRow = "error",
    min_interactions: int = 1,
    noun: str = "item",
) -> Dataset:
    """Read frames: one row an interaction, one row an item, one row a user. The frames are not changed.

    Args:
        columns: role -> column for the roles user, item, time, rating, title, headline, text; by default common names are tried
            (never for headline and text).
    Raises:
        DataError: not a frame, an empty frame, or a missing column.
        BadRowError: a row cannot be read, and bad rows are not skipped; its line is the 1-based row.
    """
    return dataset_of(
        name,
        _table(interactions, "interactions frame"),
        None if items is None else _table(items, "items frame"),
        None if users is None else _table(users, "users frame"),
        columns=columns,
        bad_rows=BadRows(on_bad_row),
        noun=noun,
        min_interactions=min_interactions,
    )


def _table(frame: Any, source: str) -> Table:
    import narwhals as nw

    try:
        wrapped = nw.from_native(frame)
    except TypeError:
        raise DataError(f"{source}: a pandas or Polars data frame is expected, not {type(frame).__name__}") from None
    ready: Any = wrapped.collect() if isinstance(wrapped, nw.LazyFrame) else wrapped
    if not len(ready):
        raise DataError(f"{source}: no rows in it; its columns are: {', '.join(map(repr, ready.columns)) or 'none'}")

    def rows() -> Iterator[Row]:
        for line, record in enumerate(ready.iter_rows(named=True), start=1):
            yield Row(source, line, record)

    return Table(source, list(ready.columns), rows())
