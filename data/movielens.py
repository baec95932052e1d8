"""MovieLens 100K, 1M, 10M, 20M, 25M, 32M and latest, in the publisher's own formats: a zip or its unpacked folder.

Every rating is an interaction, and its stars are the user's opinion. Titles stay as they are, `Matrix, The (1999)`; the year is
an attribute too. Zip codes are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from llmrg.core.errors import DataError
from llmrg.core.records import Attributes, Interaction, Item
from llmrg.data.clean import make_dataset
from llmrg.data.dataset import Dataset
from llmrg.data.delimited import csv_rows, plain_rows
from llmrg.data.files import Bundle
from llmrg.data.movielens_codes import AGES_1M, GENRES_100K, OCCUPATIONS_1M
from llmrg.data.movielens_tags import tag_phrases
from llmrg.data.rows import BadRows, OnBadRow, Row

YEAR = re.compile(r"\((\d{4})(?:[-–]\d{0,4})?\)\s*$")
Parts = tuple[Iterator[Interaction], Sequence[Item], Mapping[str, Attributes], tuple[str, ...], bool]
"""Interactions, items, user attributes, reason phrases, and whether the interactions are in order already."""


def load_movielens(path: Path, *, name: str = "", on_bad_row: OnBadRow = "error", min_interactions: int = 1) -> Dataset:
    """Read one of them; its format is seen by the files that are there, and its name is that of their folder.

    Raises:
        DataError: it is none of them, or a file or column is missing.
        BadRowError: a row cannot be read, and bad rows are not skipped.
    """
    bundle, bad_rows = Bundle(path), BadRows(on_bad_row)
    interactions, items, users, phrases, in_order = _format(bundle)(bundle, bad_rows)
    return make_dataset(
        name or _name(bundle),
        interactions,
        items=items,
        users=users,
        source=str(path),
        noun="film",
        in_order=in_order,
        min_interactions=min_interactions,
        bad_rows=bad_rows.skipped,
        notes=("order within a user follows time_rank; some times are unknown",) if in_order else (),
        reason_attributes=("genre",),
        reason_phrases=phrases,
    )


def is_movielens(bundle: Bundle) -> bool:
    return any(name in bundle for name in ("u.data", "movies.dat")) or ("movies.csv" in bundle and "ratings.csv" in bundle)


def _name(bundle: Bundle) -> str:
    """`ml-10M100K` is called `ml-10m`; what lies in a folder of another name is called after that."""
    folder = bundle.folder or bundle.path.name.split(".")[0]
    return folder.lower().replace("ml-10m100k", "ml-10m")


def _format(bundle: Bundle) -> Callable[[Bundle, BadRows], Parts]:
    if "u.data" in bundle:
        return _read_100k
    if "movies.dat" in bundle:
        return _read_dat
    if "ratings.csv" in bundle:
        return _read_csv
    raise DataError(
        f"{bundle.path}: not MovieLens: none of ratings.csv, u.data, movies.dat is in it; there are: "
        f"{', '.join(bundle.names[:20]) or 'no files'}"
    )


def _read_csv(bundle: Bundle, bad_rows: BadRows) -> Parts:
    with bundle.open("movies.csv") as file:
        rows = csv_rows(file, bundle.where("movies.csv"), ("movieId", "title", "genres"), bad_rows)
        items = list(bad_rows.each(rows, lambda row: _film(row, "movieId", row["genres"].split("|"))))
    phrases: tuple[str, ...] = ()
    if "tags.csv" in bundle:
        with bundle.open("tags.csv") as file:
            phrases = tag_phrases(csv_rows(file, bundle.where("tags.csv"), ("userId", "movieId", "tag"), bad_rows))

    def interactions() -> Iterator[Interaction]:
        columns = ("userId", "movieId", "rating", "timestamp")
        with bundle.open("ratings.csv") as file:
            rows = csv_rows(file, bundle.where("ratings.csv"), columns, bad_rows)
            yield from bad_rows.each(rows, lambda row: _rating(row, *columns))

    return interactions(), items, {}, phrases, False


def _read_100k(bundle: Bundle, bad_rows: BadRows) -> Parts:
    def rows(name: str, columns: Sequence[str], delimiter: str, encoding: str = "utf-8") -> Iterator[Row]:
        with bundle.open(name, encoding) as file:
            yield from plain_rows(file, bundle.where(name), columns, bad_rows, delimiter)

    columns = ("user", "item", "rating", "timestamp")
    films = rows("u.item", ("id", "title", "release", "video", "url", *GENRES_100K), "|", "latin-1")
    items = list(bad_rows.each(films, lambda row: _film(row, "id", [g for g in GENRES_100K if row[g] == "1" and g != "unknown"])))
    people = rows("u.user", ("id", "age", "gender", "occupation", "zip"), "|", "latin-1") if "u.user" in bundle else ()
    users = {row["id"]: tuple((key, row[key]) for key in ("age", "gender", "occupation")) for row in people}
    return bad_rows.each(rows("u.data", columns, "\t"), lambda row: _rating(row, *columns)), items, users, (), False


def _read_dat(bundle: Bundle, bad_rows: BadRows) -> Parts:
    """1M, whose titles are Latin-1, and 10M, whose titles are UTF-8."""
    encoding = "utf-8" if bundle.is_utf8("movies.dat") else "latin-1"

    def rows(name: str, columns: Sequence[str]) -> Iterator[Row]:
        with bundle.open(name, encoding) as file:
            yield from plain_rows(file, bundle.where(name), columns, bad_rows, "::")

    films = rows("movies.dat", ("id", "title", "genres"))
    items = list(bad_rows.each(films, lambda row: _film(row, "id", row["genres"].split("|"))))
    people = rows("users.dat", ("id", "gender", "age", "occupation", "zip")) if "users.dat" in bundle else ()
    users = dict(bad_rows.each(people, _person_1m))
    if "ratings.dat" in bundle or "ratings.tsv.gz" not in bundle:
        columns = ("user", "item", "rating", "timestamp")
        return bad_rows.each(rows("ratings.dat", columns), lambda row: _rating(row, *columns)), items, users, (), False
    return iter(_ranked_ratings(bundle, bad_rows)), items, users, (), True


def _ranked_ratings(bundle: Bundle, bad_rows: BadRows) -> list[Interaction]:
    """The tab-separated form, whose `time_rank` gives each user's order even where the timestamp is not known."""

    def ranked(row: Row) -> tuple[float, Interaction]:
        rank = row.number("time_rank")
        if rank is None:
            raise row.bad("time_rank", "empty")
        return rank, Interaction(row.need("user_id"), row.need("movie_id"), row.number("timestamp"), row.number("rating"))

    with bundle.open("ratings.tsv.gz") as file:
        columns = ("user_id", "movie_id", "rating", "time_rank", "timestamp")
        found = list(bad_rows.each(csv_rows(file, bundle.where("ratings.tsv.gz"), columns, bad_rows, "\t"), ranked))
    found.sort(key=lambda pair: pair[0])
    return [interaction for _, interaction in found]


def _rating(row: Row, user: str, item: str, rating: str, at: str) -> Interaction:
    return Interaction(row.need(user), row.need(item), row.time(at), row.number(rating))


def _film(row: Row, key: str, genres: Sequence[str]) -> Item:
    title = row["title"].strip()
    year = YEAR.search(title)
    attributes = [("genre", genre) for genre in genres if genre and genre != "(no genres listed)"]
    return Item(row.need(key), title, (*attributes, *([("year", year[1])] if year else [])))


def _person_1m(row: Row) -> tuple[str, Attributes]:
    if row["age"] not in AGES_1M:
        raise row.bad("age", "not one of the age codes")
    if not (row["occupation"].isdigit() and int(row["occupation"]) < len(OCCUPATIONS_1M)):
        raise row.bad("occupation", "not one of the occupation codes")
    occupation = OCCUPATIONS_1M[int(row["occupation"])]
    return row["id"], (("gender", row["gender"]), ("age", AGES_1M[row["age"]]), ("occupation", occupation))
