"""The rows of a log in columns, as loaders hand them to `llmrg.data.clean`."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from llmrg.core.records import Interaction

NONE = float("nan")


@dataclass(frozen=True)
class Words:
    """N texts, each different one kept once."""

    codes: np.ndarray
    """(N,) int32."""
    values: tuple[str, ...]
    """Text by code; the first is "", for none."""

    def take(self, rows: np.ndarray | slice) -> Words:
        return Words(self.codes[rows], self.values)

    def tolist(self) -> list[str]:
        return [self.values[code] for code in self.codes.tolist()]


@dataclass(frozen=True)
class Interactions:
    """N rows in the order of the source; the users' codes count their first appearances."""

    users: tuple[str, ...]
    """User ids by code."""
    items: tuple[str, ...]
    """Item ids by code."""
    user: np.ndarray
    """(N,) int32 codes."""
    item: np.ndarray
    """(N,) int32 codes."""
    at: np.ndarray
    """(N,) float64 Unix seconds, NaN for none."""
    rating: np.ndarray
    """(N,) float64, or float32 where that is exact; NaN for none."""
    headline: Words | None = None
    """What stood above a review; None where no row has any."""
    text: Words | None = None
    title: Words | None = None
    """What the log calls the items."""
    kind: Words | None = None
    """What was done: viewed, bought."""

    @classmethod
    def of(cls, rows: Iterable[Interaction]) -> Interactions:
        """Records as columns."""
        log = GrowingLog()
        for row in rows:
            log.add(row)
        return log.columns()

    def take(self, rows: np.ndarray | slice) -> Interactions:
        """Some of the rows, in the order given; the codes stay."""
        words = (self.headline, self.text, self.title, self.kind)
        headline, text, title, kind = (None if of is None else of.take(rows) for of in words)
        return replace(
            self,
            user=self.user[rows],
            item=self.item[rows],
            at=self.at[rows],
            rating=self.rating[rows],
            headline=headline,
            text=text,
            title=title,
            kind=kind,
        )

    def by_user(self, places: np.ndarray | None = None) -> Interactions:
        """Each user's rows together, users in order of first appearance; each one's by their places, (N,) float, or as they are.

        Equal places stay in order. What is in order already is not sorted again.
        """
        log = self
        if (self.user[1:] < self.user[:-1]).any():
            order = stable_order(self.user)
            log, places = self.take(order), None if places is None else places[order]
        if places is None or not len(log):
            return log
        low, span = places.min(), int(places.max() - places.min()) + 1
        counts = np.bincount(log.user, minlength=len(self.users))
        begin, most = np.cumsum(counts) - counts, int(counts.max())
        if span * most * len(counts) < 2**63 and not (places % 1).any():
            # user, place and number as one: NumPy sorts whole numbers many times faster than it finds their order
            keys = (places - low).astype(np.int64)
            del places
            keys += log.user * np.int64(span)
            if (keys[1:] >= keys[:-1]).all():
                return log
            keys *= most
            keys += np.arange(len(log)) - begin[log.user]
            keys.sort()
            keys %= most
            return log.take(keys + np.repeat(begin, counts))
        return log.take(np.lexsort((places, log.user)))

    def renumbered(self) -> Interactions:
        """With users' codes that count the first appearances in the rows as they stand now."""
        first = np.full(len(self.users), len(self))
        first[self.user[::-1]] = np.arange(len(self) - 1, -1, -1)
        order = np.argsort(first, kind="stable")
        code = np.empty(len(order), dtype=np.int32)
        code[order] = np.arange(len(order))
        return replace(self, users=tuple(self.users[n] for n in order.tolist()), user=code[self.user])

    def __len__(self) -> int:
        return len(self.user)

    def __iter__(self) -> Iterator[Interaction]:
        silent = [""] * len(self)
        headlines, texts = (silent if words is None else words.tolist() for words in (self.headline, self.text))
        columns = (self.user.tolist(), self.item.tolist(), self.at.tolist(), self.rating.tolist(), headlines, texts)
        for user, item, at, rating, headline, text in zip(*columns, strict=True):
            stars, time = (None if number != number else number for number in (rating, at))
            yield Interaction(self.users[user], self.items[item], time, stars, headline, text)


class GrowingLog:
    """Columns that grow row by row: what a reader that must look at each row fills."""

    def __init__(self) -> None:
        self._ids: tuple[dict[str, int], dict[str, int]] = {}, {}
        self._codes = array("i"), array("i")
        self._numbers = array("d"), array("d")
        self._words = tuple(({"": 0}, array("i")) for _ in range(4))

    def add(self, row: Interaction, title: str = "", kind: str = "") -> None:
        for code, ids, name in zip(self._codes, self._ids, (row.user, row.item), strict=True):
            code.append(ids.setdefault(name, len(ids)))
        for numbers, number in zip(self._numbers, (row.at, row.rating), strict=True):
            numbers.append(NONE if number is None else number)
        for (values, codes), words in zip(self._words, (row.headline, row.text, title, kind), strict=True):
            codes.append(values.setdefault(words, len(values)) if words else 0)

    def columns(self) -> Interactions:
        words = (
            Words(np.frombuffer(codes, np.int32), tuple(values)) if len(values) > 1 else None for values, codes in self._words
        )
        users, items = self._ids
        user, item = (np.frombuffer(codes, np.int32) for codes in self._codes)
        at, rating = (np.frombuffer(numbers, np.float64) for numbers in self._numbers)
        return Interactions(tuple(users), tuple(items), user, item, at, rating, *words)


def stable_order(codes: np.ndarray) -> np.ndarray:
    """(N,) int64: where (N,) codes of 0 and more stand, in their order. (NumPy's stable sort is linear up to 16 bits.)"""
    order = np.argsort((codes & 0xFFFF).astype(np.uint16), kind="stable")
    high = codes >> 16
    return order[np.argsort(high[order].astype(np.uint16), kind="stable")] if high.any() else order
