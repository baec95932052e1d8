"""Amazon 2014 reviews and the sequence files made of them.

Three forms:

- review records (`reviews_Beauty_5.json.gz`: a JSON object a line); titles from `meta_Beauty.json.gz` beside it, if there is one.
  Stars, headline and text of a review are kept as the user's opinion;
- sequences (`user item item ...` a line, as S3-Rec and P5 use them): no times, no titles;
- a pair `NAME.sequences.tsv.gz` and `NAME.items.jsonl.gz`.
"""

from __future__ import annotations

import ast
import html
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from llmrg.core.errors import DataError
from llmrg.core.records import Interaction, Item
from llmrg.data.clean import make_dataset
from llmrg.data.dataset import Dataset
from llmrg.data.delimited import read_csv
from llmrg.data.files import open_text
from llmrg.data.json_lines import read_json_lines
from llmrg.data.rows import BadRows, OnBadRow, Row, number, one_line, required_text, text, time_in_seconds

SEQUENCES, ITEMS = ".sequences.tsv", ".items.jsonl"
REASON_ATTRIBUTES = ("category",)


def load_amazon_reviews(
    path: Path, meta: Path | None = None, *, name: str = "", on_bad_row: OnBadRow = "error", min_interactions: int = 1
) -> Dataset:
    """Review records; `meta` is the publisher's file of product data (by default `meta_...` beside `reviews_..._5`).

    Raises: DataError, BadRowError: a file or row cannot be read.
    """
    bad_rows = BadRows(on_bad_row)
    meta = meta or _meta_beside(path)
    interactions = list(bad_rows.each(read_json_lines(path, ("reviewerID", "asin", "unixReviewTime"), bad_rows), _review))
    wanted = {interaction.item for interaction in interactions}
    return make_dataset(
        name or path.name.split(".")[0],
        interactions,
        items=_meta(meta, wanted, bad_rows) if meta else (),
        source=str(path),
        noun="product",
        min_interactions=min_interactions,
        bad_rows=bad_rows.skipped,
        notes=() if meta else ("no product data beside the reviews: ids stand for titles",),
        reason_attributes=REASON_ATTRIBUTES,
    )


def load_amazon_sequences(path: Path, *, name: str = "", on_bad_row: OnBadRow = "error", min_interactions: int = 1) -> Dataset:
    """Lines `user item item ...`, oldest first. Raises: DataError, BadRowError: the file or a line cannot be read."""
    bad_rows = BadRows(on_bad_row)
    return make_dataset(
        name or path.name.split(".")[0],
        _sequence_lines(path, bad_rows),
        source=str(path),
        noun="product",
        in_order=True,
        min_interactions=min_interactions,
        bad_rows=bad_rows.skipped,
        notes=("sequence file: the order is the file's, there are no times",),
    )


def load_amazon_pair(path: Path, *, name: str = "", on_bad_row: OnBadRow = "error", min_interactions: int = 1) -> Dataset:
    """`NAME.sequences.tsv[.gz]`, and `NAME.items.jsonl[.gz]` beside it.

    Raises: DataError, BadRowError: a file or row cannot be read.
    """
    bad_rows = BadRows(on_bad_row)
    beside = path.with_name(path.name.replace(SEQUENCES, ITEMS))
    rows = read_csv(path, ("reviewer_id", "asins"), bad_rows, "\t")
    users = list(bad_rows.each(rows, _sequence_row))
    items = bad_rows.each(read_json_lines(beside, ("asin",), bad_rows), _pair_item) if beside.exists() else ()
    dataset = make_dataset(
        name or f"amazon-{path.name.split('.')[0]}",
        (interaction for interactions, _ in users for interaction in interactions),
        items=items,
        source=str(path),
        noun="product",
        in_order=True,
        min_interactions=min_interactions,
        bad_rows=bad_rows.skipped,
        notes=("the order is the file's; it tells time gaps but no dates, so times are left out (ties count gaps of 0)",),
        reason_attributes=REASON_ATTRIBUTES,
    )
    return replace(dataset, report=replace(dataset.report, time_ties=sum(ties for _, ties in users)))


def _review(row: Row) -> Interaction:
    user, item, at = required_text(row, "reviewerID"), required_text(row, "asin"), time_in_seconds(row, "unixReviewTime")
    headline, said = (one_line(html.unescape(text(row.values.get(column)))) for column in ("summary", "reviewText"))
    return Interaction(user, item, at, number(row, "overall"), headline, said)


def _meta_beside(path: Path) -> Path | None:
    category = path.name.removeprefix("reviews_").split(".")[0].removesuffix("_5")
    return next((p for end in ("json.gz", "json", "jsonl.gz") if (p := path.with_name(f"meta_{category}.{end}")).exists()), None)


def _meta(path: Path, wanted: set[str], bad_rows: BadRows) -> Iterator[Item]:
    """Product data: one JSON object or (the publisher's older form) one Python literal a line."""
    with open_text(path) as file:
        for line_number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            row = Row(path.name, line_number, {"line": line[:80]})
            try:
                record = json.loads(line) if line.startswith('{"') else ast.literal_eval(line)
            except (ValueError, SyntaxError):
                bad_rows.add(row.bad("line", "neither JSON nor a Python literal"))
                continue
            if isinstance(record, dict) and record.get("asin") in wanted:
                yield _product(str(record["asin"]), record)


def _pair_item(row: Row) -> Item:
    return _product(required_text(row, "asin"), row.values)


def _product(asin: str, record: Any) -> Item:
    """Categories without the first of each path, which is the shop's department for all."""
    paths = record.get("categories") or []
    categories = dict.fromkeys(text(part) for path in paths if isinstance(path, list) for part in path[1:])
    attributes = [("category", html.unescape(category)) for category in categories if category]
    attributes += [(key, html.unescape(text(record[key]))) for key in ("brand", "keywords") if text(record.get(key))]
    return Item(asin, html.unescape(text(record.get("title"))), tuple(attributes))


def _sequence_lines(path: Path, bad_rows: BadRows) -> Iterator[Interaction]:
    empty = True
    with open_text(path) as file:
        for line_number, line in enumerate(file, start=1):
            user, *items = line.split() or [""]
            empty = empty and not user
            if user and not items:
                bad_rows.add(Row(path.name, line_number, {"items": line.strip()}).bad("items", "a user without items"))
            yield from (Interaction(user, item) for item in items)
    if empty:
        raise DataError(f"{path}: the file is empty; lines of the form `user item item ...` are expected")


def _sequence_row(row: Row) -> tuple[list[Interaction], int]:
    """One user's interactions, and how many of them stand at the same time as the one before."""
    user, items = required_text(row, "reviewer_id"), required_text(row, "asins").split()
    gaps = text(row.values.get("gap_seconds")).split()
    if gaps and len(gaps) != len(items):
        raise row.bad("gap_seconds", f"{len(gaps)} gaps for {len(items)} items")
    return [Interaction(user, item) for item in items], _zeros(gaps[1:])


def _zeros(gaps: Iterable[str]) -> int:
    return sum(gap == "0" for gap in gaps)
