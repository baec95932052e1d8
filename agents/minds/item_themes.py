"""The themes of items as they are found: one wording for each, the most used ones as a vocabulary, foreign ones to check with."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from llmrg.agents.chat.prompts import one_line
from llmrg.core.records import Item, stable_key

LONGEST_THEME = 60
"""Characters of a theme; what is longer is a sentence, which no two items share."""
WIDEST_WAVE = 64
"""Batches asked at once, before their themes are offered to the next ones."""


@dataclass(frozen=True)
class PickQuestion:
    """An item's themes hidden among as many of other items."""

    item: str
    options: tuple[str, ...]
    own: frozenset[int]
    """Numbers of the item's own themes, from 1."""

    def found_again(self, picked: Iterable[int] | None) -> list[str]:
        """Own themes that were picked, as they stand; none if nobody answered, or if more than half of the foreign ones were
        picked too: such an answer tells nothing."""
        chosen = set(picked or ()) & set(range(1, len(self.options) + 1))
        if 2 * len(chosen - self.own) > len(self.options) - len(self.own):
            return []
        return [self.options[number - 1] for number in sorted(chosen & self.own)]


class ItemThemes:
    """What is known of all items so far."""

    def __init__(self, known: Mapping[str, Sequence[str]]) -> None:
        """Args: known: item -> themes, the most characteristic first."""
        self.of_item: dict[str, list[str]] = {}
        self._wording: dict[str, str] = {}
        self._uses: Counter[str] = Counter()
        for item, themes in known.items():
            self.put(item, themes)

    def worded(self, themes: Iterable[str]) -> list[str]:
        """Each theme in the wording that it first came in; those that differ in case only are one."""
        return list(dict.fromkeys(self._wording.setdefault(theme.casefold(), theme) for theme in themes))

    @property
    def wordings(self) -> int:
        """How many themes were heard of."""
        return len(self._wording)

    def put(self, item: str, themes: Sequence[str]) -> None:
        if themes:
            self.of_item[item] = self.worded(themes)
            self._uses.update(self.of_item[item])

    def vocabulary(self, most: int) -> tuple[str, ...]:
        """The themes of most items, in order of use, then of the alphabet."""
        return tuple(sorted(self._uses, key=lambda theme: (-self._uses[theme], theme))[:most])

    def all(self, proposed: Mapping[str, Sequence[str]]) -> list[str]:
        """All themes, those only proposed among them, in alphabetical order."""
        return sorted({*self._uses, *(theme for themes in proposed.values() for theme in themes)})


def cleaned(texts: Iterable[str], item: Item, most: int) -> list[str]:
    """What a model said, made fit to be themes: one line each, no title, nothing endless, nothing twice, `most` at most."""
    themes: dict[str, str] = {}
    title = one_line(item.title).casefold()
    for text in texts:
        theme = one_line(text)
        if theme and len(theme) <= LONGEST_THEME and theme.casefold() != title:
            themes.setdefault(theme.casefold(), theme)
    return list(themes.values())[:most]


def pick_question(item: Item, own: Sequence[str], themes: Sequence[str]) -> PickQuestion | None:
    """The item's own themes among as many others, which it is not known to carry; None where there are no others.

    Args: themes: all themes, in alphabetical order.
    """
    dice = random.Random(stable_key("pick", item.id, *own))
    fitting = {theme.casefold() for theme in own} | {value.casefold() for _, value in item.attributes}
    drawn = dice.sample(themes, min(len(themes), len(fitting) + 2 * len(own)))
    foreign = [theme for theme in drawn if theme.casefold() not in fitting][: len(own)]
    if not foreign:
        return None
    options = [*own, *foreign]
    dice.shuffle(options)
    numbers = frozenset(options.index(theme) + 1 for theme in own)
    return PickQuestion(item.id, tuple(options), numbers)


def waves(items: Sequence[str], batch: int) -> Iterator[Sequence[str]]:
    """One batch, then one, two, four, ... at once: all of a wave are asked with the themes found before it, so answers do not
    depend on which batch came back first."""
    start = 0
    while start < len(items):
        wave = batch * min(max(1, start // batch), WIDEST_WAVE)
        yield items[start : start + wave]
        start += wave
