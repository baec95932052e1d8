"""Item profiles as tables: TSV, CSV or Parquet, a row for each item and theme, or a row for each item with a list of themes.

Long form: columns `item`, `theme` and, if wanted, `score`. Wide form: an item and lists separated by `;`, in columns `item` and
`themes`, or in a TSV of two columns without a header: `item<TAB>theme; theme; theme`. Without scores, the themes of the wide form
are scored by their order (`scored_by_rank`), those of the long form with 1.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from llmrg.core.errors import DataError
from llmrg.core.places import writing
from llmrg.core.ranked_themes import scored_by_rank
from llmrg.core.themes import Appeal, Profile, ProfileSource, strongest, theme_name
from llmrg.data.roles import OF_ITEMS, plain_name
from llmrg.data.rows import BadRows, Row
from llmrg.data.tables import kind_of, read_table

ITEM, THEME, LISTS, SCORE = tuple(chain(*OF_ITEMS["item"])), ("theme",), ("themes", "reasons"), ("score", "weight")
"""Names of columns, without regard to case and signs, the first that is there."""
EXAMPLES = 5
"""Unknown items that are named."""
HEADER = ("item", "theme", "score")


@dataclass(frozen=True)
class ReadProfile:
    """A profile, and what was left out of the table."""

    profile: Profile
    items: int
    """Items with a profile."""
    unknown: int
    """Items of the table that the data set does not have; they are left out."""
    unknown_examples: tuple[str, ...]
    repeated: int
    """Rows that say an item's theme again; the highest score counts."""


def read_profile(
    path: Path, source: ProfileSource, known: Collection[str], *, item: str = "", lists: Sequence[str] = ()
) -> ReadProfile:
    """Args:
        known: item ids of the data set.
        item, lists: columns of the wide form where they are not called as above; each list is scored by itself.
    Raises:
        DataError: not a table of profiles, or none of its items is known.
        BadRowError: a row without item or theme, or whose score is not in (0, 1].
    """
    appeals: list[Appeal] = []
    unknown: dict[str, None] = {}
    for row in _rows(path, item, lists):
        for appeal in row:
            if appeal.item in known:
                appeals.append(appeal)
            else:
                unknown[appeal.item] = None
    if not appeals:
        ours = next(iter(known), "")
        raise DataError(
            f"{path}: none of its {len(unknown):,} items is in the data set; the table has {next(iter(unknown), '')!r}, the data "
            f"set {ours!r}: ids must be those of the data set"
        )
    kept = strongest(appeals)
    items = len({appeal.item for appeal in kept})
    return ReadProfile(Profile(source, kept), items, len(unknown), tuple(unknown)[:EXAMPLES], len(appeals) - len(kept))


def _rows(path: Path, item: str, lists: Sequence[str]) -> Iterator[list[Appeal]]:
    """The appeals of each row."""
    table = read_table(path, BadRows("error"))
    names = {plain_name(name): name for name in reversed(list(table.columns))}
    rows: Iterable[Row] = table.rows
    item_column = item or _first(names, ITEM)
    theme, score = _first(names, THEME), _first(names, SCORE)
    columns = list(lists) or [column for column in [_first(names, LISTS)] if column]
    if (
        not item_column and kind_of(path) == ".tsv" and len(table.columns) == 2
    ):  # no header: the first line is a row like the rest
        item_column, column = table.columns
        columns = [column]
        yield _listed(Row(path.name, 1, dict(zip(table.columns, table.columns, strict=True))), item_column, columns)
    if not item_column or not (theme or columns):
        raise DataError(
            f"{path}: no columns of a profile; there are {', '.join(map(repr, table.columns))}, and wanted are `item`, `theme` "
            "and, if there are scores, `score`; or `item` and `themes`, a list separated by `;`"
        )
    for row in rows:
        yield [_single(row, item_column, theme, score)] if theme and not lists else _listed(row, item_column, columns)


def _first(names: Mapping[str, str], wanted: Sequence[str]) -> str:
    return next((names[name] for name in wanted if name in names), "")


def _single(row: Row, item: str, theme: str, score: str) -> Appeal:
    return Appeal(row.need(item), theme_name(row.need(theme)), _score(row, score) if score else 1.0)


def _score(row: Row, column: str) -> float:
    try:
        score = float(row.text(column) or "nan")
    except ValueError:
        score = float("nan")
    if not 0 < score <= 1:
        raise row.bad(column, "not a score in (0, 1]")
    return score


def _listed(row: Row, item: str, columns: Sequence[str]) -> list[Appeal]:
    named = row.need(item)
    scores: dict[str, float] = {}
    for column in columns:
        cells = row.many(column, ";")
        for theme, score in scored_by_rank(filter(None, map(theme_name, cells))).items():
            scores[theme] = max(score, scores.get(theme, 0.0))
    if not scores:
        raise row.bad(columns[0], "no theme in it")
    return [Appeal(named, theme, score) for theme, score in scores.items()]


def write_profile(path: Path, profile: Profile) -> int:
    """Write the long form, by item and score; returns the number of rows. `.parquet` keeps the source in its metadata.

    Raises: DataError: the name does not say TSV, CSV or Parquet.
    """
    rows = [(a.item, a.theme, a.score) for a in sorted(profile.appeals, key=lambda a: (a.item, -a.score, a.theme))]
    kind = kind_of(path)
    if kind not in (".tsv", ".csv", ".parquet"):
        raise DataError(f"{path}: profiles are written as .tsv, .csv (both also .gz) or .parquet; name the file so")
    if kind == ".parquet":
        with writing(path):
            _write_parquet(path, profile.source, rows)
        return len(rows)
    table = io.StringIO()
    writer = csv.writer(table, delimiter="\t" if kind == ".tsv" else ",", lineterminator="\n")
    writer.writerows([HEADER, *((item, theme, repr(score)) for item, theme, score in rows)])
    data = table.getvalue().encode()
    with writing(path):
        path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return len(rows)


def _write_parquet(path: Path, source: ProfileSource, rows: Sequence[tuple[str, str, float]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    metadata = {f"llmrg.{name}": str(getattr(source, name)) for name in ("name", "made", "verified", "note")}
    columns = dict(zip(HEADER, zip(*rows, strict=True) if rows else ((), (), ()), strict=True))
    types = {"item": pa.string(), "theme": pa.string(), "score": pa.float64()}
    arrays = {name: pa.array(values, types[name]) for name, values in columns.items()}
    pq.write_table(pa.table(arrays).replace_schema_metadata(metadata), path)
