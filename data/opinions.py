"""What a user said of an item: stars, a headline, a text. Opinions stand beside the histories, one place for each item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from llmrg.core.records import Interaction


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


class OpinionMaker:
    """From interactions to opinions. Those that are a rating alone are shared: a million ratings need a handful of objects."""

    def __init__(self) -> None:
        self._rating_alone = cache(Opinion)

    def of(self, rows: Sequence[Interaction]) -> Opinions:
        """One place for each of a user's interactions, in their order; () if nothing was said in any of them."""
        said = tuple([self._opinion(row) for row in rows])
        return said if any(said) else ()

    def _opinion(self, row: Interaction) -> Opinion | None:
        if row.headline or row.text:
            return Opinion(row.rating, row.headline, row.text)
        return None if row.rating is None else self._rating_alone(row.rating)
