"""The rows of a log in columns, as loaders hand them to `llmrg.data.clean`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from llmrg.core.records import Interaction


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
    """(N,) float64, NaN for none."""
    headline: np.ndarray | None = None
    """(N,) str objects, "" for none; None where no row has one."""
    text: np.ndarray | None = None
    """(N,) str objects, "" for none; None where no row has one."""

    @classmethod
    def of(cls, rows: Iterable[Interaction]) -> Interactions:
        """Records as columns."""
        kept = list(rows)
        users = {user: code for code, user in enumerate(dict.fromkeys(row.user for row in kept))}
        items = {item: code for code, item in enumerate(dict.fromkeys(row.item for row in kept))}
        return cls(
            tuple(users),
            tuple(items),
            np.array([users[row.user] for row in kept], dtype=np.int32),
            np.array([items[row.item] for row in kept], dtype=np.int32),
            _numbers([row.at for row in kept]),
            _numbers([row.rating for row in kept]),
            _words([row.headline for row in kept]),
            _words([row.text for row in kept]),
        )

    def take(self, rows: np.ndarray | slice) -> Interactions:
        """Some of the rows, in the order given; the codes stay."""
        headline, text = (None if of is None else of[rows] for of in (self.headline, self.text))
        return replace(
            self,
            user=self.user[rows],
            item=self.item[rows],
            at=self.at[rows],
            rating=self.rating[rows],
            headline=headline,
            text=text,
        )

    def __len__(self) -> int:
        return len(self.user)

    def __iter__(self) -> Iterator[Interaction]:
        for n in range(len(self)):
            at, rating = (None if of[n] != of[n] else float(of[n]) for of in (self.at, self.rating))
            headline, text = ("" if of is None else of[n] for of in (self.headline, self.text))
            yield Interaction(self.users[self.user[n]], self.items[self.item[n]], at, rating, headline, text)


def _numbers(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _words(values: list[str]) -> np.ndarray | None:
    if not any(values):
        return None
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found
