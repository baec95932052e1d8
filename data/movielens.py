"""MovieLens 100K, 1M, 10M, 20M, 25M, 32M and latest, in the publisher's own formats: a zip or its unpacked folder.

Every rating is an interaction, and its stars are the user's opinion. Titles stay as they are, `Matrix, The (1999)`; the year is
an attribute too. Zip codes are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from llmrg.core.errors import DataError
from llmrg.core.records import Attributes, Interaction, Item
from llmrg.data.clean import make_dataset
from llmrg.data.dataset import Dataset
from llmrg.data.delimited import csv_rows, plain_rows
from llmrg.data.files import Bundle
from llmrg.data.interactions import Interactions
from llmrg.data.log_columns import LogRules, read_log
from llmrg.data.movielens_codes import AGES_1M, GENRES_100K, OCCUPATIONS_1M
from llmrg.data.movielens_tags import tag_phrases
from llmrg.data.plain_text import PlainText
from llmrg.data.rows import BadRows, ColumnRule, OnBadRow, Row

YEAR = re.compile(r"\((\d{4})(?:[-–]\d{0,4})?\)\s*$")
Parts = tuple[Interactions, Sequence[Item], Mapping[str, Attributes], tuple[str, ...], bool]
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
        films = csv_rows(file, bundle.where("movies.csv"), ("movieId", "title", "genres"), bad_rows)
        items = list(bad_rows.each(films, lambda row: _film(row, "movieId", row["genres"].split("|"))))
    phrases: tuple[str, ...] = ()
    if "tags.csv" in bundle:
        with bundle.open("tags.csv") as file:
            phrases = tag_phrases(csv_rows(file, bundle.where("tags.csv"), ("userId", "movieId", "tag"), bad_rows))

    columns = ("userId", "movieId", "rating", "timestamp")

    def rows() -> Iterator[Row]:
        with bundle.open("ratings.csv") as file:
            yield from csv_rows(file, bundle.where("ratings.csv"), columns, bad_rows)

    return _log(bundle, "ratings.csv", ",", rows(), _ratings(*columns), bad_rows), items, {}, phrases, False


def _read_100k(bundle: Bundle, bad_rows: BadRows) -> Parts:
    def rows(name: str, columns: Sequence[str], delimiter: str, encoding: str = "utf-8") -> Iterator[Row]:
        with bundle.open(name, encoding) as file:
            yield from plain_rows(file, bundle.where(name), columns, bad_rows, delimiter)

    columns = ("user", "item", "rating", "timestamp")
    films = rows("u.item", ("id", "title", "release", "video", "url", *GENRES_100K), "|", "latin-1")
    items = list(bad_rows.each(films, lambda row: _film(row, "id", [g for g in GENRES_100K if row[g] == "1" and g != "unknown"])))
    people = rows("u.user", ("id", "age", "gender", "occupation", "zip"), "|", "latin-1") if "u.user" in bundle else ()
    users = {row["id"]: tuple((key, row[key]) for key in ("age", "gender", "occupation")) for row in people}
    log = _log(bundle, "u.data", "\t", rows("u.data", columns, "\t"), _ratings(*columns), bad_rows, columns)
    return log, items, users, (), False


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
        log = _log(bundle, "ratings.dat", "::", rows("ratings.dat", columns), _ratings(*columns), bad_rows, columns)
        return log, items, users, (), False
    return _ranked_ratings(bundle, bad_rows), items, users, (), True


def _ranked_ratings(bundle: Bundle, bad_rows: BadRows) -> Interactions:
    """The tab-separated form, whose `time_rank` gives each user's order even where the timestamp is not known."""
    columns = ("user_id", "movie_id", "rating", "time_rank", "timestamp")

    def rows() -> Iterator[Row]:
        with bundle.open("ratings.tsv.gz") as file:
            yield from csv_rows(file, bundle.where("ratings.tsv.gz"), columns, bad_rows, "\t")

    rules = _ratings("user_id", "movie_id", "rating", "timestamp")
    parts = {"rank": ColumnRule("time_rank", _rank), **rules.columns, "at": ColumnRule("timestamp", Row.number, "number")}

    def ranked(row: Row) -> Interaction:
        return Interaction(row.need("user_id"), row.need("movie_id"), row.number("timestamp"), row.number("rating"))

    return _log(bundle, "ratings.tsv.gz", "\t", rows(), LogRules(ranked, parts), bad_rows)


def _rank(row: Row, column: str) -> float:
    rank = row.number(column)
    if rank is None:
        raise row.bad(column, "empty")
    return rank


def _ratings(user: str, item: str, rating: str, at: str) -> LogRules:
    def read(row: Row) -> Interaction:
        return Interaction(row.need(user), row.need(item), row.time(at), row.number(rating))

    columns = {
        "user": ColumnRule(user, Row.need),
        "item": ColumnRule(item, Row.need),
        "at": ColumnRule(at, Row.time, "time"),
        "rating": ColumnRule(rating, Row.number, "number"),
    }
    return LogRules(read, columns)


def _log(
    bundle: Bundle,
    name: str,
    delimiter: str,
    rows: Iterable[Row],
    rules: LogRules,
    bad_rows: BadRows,
    names: Sequence[str] = (),
) -> Interactions:
    """The ratings, by blocks where the file is plain, else row by row. Args: names: of the columns, where there is no header."""
    text = PlainText(bundle.where(name), lambda: bundle.open_bytes(name), delimiter, names, not names, letters=bool(names))
    return read_log(text.blocks if name in bundle else None, rows, rules, bad_rows)


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
