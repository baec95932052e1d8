"""Reviews as their publishers lay them out, a JSON object (or, long ago, a Python literal) a line, and product data beside them.

Which layout a file has is told by the keys of its first object, never by its name.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmrg.core.errors import DataError
from llmrg.core.records import Interaction, Item
from llmrg.data.clean import make_dataset
from llmrg.data.dataset import Dataset
from llmrg.data.interactions import Interactions
from llmrg.data.json_lines import first_object, read_json_lines
from llmrg.data.roles import ColumnUse
from llmrg.data.rows import BadRows, OnBadRow, Row
from llmrg.data.tables import kind_of

Record = Mapping[str, Any]


@dataclass(frozen=True)
class ReviewLayout:
    """How one publisher's reviews and products are laid out."""

    name: str
    keys: frozenset[str]
    """The first object of the reviews has all of these."""
    products: frozenset[str]
    """The first object of the product data has all of these."""
    columns: Mapping[str, str]
    """Role -> key of a review."""
    product: Callable[[Record], Item]
    """What product data says of an item; the title is "" where there is none."""
    noun: str
    reason_attributes: tuple[str, ...] = ()
    time_format: str = ""
    unrated: float | None = None
    """A rating that means none."""
    each: Callable[[Row], Iterable[Row]] | None = None
    """Reviews of one line, where a line holds several."""
    beside: Callable[[Path], Iterable[Path]] = lambda path: ()
    """Where product data lies first of all; else it is looked for in the same folder."""


def layout_of(path: Path, layouts: Iterable[ReviewLayout]) -> ReviewLayout | None:
    """The layout of a file of reviews; None where it is none of them."""
    if kind_of(path) != ".jsonl":
        return None
    keys = set(first_object(path))
    return next((layout for layout in layouts if layout.keys <= keys), None)


def load_reviews(
    path: Path,
    layout: ReviewLayout,
    meta: Path | None = None,
    *,
    name: str = "",
    on_bad_row: OnBadRow = "error",
    min_interactions: int = 1,
) -> Dataset:
    """Reviews of one file, and the titles of their products where there are any.

    Args: meta: the product data; by default what lies beside the reviews.
    Raises: DataError, BadRowError: a file or row cannot be read.
    """
    bad_rows = BadRows(on_bad_row)
    meta = meta or _products_beside(path, layout)
    needed = [] if layout.each else [layout.columns[role] for role in ("user", "item")]  # later ones may be left out
    lines = read_json_lines(path, needed, bad_rows, python=True)
    rows = (record for line in lines for record in (layout.each(line) if layout.each else (line,)))
    interactions = Interactions.of(bad_rows.each(rows, lambda row: _review(row, layout)))
    wanted = set(interactions.items)
    return make_dataset(
        name or path.name.split(".")[0],
        interactions,
        items=_items(meta, layout, wanted, bad_rows) if meta else (),
        source=str(path),
        noun=layout.noun,
        min_interactions=min_interactions,
        bad_rows=bad_rows.skipped,
        notes=(
            f"read as reviews of {layout.name}",
            f"product data: {meta}" if meta else "no product data beside the reviews: ids stand for titles",
        ),
        reason_attributes=layout.reason_attributes,
        columns=tuple(ColumnUse("interactions", column, role) for role, column in layout.columns.items()),
    )


def _review(row: Row, layout: ReviewLayout) -> Interaction:
    at = layout.columns
    words = (_plain_text(row.one_line(at[role])) if role in at else "" for role in ("headline", "text"))
    rating = row.number(at["rating"]) if "rating" in at else None
    time = row.time(at["time"], layout.time_format) if "time" in at else None
    return Interaction(row.need(at["user"]), row.need(at["item"]), time, None if rating == layout.unrated else rating, *words)


def _plain_text(text: str) -> str:
    return " ".join(html.unescape(text).split())


def _products_beside(path: Path, layout: ReviewLayout) -> Path | None:
    """Raises: DataError: several files could be the product data."""
    first = next((file for file in layout.beside(path) if file.exists()), None)
    if first:
        return first
    others = [p for p in sorted(path.parent.iterdir()) if p != path and p.is_file() and kind_of(p) == ".jsonl"]
    files = [other for other in others if layout.products <= set(first_object(other))]
    if len(files) > 1:
        named = ", ".join(p.name for p in files)
        raise DataError(f"{path}: more than one file beside it could be its product data ({named}); leave the right one there")
    return files[0] if files else None


def _items(path: Path, layout: ReviewLayout, wanted: set[str], bad_rows: BadRows) -> Iterator[Item]:
    def known(row: Row) -> Item | None:
        item = layout.product(row.values)
        return item if item.id in wanted else None

    return (item for item in bad_rows.each(read_json_lines(path, (), bad_rows, python=True), known) if item)
