"""Last.fm in the layouts of its three published sets: HetRec 2011 (2K), 1K users with times, 360K users.

Who listens a lot plays the same thing many times: of these only the first counts, as everywhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from llmrg.core.records import Attributes, Interaction, Item
from llmrg.data.clean import make_dataset
from llmrg.data.dataset import Dataset
from llmrg.data.delimited import LETTERS, csv_rows, first_line, plain_rows
from llmrg.data.files import Bundle, open_text
from llmrg.data.interactions import Interactions
from llmrg.data.rows import BadRows, OnBadRow, Row
from llmrg.data.tables import kind_of

HETREC = ("user_artists.dat", "artists.dat")
PLAYED_AT = ("user", "at", "artist_id", "artist", "track_id", "track")
"""userid-timestamp-artid-artname-traid-traname.tsv"""
PLAYS = ("user", "artist_id", "artist", "plays")
"""usersha1-artmbid-artname-plays.tsv"""
PLAYED_AT_LINE = re.compile(r"user_\d+\t\d{4}-\d\d-\d\dT[\d:]+Z\t[^\t]*\t[^\t]*\t[^\t]*\t[^\t]*")
PLAYS_LINE = re.compile(r"[0-9a-f]{40}\t[0-9a-f-]*\t[^\t]*\t\s*\d+\s*")
TAGS, MIN_TAGGERS = 5, 2
"""Tags of an artist that are kept: the most given ones, by at least so many people."""


def is_hetrec(bundle: Bundle) -> bool:
    return all(name in bundle for name in HETREC)


def is_log(path: Path) -> bool:
    """Whether a file is the log of 1K or 360K: they have no header, so the first line's form says it."""
    if kind_of(path) != ".tsv":
        return False
    line = first_line(path)
    return bool(PLAYED_AT_LINE.fullmatch(line) or PLAYS_LINE.fullmatch(line))


def load_hetrec(path: Path, *, name: str = "", on_bad_row: OnBadRow = "error", min_interactions: int = 1) -> Dataset:
    """Artists that users listened to, most played first: there are no times. Raises: DataError, BadRowError."""
    bundle, bad_rows = Bundle(path), BadRows(on_bad_row)

    def rows(file: str, columns: Sequence[str]) -> list[Row]:
        with bundle.open(file, "utf-8-sig" if bundle.is_utf8(file) else "latin-1") as lines:
            return list(csv_rows(lines, bundle.where(file), columns, bad_rows, "\t", LETTERS))

    tags = _tags(rows) if "tags.dat" in bundle and "user_taggedartists.dat" in bundle else {}
    artists = [
        Item(row.need("id"), row.text("name"), tags.get(row.need("id"), ())) for row in rows("artists.dat", ("id", "name"))
    ]
    weighed = list(bad_rows.each(rows("user_artists.dat", ("userID", "artistID", "weight")), _weighed))
    weighed.sort(key=lambda pair: -pair[0])
    return make_dataset(
        name or bundle.folder or path.name.split(".")[0],
        [interaction for _, interaction in weighed],
        items=artists,
        source=str(path),
        noun="artist",
        in_order=True,
        min_interactions=min_interactions,
        bad_rows=bad_rows.skipped,
        notes=("the set has no times: each user's artists stand by how often they were played",),
        reason_attributes=("tag",),
    )


def _weighed(row: Row) -> tuple[float, Interaction]:
    return row.number("weight") or 0.0, Interaction(row.need("userID"), row.need("artistID"))


def _tags(read: Callable[[str, Sequence[str]], list[Row]]) -> dict[str, Attributes]:
    words = {row.need("tagID"): row.text("tagValue") for row in read("tags.dat", ("tagID", "tagValue"))}
    counts: dict[str, Counter[str]] = {}
    for row in read("user_taggedartists.dat", ("artistID", "tagID")):
        counts.setdefault(row.need("artistID"), Counter())[words.get(row.need("tagID"), "")] += 1
    kept = {artist: [tag for tag, n in tags.most_common(TAGS) if tag and n >= MIN_TAGGERS] for artist, tags in counts.items()}
    return {artist: tuple(("tag", tag) for tag in tags) for artist, tags in kept.items()}


def load_log(path: Path, *, name: str = "", on_bad_row: OnBadRow = "error", min_interactions: int = 1) -> Dataset:
    """Tracks with times (1K), or artists by how often they were played (360K). Raises: DataError, BadRowError."""
    bad_rows, timed = BadRows(on_bad_row), bool(PLAYED_AT_LINE.fullmatch(first_line(path)))
    titles: dict[str, Item] = {}

    def interaction(row: Row) -> Interaction:
        key = "track" if timed else "artist"
        item = row.text(f"{key}_id") or " / ".join(filter(None, (row.text("artist"), row.text("track") if timed else "")))
        if not item:
            raise row.bad(key, "neither an id nor a name")
        titles.setdefault(
            item, Item(item, row.text(key), (("artist", row.text("artist")),) if timed and row.text("artist") else ())
        )
        return Interaction(row.need("user"), item, row.time("at") if timed else None)

    def rows() -> Iterator[Row]:
        with open_text(path) as lines:
            yield from plain_rows(lines, path.name, PLAYED_AT if timed else PLAYS, bad_rows, "\t")

    interactions = Interactions.of(bad_rows.each(rows(), interaction))
    return make_dataset(
        name or path.name.split(".")[0],
        interactions,
        items=titles.values(),
        source=str(path),
        noun="track" if timed else "artist",
        min_interactions=min_interactions,
        bad_rows=bad_rows.skipped,
        notes=() if timed else ("the set has no times: each user's artists stand in the order of the file",),
        reason_attributes=("artist",) if timed else (),
    )
