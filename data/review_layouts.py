"""The layouts of reviews that are known: Amazon of 2014, 2018 and 2023, Yelp, Steam, Goodreads."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from llmrg.core.records import Item
from llmrg.data.cells import UnreadableCell, plain, text, values
from llmrg.data.reviews import Record, ReviewLayout
from llmrg.data.rows import Row

LONGEST_CATEGORY = 60
"""Longer ones are sentences of the product's page."""
SCRIPT = re.compile(r"getTime\(\)|<script|<span|<style|function\s*\(|^\s*var\s", re.IGNORECASE)
"""In some titles of Amazon 2018 stands a piece of the page instead of the title."""
OWN_SHELVES = re.compile(
    r"\b(to read|to buy|read|reads|currently|reading|own|owned|buy|wish ?list|library|kindle|e ?books?|audio|audio ?books?|nook"
    r"|audible|favou?rites?|all time|dnf|re ?reads?|default|tbr|finished|maybe|unread|borrowed|abandoned|my books|shelf|\d+)\b"
)
"""Shelves of Goodreads that say something of the reader and nothing of the book."""
SHELVES = 8
"""The most used shelves of a book that are kept."""


def amazon_product(record: Record) -> Item:
    """Categories without the first of each path, which is the shop's department for all; `category` is the name of 2018."""
    paths = plain(record.get("categories")) or plain(record.get("category")) or []
    paths = [paths] if paths and not isinstance(paths[0], list) else paths
    categories = dict.fromkeys(_unescaped(part) for path in paths if isinstance(path, list) for part in path[1:])
    attributes = [("category", category) for category in categories if category and len(category) <= LONGEST_CATEGORY]
    brand = _unescaped(record.get("brand") or record.get("store")).removeprefix("by ")
    attributes += [(key, value) for key, value in (("brand", brand), ("keywords", _unescaped(record.get("keywords")))) if value]
    return Item(_unescaped(record.get("parent_asin") or record.get("asin")), _title(record.get("title")), tuple(attributes))


def _title(value: object) -> str:
    title = _unescaped(value)
    return "" if SCRIPT.search(title) else title


def _unescaped(value: object) -> str:
    """One line of text; "" for what is none."""
    try:
        return " ".join(html.unescape(text(value)).split())
    except UnreadableCell:
        return ""


def _each_word(name: str, value: object, separator: str = "|") -> Iterator[tuple[str, str]]:
    try:
        return iter([(name, html.unescape(word)) for word in values(value, separator)])
    except UnreadableCell:
        return iter(())


def _amazon_meta(path: Path) -> Iterator[Path]:
    """`meta_X` beside `reviews_X_5` (2014), `X_5` (2018) and `X` (2023), there or in the folder that the publisher gives it."""
    category = path.name.removeprefix("reviews_").split(".")[0].removesuffix("_5")
    for folder in (path.parent, path.parent.parent / "meta_categories"):
        for end in ("json.gz", "json", "jsonl.gz", "jsonl"):
            yield folder / f"meta_{category}.{end}"


def _yelp_place(record: Record) -> Item:
    attributes = [*_each_word("category", record.get("categories"), ", "), *_each_word("city", record.get("city"))]
    return Item(_unescaped(record.get("business_id")), _unescaped(record.get("name")), tuple(attributes))


def _steam_game(record: Record) -> Item:
    attributes = [
        *_each_word("genre", record.get("genres")),
        *_each_word("tag", record.get("tags")),
        *_each_word("developer", record.get("developer")),
    ]
    return Item(_unescaped(record.get("id")), _unescaped(record.get("app_name") or record.get("title")), tuple(attributes))


def _steam_each(row: Row) -> Iterable[Row]:
    """The reviews of one user's line; who has none gives none."""
    reviews = plain(row.values.get("reviews")) or []
    for review in reviews:
        if isinstance(review, dict):
            yield Row(row.source, row.line, {**review, "user_id": row.values.get("user_id")}, row.missing)


def _goodreads_book(record: Record) -> Item:
    shelves = [s for s in plain(record.get("popular_shelves")) or [] if isinstance(s, Mapping)]
    names = [_unescaped(s.get("name")).replace("-", " ") for s in shelves]
    shelf_names = [name for name in dict.fromkeys(names) if name and not OWN_SHELVES.search(name)][:SHELVES]
    attributes = [*(("shelf", name) for name in shelf_names), *_each_word("year", record.get("publication_year"))]
    return Item(_unescaped(record.get("book_id")), _unescaped(record.get("title")), tuple(attributes))


AMAZON = ReviewLayout(
    "Amazon (2014 and 2018)",
    frozenset(("reviewerID", "asin")),
    frozenset(("asin", "title")),
    {
        "user": "reviewerID",
        "item": "asin",
        "time": "unixReviewTime",
        "rating": "overall",
        "headline": "summary",
        "text": "reviewText",
    },
    amazon_product,
    "product",
    ("category",),
    beside=_amazon_meta,
)
LAYOUTS: tuple[ReviewLayout, ...] = (
    AMAZON,
    ReviewLayout(
        "Amazon (2023)",
        frozenset(("user_id", "parent_asin", "rating", "timestamp")),
        frozenset(("parent_asin", "title", "categories")),
        {"user": "user_id", "item": "parent_asin", "time": "timestamp", "rating": "rating", "headline": "title", "text": "text"},
        amazon_product,
        "product",
        ("category",),
        beside=_amazon_meta,
    ),
    ReviewLayout(
        "Yelp",
        frozenset(("business_id", "user_id", "stars", "date")),
        frozenset(("business_id", "name", "categories")),
        {"user": "user_id", "item": "business_id", "time": "date", "rating": "stars", "text": "text"},
        _yelp_place,
        "place",
        ("category",),
    ),
    ReviewLayout(
        "Steam",
        frozenset(("username", "product_id", "date")),
        frozenset(("id", "app_name")),
        {"user": "username", "item": "product_id", "time": "date", "text": "text"},
        _steam_game,
        "game",
        ("genre", "tag"),
    ),
    ReviewLayout(
        "Steam (by user)",
        frozenset(("user_id", "user_url", "reviews")),
        frozenset(("id", "app_name")),
        {
            "user": "user_id",
            "item": "item_id",
            "text": "review",
        },  # days are posted without their year where it was the current one
        _steam_game,
        "game",
        ("genre", "tag"),
        each=_steam_each,
    ),
    ReviewLayout(
        "Goodreads",
        frozenset(("user_id", "book_id", "date_added")),
        frozenset(("book_id", "title", "popular_shelves")),
        {"user": "user_id", "item": "book_id", "time": "date_added", "rating": "rating", "text": "review_text"},
        _goodreads_book,
        "book",
        ("shelf",),
        time_format="%a %b %d %H:%M:%S %z %Y",
        unrated=0,
    ),
)
