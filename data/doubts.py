"""What is doubtful in ids and times that can be read: said in a note, since only who made the data can know."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

import numpy as np

NUMBER = re.compile(r"0*(\d+?)(?:\.0+)?")
NOBODY = frozenset(
    ("-", "--", "?", "0", "-1", "none", "nil", "na", "unknown", "anonymous", "anon", "guest", "missing", "empty", "default",
     "test", "deleted", "not set", "(not set)", "unbekannt", "#value!", "#ref!", "#name?", "#div/0!")
)  # fmt: skip
"""Ids, in small letters, that many systems write where there is none."""
DAY = 86_400
YEAR_1976 = 2e8
"""Seconds: whole numbers from a thousand on and below are more often years, months (202401), days of a spreadsheet (45322)."""

KINDS_OF_EVENT = frozenset(
    ("event", "eventtype", "eventname", "action", "actiontype", "behavior", "behaviour", "behaviortype", "behaviourtype",
     "interaction", "interactiontype", "activity", "type")
)  # fmt: skip
"""Plain names of columns that say what somebody did with an item."""
NOT_TAKEN = re.compile(
    r"view|click|impression|cart|basket|wish|favou?rite|fav|pv|remove|dislike|skip|return|refund", re.IGNORECASE
)
"""In the name of what somebody did without taking the item, or before."""
MOST_KINDS = 20


def doubts(what: str, used: Mapping[str, int]) -> list[str]:
    """Notes on the ids of all users or items, with their rows: words for nobody, and one id in two spellings.

    Letters that differ in case only are left alone: codes may.
    """
    words = [id_ for id_ in used if id_.casefold() in NOBODY]
    nobody = [id_ for id_ in words if id_ not in ("0", "-1") or used[id_] * 10 > sum(used.values())]
    notes = []
    if nobody and len(used) > len(nobody):
        rows = sum(used[id_] for id_ in nobody)
        listed = ", ".join(map(repr, nobody[:3]))
        notes.append(
            f"{rows:,} rows have the {what} {listed}, which may stand for none; if so, say so: missing {','.join(nobody[:3])}"
        )
    ways: dict[str, set[str]] = {}
    for id_ in used:
        if number := NUMBER.fullmatch(id_):
            ways.setdefault(number[1], set()).add(id_)
        elif not id_.isascii():
            ways.setdefault(_visible(id_), set()).update((id_, *([_visible(id_)] if _visible(id_) in used else [])))
    twice = [sorted(spellings) for spellings in ways.values() if len(spellings) > 1]
    if twice:
        first, second = (id_ if id_.isprintable() else id_.encode("unicode_escape").decode() for id_ in twice[0][:2])
        alike = (
            f" ({_points(first)} and {_points(second)})" if _visible(first) == _visible(second) and not first.isascii() else ""
        )
        notes.append(f"{len(twice):,} {what}s are spelled in two ways and count as two, such as {first!r} and {second!r}{alike}")
    return notes


def doubtful_events(source: str, column: str, kinds: Counter[str]) -> list[str]:
    """A note on rows of several kinds, such as views and purchases, all of which count as taken.

    Args: kinds: value of the column -> rows.
    """
    if not 1 < len(kinds) <= MOST_KINDS or not any(NOT_TAKEN.search(kind) for kind in kinds):
        return []
    listed = ", ".join(f"{kind} {rows:,}" for kind, rows in kinds.most_common(5))
    return [
        f"{source}: {column!r} tells what was done ({listed}), and every row counts as an item taken; if only some are, keep "
        "their rows in a file of its own"
    ]


def doubtful_times(times: np.ndarray) -> list[str]:
    """A note on times that are all whole numbers too small for what they mostly are."""
    if len(times) and times.min() >= 1000 and times.max() < YEAR_1976 and not (times % 1).any() and (times % DAY).any():
        return [
            f"the times ({times.min():.0f} to {times.max():.0f}) are read as seconds since 1970; if they are years, "
            "months or days of a calendar, say how they are written: time format %Y, %Y%m"
        ]
    return []


def spelling(id_: str) -> str:
    """What stays equal where only the spelling differs: case, `.0`, zeros in front, blanks, signs, ways to write a letter."""
    id_ = re.sub(r"^(\d+)\.0+$", r"\1", _visible(id_).casefold())
    return re.sub(r"[\s_\-]+", "", id_).lstrip("0") or "0"


def _visible(id_: str) -> str:
    """As it is seen: one way to write each letter, and no signs without width."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", id_) if unicodedata.category(sign) != "Cf").strip()


def _points(id_: str) -> str:
    return " ".join(f"{ord(sign):04x}" for sign in id_ if not sign.isascii()) or "plain letters"
