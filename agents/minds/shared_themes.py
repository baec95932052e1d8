"""A mind over item profiles: a step is a theme that two items share. Nobody is asked anything while graphs are built."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, PositiveInt

from llmrg.agents.protocols import Block, Candidate, Cut, Imagined, OpenChain, Verdict
from llmrg.core.records import stable_key

ItemThemes = Mapping[str, Mapping[str, float]]
"""Item -> theme -> how strongly the item stands for it, in (0, 1]; the strongest first."""


class SharedThemesConfig(BaseModel, frozen=True):
    """How much a mind over item profiles looks at."""

    proposals: PositiveInt = 3
    """Candidates per item."""
    distractors: PositiveInt = 50
    """Random items that a reason is compared on."""
    imagined: PositiveInt = 5
    """Continuations per chain."""


class SharedThemesMind:
    """Reasons are themes that cause and item share; a theme is worth its rarity times the lesser of its two strengths.

    Reasoner: for each theme that an earlier item of the history shares, the latest such item, or the one in which an open chain
    for the theme ends; open chains first, then the themes of most worth. An item that shares nothing is a root for its own
    strongest theme, and one without a profile is left unexplained.

    Verifier: the score of a step is the share of random items (of those that have a profile) that fit its reason worse: the theme
    is hidden, and an item that stands for it beats those that do not. So a rare shared theme scores near 1, one that half of the
    items have near 0.5, one not shared 0.

    Imaginer: unseen items that stand for the chain's theme; those that often follow the chain's end first, then those most alike
    to it in all their themes.
    """

    default_tau = 0.8
    kind_of_theme = "theme"
    """What a theme is called in critiques."""

    def __init__(self, name: str, themes: ItemThemes, config: SharedThemesConfig | None = None) -> None:
        """Args: themes: items that have a profile, those that stand for nothing among them."""
        self.name, self.config = name, config or SharedThemesConfig()
        self.settings: dict[str, object] = self.config.model_dump()
        self._themes = themes
        self._ids = tuple(themes)
        counts = Counter(theme for own in themes.values() for theme in own)
        self._rarity = {theme: math.log(len(self._ids) / count) for theme, count in counts.items()}
        self._carriers: dict[str, list[str]] = {}
        for item, own in themes.items():
            for theme in own:
                self._carriers.setdefault(theme, []).append(item)

    def _own(self, item: str) -> Mapping[str, float]:
        return self._themes.get(item, {})

    def _worth(self, theme: str, *items: str) -> float:
        return self._rarity[theme] * min(self._themes[item][theme] for item in items)

    # -- reason ------------------------------------------------------------------------------------------------------
    async def reason(self, block: Block) -> list[Candidate]:
        return [candidate for position in block.positions for candidate in self._propose(block, position)]

    def _propose(self, block: Block, position: int) -> list[Candidate]:
        items, item = block.history.items, block.history.items[position]
        chains = {(chain.tail_position, chain.reason): chain.number for chain in block.chains}
        found: list[tuple[tuple[bool, float, int], Candidate]] = []
        for theme in self._own(item):
            causes = [c for c in range(block.first, position) if theme in self._own(items[c])]
            if causes:
                cause = max(causes, key=lambda c: ((c, theme) in chains, c))
                chain = chains.get((cause, theme))
                candidate = Candidate(position, "item", items[cause], cause, theme, item, chain, seen=position + 1)
                found.append(((chain is not None, self._worth(theme, items[cause], item), cause), candidate))
        if not found:
            own = max(self._own(item), key=lambda theme: self._worth(theme, item), default=None)
            return [] if own is None else [Candidate(position, "root", "", None, own, item, None, seen=position + 1)]
        found.sort(key=lambda pair: pair[0], reverse=True)
        return [candidate for _, candidate in found[: self.config.proposals]]

    # -- verify ------------------------------------------------------------------------------------------------------
    async def verify(self, block: Block, candidates: Sequence[Candidate]) -> list[Verdict]:
        return [self._verdict(candidate) for candidate in candidates]

    def _verdict(self, c: Candidate) -> Verdict:
        if c.reason not in self._own(c.item) or (c.cause_kind == "item" and c.reason not in self._own(c.cause)):
            why = f"not {'an' if self.kind_of_theme[0] in 'aeiou' else 'a'} {self.kind_of_theme} of both"
            return Verdict(0.0, f"{c.reason!r} is {why}", cause=why)
        generator = random.Random(stable_key("distractors", c.cause, c.reason, c.item))
        drawn = [generator.choice(self._ids) for _ in range(self.config.distractors)]
        worse = sum(c.reason not in self._themes[item] for item in drawn) / len(drawn)
        return Verdict(worse, f"{c.reason!r} fits too many others", cause="fits too many others")

    # -- imagine -----------------------------------------------------------------------------------------------------
    async def imagine(self, cut: Cut) -> list[Imagined]:
        return [imagined for chain in cut.chains for imagined in self._continue(cut, chain)]

    def _continue(self, cut: Cut, chain: OpenChain) -> list[Imagined]:
        seen, tail = set(cut.history.items), self._own(chain.tail_item)
        suggested = {item: -rank for rank, item in enumerate(cut.suggestions.get(chain.number, ()))}
        fits = [item for item in self._carriers.get(chain.reason, []) if item not in seen]

        def order(item: str) -> tuple[bool, float, int, str]:
            alike = math.fsum(self._worth(theme, chain.tail_item, item) for theme in tail if theme in self._themes[item])
            return item not in suggested, -alike, -suggested.get(item, 0), item

        return [Imagined(chain.number, chain.reason, "", item) for item in sorted(fits, key=order)[: self.config.imagined]]
