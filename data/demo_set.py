"""The bundled demo set: well-known books, and readers who are simulated.

The folder holds `books.csv` (id, title, author, year, themes joined by `|`), `readers.csv` (reader_id, item_id, at as an ISO
date), `reader_profiles.csv` (reader_id and made-up attributes) and `truth.jsonl` (why each book was taken).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from llmrg.core.records import Interaction, Item
from llmrg.data.clean import make_dataset
from llmrg.data.dataset import Catalogue, Dataset
from llmrg.data.delimited import read_csv
from llmrg.data.rows import BadRows
from llmrg.data.truth import PlantedStep, read_truth, write_truth

FOLDER = Path(__file__).parent / "demo"
THEME = "theme"
SIMULATED = "the readers are simulated (llmrg.testing.planted): their tastes, reasons, dates and profiles are made up"


def demo_catalogue(folder: Path = FOLDER) -> Catalogue:
    """The books: the title alone as title; author, year and themes as attributes."""
    bad_rows = BadRows("error")
    items = []
    for row in read_csv(folder / "books.csv", ("id", "title", "author", "year", "themes"), bad_rows):
        themes = [(THEME, theme) for theme in row["themes"].split("|")]
        items.append(Item(row["id"], row["title"], (("author", row["author"]), ("year", row["year"]), *themes)))
    return Catalogue(items, noun="book")


def load_demo(min_interactions: int = 1) -> Dataset:
    """The demo set as a data set named `demo`; see `make_dataset` for its k-core."""
    bad_rows = BadRows("error")
    rows = read_csv(FOLDER / "readers.csv", ("reader_id", "item_id", "at"), bad_rows)
    interactions = [Interaction(row.need("reader_id"), row.need("item_id"), row.time("at")) for row in rows]
    profiles = read_csv(FOLDER / "reader_profiles.csv", ("reader_id",), bad_rows)
    return make_dataset(
        "demo",
        interactions,
        items=demo_catalogue(),
        users={row["reader_id"]: tuple((k, v) for k, v in row.values.items() if k != "reader_id") for row in profiles},
        noun="book",
        keep_unused=True,
        min_interactions=min_interactions,
        source="bundled demo set",
        notes=(SIMULATED,),
        reason_attributes=(THEME,),
    )


def load_truth() -> tuple[PlantedStep, ...]:
    """Why each simulated reader of the demo set took each book."""
    return read_truth(FOLDER / "truth.jsonl")


def write_demo(folder: Path, dataset: Dataset, truth: Iterable[PlantedStep]) -> None:
    """Write readers, profiles and truth; the same world gives the same bytes."""
    histories = dataset.histories.values()
    rows = [(h.user, item, _day(at)) for h in histories for item, at in zip(h.items, h.at, strict=True)]
    _write(folder / "readers.csv", ("reader_id", "item_id", "at"), rows)
    names = dict.fromkeys(name for h in histories for name, _ in h.attributes)
    profiles = [(h.user, *(dict(h.attributes)[name] for name in names)) for h in histories]
    _write(folder / "reader_profiles.csv", ("reader_id", *names), profiles)
    write_truth(folder / "truth.jsonl", truth)


def _day(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).date().isoformat()


def _write(path: Path, header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
