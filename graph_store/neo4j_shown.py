"""Attributes and times as people look for them in Neo4j. Programs read them elsewhere, where they are exact."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Final

from llmrg.core.records import Attributes

OWN: Final = frozenset(
    {
        *("key", "namespace", "space", "name", "id", "title", "attributes_json"),
        *("history", "sort", "sort_rest", "version", "sizes", "run"),
    }
)
"""Properties of items and users that are no attributes of the data."""
LONGEST_NAME: Final = 100
"""Characters of an attribute's name that becomes a property of its own."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def attribute_lists(attributes: Attributes) -> dict[str, list[str]]:
    """A list of values under each name; under `attribute_NAME` where a node has a property of that name.

    Empty names, those with a null character and very long ones cannot be, or should not be, names of properties: left out.
    """
    lists: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in attributes:
        if 0 < len(name) <= LONGEST_NAME and "\0" not in name:
            lists[f"attribute_{name}" if name in OWN else name].append(value)
    return dict(lists)


def moment(seconds: float | None) -> datetime | None:
    """Unix seconds as people read them, to the microsecond; None beyond the years 1 to 9999, which few clients can show."""
    try:
        return None if seconds is None else EPOCH + timedelta(seconds=float(seconds))
    except OverflowError:
        return None
