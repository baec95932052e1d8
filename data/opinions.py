"""What a user said of an item: stars, a headline, a text. Opinions stand beside the histories, one place for each item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from llmrg.data.interactions import Words


@dataclass(frozen=True, slots=True)
class Opinion:
    """What was said; at least one of the three is there."""

    rating: float | None
    """In the units of the source (MovieLens and Amazon: stars up to 5); None where only words were left."""
    headline: str = ""
    """One line; "" for none."""
    text: str = ""
    """The review itself, white space collapsed; "" for none."""


Opinions = tuple[Opinion | None, ...]
"""A user's opinions, oldest first: the one at a position belongs to the item there; None where nothing was said."""


class OpinionColumns(Mapping[str, Opinions]):
    """User id -> opinions, over arrays that lie as those of the histories do; users who said nothing are not in it."""

    def __init__(
        self,
        users: tuple[str, ...],
        offsets: np.ndarray,
        rating: np.ndarray,
        headline: Words | None = None,
        text: Words | None = None,
    ) -> None:
        """Args:
        offsets: (U + 1,) where each user's rows begin.
        rating: (N,) float, NaN for none.
        headline, text: of N rows; None where nobody wrote any.
        """
        self.users, self.offsets, self.rating, self.headline, self.text = users, offsets, rating, headline, text

    @cached_property
    def _numbers(self) -> dict[str, int]:
        speaks = ~np.isnan(self.rating)
        for words in (self.headline, self.text):
            if words is not None:
                speaks |= words.codes > 0
        before = np.concatenate([[0], np.cumsum(speaks)])
        spoke = before[self.offsets[1:]] > before[self.offsets[:-1]]
        return {self.users[number]: number for number in np.flatnonzero(spoke).tolist()}

    def __getitem__(self, user: str) -> Opinions:
        number = self._numbers[user]
        rows = slice(self.offsets[number], self.offsets[number + 1])
        ratings = self.rating[rows].tolist()
        if self.headline is None and self.text is None:
            return tuple([None if rating != rating else _rating_alone(rating) for rating in ratings])
        silent = [""] * len(ratings)
        headlines, texts = (silent if of is None else of.take(rows).tolist() for of in (self.headline, self.text))
        return tuple(map(_opinion, ratings, headlines, texts))

    def __contains__(self, user: object) -> bool:
        return user in self._numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


_rating_alone = lru_cache(maxsize=4096)(Opinion)
"""A million ratings need a handful of objects."""


def _opinion(rating: float, headline: str, text: str) -> Opinion | None:
    if headline or text:
        return Opinion(None if rating != rating else rating, headline, text)
    return None if rating != rating else _rating_alone(rating)
