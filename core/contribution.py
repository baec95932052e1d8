"""What a recommender's score of an item is the sum of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Contribution:
    """A summand of an item's score."""

    kind: Literal["base", "theme", "imagined", "graph"]
    """`base`: what no reason stands behind; `theme`: a reason that the history gives and the item answers; `imagined`: an
    imagined step that ends in the item; `graph`: all that the graph adds, where its reasons cannot be told apart."""
    name: str
    """Recommender, theme, or reason."""
    value: float
    positions: tuple[int, ...] = ()
    """Positions of the history that the reason comes from."""
    source: str = ""
    """Whose profile says that the item stands for the theme."""
