"""A mind over item profiles: a step is a theme that two items share. Nobody is asked anything while graphs are built."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, PositiveInt
from scipy.sparse import csr_array

from llmrg.agents.protocols import Block, Candidate, Cut, Imagined, OpenChain, Verdict
from llmrg.core.records import stable_key
from llmrg.core.vetoes import Vetoes

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
    """Reasons are themes that cause and item share; a theme is worth its rarity times how strongly each stands for it.

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
    cut_every = 2
    """A cut costs no call: see `BuildConfig.cut_every`."""
    kind_of_theme = "theme"
    """What a theme is called in critiques."""

    def __init__(
        self, name: str, themes: ItemThemes, config: SharedThemesConfig | None = None, vetoes: Vetoes | None = None
    ) -> None:
        """Args:
        themes: items that have a profile, those that stand for nothing among them.
        vetoes: themes that may not be reasons; it is as if no item had them.
        """
        if vetoes:
            refused = {theme for theme in {theme for own in themes.values() for theme in own} if vetoes.refuse(theme)}
            themes = {item: {t: score for t, score in own.items() if t not in refused} for item, own in themes.items()}
        self.name, self.config = name, config or SharedThemesConfig()
        self.settings: dict[str, object] = self.config.model_dump()
        self._themes = themes
        self._ids = tuple(themes)
        counts = Counter(theme for own in themes.values() for theme in own)
        self._rarity = {theme: math.log(len(self._ids) / count) for theme, count in counts.items()}
        self._row = {item: row for row, item in enumerate(self._ids)}
        self._column = {theme: column for column, theme in enumerate(self._rarity)}
        rows = np.repeat(np.arange(len(self._ids)), [len(own) for own in themes.values()])
        columns = np.array([self._column[theme] for own in themes.values() for theme in own], dtype=np.int64)
        strengths = np.array([strength for own in themes.values() for strength in own.values()], dtype=np.float64)
        self._matrix = csr_array((strengths, (rows, columns)), shape=(len(self._ids), len(self._column)))
        """(items, themes): strengths."""
        by_theme = np.split(rows[np.argsort(columns, kind="stable")], np.cumsum(np.bincount(columns, minlength=len(counts)))[:-1])
        self._carriers = dict(zip(self._column, by_theme, strict=True)) if counts else {}
        """Theme -> rows of the items that stand for it."""
        self._place = np.argsort(np.argsort(np.array(self._ids, dtype=object)))
        """Place of each row in the order of ids, which decides between items that are equally good."""

    def _own(self, item: str) -> Mapping[str, float]:
        return self._themes.get(item, {})

    def _worth(self, theme: str, *items: str) -> float:
        return self._rarity[theme] * math.prod(self._themes[item][theme] for item in items)

    def _alike(self, item: str) -> np.ndarray:
        """(items,) float64: the worth of all themes that each item shares with this one."""
        own = np.zeros(len(self._column))
        for theme in self._own(item):
            own[self._column[theme]] = self._worth(theme, item)
        alike: np.ndarray = np.round(self._matrix @ own, 9)  # so that sums of another order are equal
        return alike

    # -- reason ------------------------------------------------------------------------------------------------------
    async def reason(self, block: Block) -> list[Candidate]:
        return [candidate for position in block.positions for candidate in self._propose(block, position)]

    def _propose(self, block: Block, position: int) -> list[Candidate]:
        items, item = block.history.items, block.history.items[position]
        chains = {(chain.tail_position, chain.reason): chain.number for chain in block.chains}
        proposals: list[tuple[tuple[bool, float, int], Candidate]] = []
        for theme in self._own(item):
            causes = [c for c in range(block.first, position) if theme in self._own(items[c])]
            if causes:
                cause = max(causes, key=lambda c: ((c, theme) in chains, c))
                chain = chains.get((cause, theme))
                candidate = Candidate(position, "item", items[cause], cause, theme, item, chain, seen=position + 1)
                proposals.append(((chain is not None, self._worth(theme, items[cause], item), cause), candidate))
        if not proposals:
            own = max(self._own(item), key=lambda theme: self._worth(theme, item), default=None)
            return [] if own is None else [Candidate(position, "root", "", None, own, item, None, seen=position + 1)]
        proposals.sort(key=lambda pair: pair[0], reverse=True)
        return [candidate for _, candidate in proposals[: self.config.proposals]]

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
        rows = self._carriers.get(chain.reason)
        if rows is None:
            return []
        seen = [self._row[item] for item in cut.history.items if item in self._row]
        rows = rows[~np.isin(rows, seen)]
        follows = np.full(len(self._ids), len(self._ids))
        for rank, item in reversed(list(enumerate(cut.suggestions.get(chain.number, ())))):
            if item in self._row:
                follows[self._row[item]] = rank
        never = follows[rows] == len(self._ids)
        best = np.lexsort((self._place[rows], follows[rows], -self._alike(chain.tail_item)[rows], never))
        return [Imagined(chain.number, chain.reason, "", self._ids[rows[n]]) for n in best[: self.config.imagined]]
