"""Whether two data sets of one name are one: the same at another time, or two that must not share graphs and models.

A data set grows: users take more items, new ones come, old rows fall out of a log. What stays is that a user's history goes on
as it began, and that an item is called what it was called.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from llmrg.data.dataset import Dataset

USERS, ITEMS = 100, 500
"""Looked at, at most."""
ALIKE = 0.6
"""Share of the shorter of two histories that must stand in the longer one, in order."""
OTHERS = 0.5
"""From this share on of users whose histories are not alike, and of items that are called otherwise, it is another data set."""


@dataclass(frozen=True)
class Sketch:
    """Some of the users and items of a data set: enough to know it again."""

    histories: Mapping[str, Sequence[str]]
    titles: Mapping[str, str]

    @classmethod
    def of(cls, dataset: Dataset) -> Sketch:
        """The users and items whose ids have the smallest digests: mostly the same ones when the data set has grown."""
        users = sorted(dataset.histories, key=_digest)[:USERS]
        items = sorted(dataset.catalogue.ids, key=_digest)[:ITEMS]
        return cls(
            {user: list(dataset.histories[user].items) for user in users}, {item: dataset.catalogue[item].title for item in items}
        )

    def to_json(self) -> dict[str, Any]:
        return {"histories": dict(self.histories), "titles": dict(self.titles)}

    def other_than(self, dataset: Dataset) -> str:
        """How the data set differs from this one where it is another one; "" where it is the same, perhaps grown or cut."""
        users = [user for user in self.histories if user in dataset.histories]
        items = [item for item in self.titles if item in dataset.catalogue]
        if not users and not items:
            if not self.histories and not self.titles:
                return ""
            mine, theirs = (next(iter(ids), "") for ids in (self.histories or self.titles, dataset.histories))
            return f"they share neither users nor items (for instance {mine!r} and {theirs!r})"
        renamed = [item for item in items if self.titles[item].casefold() != dataset.catalogue[item].title.casefold()]
        if len(renamed) > OTHERS * len(items):
            item = renamed[0]
            return f"item {item!r} is {self.titles[item]!r} in the one and {dataset.catalogue[item].title!r} in the other"
        unlike = [user for user in users if not _alike(self.histories[user], dataset.histories[user].items)]
        if len(unlike) > OTHERS * len(users):
            user = unlike[0]
            before, now = ([*history][:3] for history in (self.histories[user], dataset.histories[user].items))
            return f"user {user!r} began with {', '.join(before)} in the one and with {', '.join(now)} in the other"
        return ""


def _alike(before: Sequence[str], now: Sequence[str]) -> bool:
    shorter = min(len(before), len(now))
    blocks = SequenceMatcher(None, list(before), list(now), autojunk=False).get_matching_blocks()
    return not shorter or sum(block.size for block in blocks) >= ALIKE * shorter


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
