"""Sequence files that others made of Amazon reviews (for the reviews themselves, see `llmrg.data.review_layouts`).

Two forms:

- sequences (`user item item ...` a line, as S3-Rec and P5 use them): no times, no titles;
- a pair `NAME.sequences.tsv.gz` and `NAME.items.jsonl.gz`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from llmrg.core.errors import DataError
from llmrg.core.records import Interaction, Item
from llmrg.data.clean import make_dataset
from llmrg.data.dataset import Dataset
from llmrg.data.delimited import first_line, read_csv
from llmrg.data.files import open_text
from llmrg.data.json_lines import is_json, read_json_lines
from llmrg.data.review_layouts import AMAZON, amazon_product
from llmrg.data.rows import BadRows, OnBadRow, Row

TABULAR = re.compile(r"\S[\t,;|]|::")
"""Signs between the columns of a table."""
LOOKED_AT = 1000
"""Lines."""
SEQUENCES, ITEMS = ".sequences.tsv", ".items.jsonl"


def is_sequences(path: Path) -> bool:
    """Whether the lines of a text can be `user item item ...`: no signs of a table or of JSON, and no row a line.

    Raises: DataError: three or more words in each line, and users again and again: a table with blanks between its columns.
    """
    with open_text(path) as file:
        lines = [line.split() for line in islice(file, LOOKED_AT) if not TABULAR.search(line)]
        file_is_table = TABULAR.search(first_line(path))
    if file_is_table or is_json(path):
        return False
    widths = {len(words) for words in lines if words}
    users = [words[0] for words in lines if words]
    if len(widths) == 1 and min(widths) > 2 and len(set(users)) < len(users):
        raise DataError(
            f"{path}: each line holds {min(widths)} words, and users come again: this is a table and no file of sequences",
            sdk="read it with `separator=' '`; without a line of names say `header=False` and `columns={'user': '1', ...}`",
            shell="add --separator ' ', and without a line of names --no-header --columns user=1,item=2,...",
        )
    return True


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
        reason_attributes=AMAZON.reason_attributes,
    )
    return replace(dataset, report=replace(dataset.report, time_ties=sum(ties for _, ties in users)))


def _pair_item(row: Row) -> Item:
    row.need("asin")
    return amazon_product(row.values)


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
    user, items = row.need("reviewer_id"), row.need("asins").split()
    gaps = row.text("gap_seconds").split()
    if gaps and len(gaps) != len(items):
        raise row.bad("gap_seconds", f"{len(gaps)} gaps for {len(items)} items")
    return [Interaction(user, item) for item in items], _zeros(gaps[1:])


def _zeros(gaps: Iterable[str]) -> int:
    return sum(gap == "0" for gap in gaps)
