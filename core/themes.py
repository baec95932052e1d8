"""Themes: reasons that all users share in one wording, and how strongly each item stands for them.

A step keeps its own text; each text belongs to one theme. A profile says which themes an item stands for, and who says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from llmrg.core.errors import CallerError

CATALOGUE = "catalogue"
"""Name of the profile source that reads the catalogue's attributes."""
STEPS = "steps"
"""Name of the profile source that counts accepted steps of the users' training parts."""


@dataclass(frozen=True, slots=True)
class Appeal:
    """An item stands for a theme: whoever takes the item may be looking for it."""

    item: str
    theme: str
    score: float = 1.0
    """How strongly, in (0, 1]."""
    uses: int = 0
    """Accepted steps that say so; 0 from sources that count none."""

    def __post_init__(self) -> None:
        if not 0.0 < self.score <= 1.0 or math.isnan(self.score):
            raise CallerError(
                f"an appeal's score must be in (0, 1], not {self.score!r} (item {self.item!r}, theme {self.theme!r})"
            )
        if not self.item or not self.theme.strip():
            raise CallerError(f"an appeal needs an item and a theme, not {self.item!r} and {self.theme!r}")
        if self.uses < 0:
            raise CallerError(f"uses must be 0 or more, not {self.uses!r} (item {self.item!r}, theme {self.theme!r})")


@dataclass(frozen=True, slots=True)
class ProfileSource:
    """Who says what items stand for."""

    name: str
    """`catalogue`, `steps`, a mind (`chat/openai:NAME`), or the name an import was given."""
    made: str = ""
    """When the answers were made, as ISO 8601 date or time; "" where nobody has said it."""
    verified: bool = False
    """Whether each appeal passed a second question; recorded answers of others have not."""
    note: str = ""
    """Where it comes from, for people."""


@dataclass(frozen=True)
class Profile:
    """All appeals of one source, at most one per item and theme."""

    source: ProfileSource
    appeals: tuple[Appeal, ...] = field(repr=False)


@dataclass(frozen=True)
class Themes:
    """What is known of a data set's themes: the wording of reasons, and the profiles of items by source."""

    of_text: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Reason text -> theme. A text that is not here is its own theme (`theme_name`)."""
    profiles: tuple[Profile, ...] = ()

    def theme(self, reason: str) -> str:
        """The theme of a reason's text; "" for a step without a reason."""
        return self.of_text.get(reason) or theme_name(reason)

    def profile(self, source: str) -> Profile | None:
        return next((profile for profile in self.profiles if profile.source.name == source), None)


def theme_name(text: str) -> str:
    """A text as the name of a theme: one line, single spaces; letters keep their case."""
    return " ".join(text.split())


def strongest(appeals: Iterable[Appeal]) -> tuple[Appeal, ...]:
    """One appeal per item and theme, by item and theme: the highest score, the sum of uses."""
    best: dict[tuple[str, str], Appeal] = {}
    for appeal in appeals:
        other = best.get((appeal.item, appeal.theme))
        if other is not None:
            appeal = Appeal(appeal.item, appeal.theme, max(appeal.score, other.score), appeal.uses + other.uses)
        best[appeal.item, appeal.theme] = appeal
    return tuple(best[key] for key in sorted(best))
