"""Short reasons out of the users' tags of MovieLens latest-small."""

from __future__ import annotations

from collections.abc import Iterable

from llmrg.data.rows import Row

MIN_USERS = 3
MIN_ITEMS = 3
MOST_PHRASES = 120
MOST_WORDS = 4
OPINIONS = frozenset(
    (
        "awesome",
        "bad",
        "bad plot",
        "boring",
        "fun",
        "good dialogue",
        "imdb top 250",
        "interesting",
        "overrated",
        "predictable",
        "unique",
    )
)
"""Praise and blame: nothing in the film that one could point at."""


def tag_phrases(rows: Iterable[Row]) -> tuple[str, ...]:
    """Tags that at least 3 users gave, to at least 3 films, opinions left out: lower-cased, most used first, 120 at most.

    One user's notes to self ("in netflix queue") are on many films, but not by many users.
    """
    users: dict[str, set[str]] = {}
    items: dict[str, set[str]] = {}
    for row in rows:
        tag = " ".join(row.text("tag").lower().replace("-", " ").split())
        if tag and tag not in OPINIONS and len(tag.split()) <= MOST_WORDS and not tag.isdigit():
            users.setdefault(tag, set()).add(row.text("userId"))
            items.setdefault(tag, set()).add(row.text("movieId"))
    kept = [tag for tag in items if len(users[tag]) >= MIN_USERS and len(items[tag]) >= MIN_ITEMS]
    return tuple(sorted(kept, key=lambda tag: (-len(items[tag]), tag))[:MOST_PHRASES])
