"""The `likelihood` mind: a small local language model chooses reasons from a bank and verifies them with a second question."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import BaseModel, Field, NonNegativeInt, PositiveInt
from scipy.special import ndtr

from llmrg.agents.minds.local_lm import LocalLM
from llmrg.agents.minds.reason_bank import echoes_title, reason_bank
from llmrg.agents.minds.theme_profile import ThemeProfile
from llmrg.agents.protocols import Block, Candidate, Cut, Imagined, OpenChain, Verdict
from llmrg.core.records import Item
from llmrg.core.vetoes import Vetoes
from llmrg.data.dataset import Dataset


class LikelihoodConfig(BaseModel, frozen=True):
    """How the likelihood mind chooses."""

    proposals: PositiveInt = 3
    """Candidates per item."""
    floor: float = 0.5
    """Lowest z, of cause and item, at which a reason is proposed for a pair."""
    chain_bonus: float = 0.5
    """Added to z where a candidate continues an open chain for the same reason."""
    imagined: PositiveInt = 4
    """Continuations per chain."""
    suggestions: NonNegativeInt = 5
    """Items that often follow the chain's tail, looked at per chain."""
    suggestion_bonus: float = 0.5
    """Added to z of an item that often follows the chain's tail."""
    bank: PositiveInt = 150
    """Reasons at most."""
    contrast: PositiveInt = 96
    """Items over which a reason's mean and deviation are taken."""
    byline: tuple[str, ...] = Field(default=("author", "brand"))
    """Attributes named after the title (`by ...`). Nothing else of an item is shown to the model: it must know the rest."""


class LikelihoodMind:
    """Chooses a reason by one question about each item, and verifies it by another.

    Reasoner: with z(R, X) of `ThemeProfile` under the question "The book's main theme is", an item B gets the earlier items A and
    reasons R of the bank with the highest min(z(R, A), z(R, B)). Verifier: the reason is hidden, and found again among all
    reasons of the bank by a second question, "This book is about:", asked of each end by itself; with z2 its score there, the
    step's score is Phi(min(z2(R, A), z2(R, B))) in [0, 1], the share of contrast items that fit the reason worse than the worse
    end does (0 for a reason that only repeats a word of the title). It measures association, not truth.

    Questions are per item, not per pair, so a build costs two questions an item of the catalogue however many users there are.
    """

    def __init__(
        self,
        dataset: Dataset,
        lm: LocalLM,
        cache_dir: Path,
        config: LikelihoodConfig | None = None,
        vetoes: Vetoes | None = None,
    ) -> None:
        self.config = config or LikelihoodConfig()
        self.name = f"likelihood/{lm.name}"
        self.settings = {**self.config.model_dump(mode="json"), "weights": lm.weights}
        self.default_tau, self.cut_every = 0.85, 2
        self._catalogue, self._lm = dataset.catalogue, lm
        self.bank = reason_bank(dataset, self.config.bank, vetoes)
        profile = partial(ThemeProfile, lm, dataset.catalogue, self.bank, cache_dir=cache_dir, contrast=self.config.contrast)
        self._first = profile(question=self._main_theme)
        self._second = profile(question=self._about)

    def _main_theme(self, item: Item) -> str:
        return f"{_title(item)}\nThe {self._catalogue.noun}'s main theme is"

    def _about(self, item: Item) -> str:
        names = [value for name in self.config.byline for value in item.values(name)]
        by = f" by {names[0][:LONGEST_TITLE]}" if names else ""
        return f"{_title(item)}{by}\nThis {self._catalogue.noun} is about:"

    # -- reason --------------------------------------------------------------------------------------------------------
    async def reason(self, block: Block) -> list[Candidate]:
        return await asyncio.to_thread(self._reason, block)

    def _reason(self, block: Block) -> list[Candidate]:
        z = self._first.z(block.history.items[block.first :])
        return [candidate for position in block.positions for candidate in self._propose(block, z, position)]

    def _propose(self, block: Block, z: np.ndarray, position: int) -> list[Candidate]:
        """Pairs with an earlier item; else the item as a root, for its own strongest reason. z has rows from `block.first` on."""
        items, first = block.history.items, block.first
        own = z[position - first]
        fit = np.minimum(z[: position - first], own)
        possible = fit >= self.config.floor
        for chain in block.chains:
            if first <= chain.tail_position < position and chain.reason in self._first.column:
                fit[chain.tail_position - first, self._first.column[chain.reason]] += self.config.chain_bonus
        fit = np.where(possible, fit, -np.inf)
        chains = {(chain.tail_position, chain.reason): chain.number for chain in block.chains}
        candidates = []
        for flat in np.argsort(-fit, axis=None, kind="stable")[: self.config.proposals]:
            row, column = divmod(int(flat), len(self.bank))
            if not np.isfinite(fit[row, column]):
                break
            cause = first + row
            reason = self.bank[column]
            number = chains.get((cause, reason))
            candidates.append(
                Candidate(position, "item", items[cause], cause, reason, items[position], number, seen=position + 1)
            )
        strongest = self.bank[int(np.argmax(own))]
        root = Candidate(position, "root", "", None, strongest, items[position], None, seen=position + 1)
        return candidates or [root]

    # -- verify --------------------------------------------------------------------------------------------------------
    async def verify(self, block: Block, candidates: Sequence[Candidate]) -> list[Verdict]:
        return await asyncio.to_thread(self._verify, candidates)

    def _verify(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        ends = [(c.item, c.cause) if c.cause_kind == "item" else (c.item,) for c in candidates]
        items = sorted({item for pair in ends for item in pair})
        row = dict(zip(items, self._second.z(items), strict=True))
        return [self._verdict(c, [row[item] for item in pair]) for c, pair in zip(candidates, ends, strict=True)]

    def _verdict(self, candidate: Candidate, ends: list[np.ndarray]) -> Verdict:
        if echoes_title(candidate.reason, self._catalogue[candidate.item]):
            return Verdict(0.0, "echoes the title", cause="echoes the title")
        column = self._second.column.get(candidate.reason)
        if column is None:
            return Verdict(0.0, f"{candidate.reason!r} is not in the bank", cause="not in the bank")
        worst = min(ends, key=lambda z: z[column])
        score = float(ndtr(worst[column]))
        better = self.bank[int(np.argmax(worst))]
        critique = f"{better!r} fits better" if better != candidate.reason else f"{better!r} fits best, but weakly"
        return Verdict(score, critique, cause="another reason fits better")

    # -- imagine -------------------------------------------------------------------------------------------------------
    async def imagine(self, cut: Cut) -> list[Imagined]:
        return await asyncio.to_thread(self._imagine, cut)

    def _imagine(self, cut: Cut) -> list[Imagined]:
        return [imagined for chain in cut.chains for imagined in self._continue(cut, chain)]

    def _continue(self, cut: Cut, chain: OpenChain) -> list[Imagined]:
        """Unseen items that fit the chain's reason best, among those asked about so far and those that often follow its tail."""
        if chain.reason not in self._first.column:
            return []
        seen, suggested = set(cut.history.items), set(cut.suggestions.get(chain.number, ())[: self.config.suggestions])
        pool = sorted((set(self._pool()) | suggested) - seen)
        z = self._first.z(pool)[:, self._first.column[chain.reason]]
        z = z + self.config.suggestion_bonus * np.array([item in suggested for item in pool])
        best = np.argsort(-z, kind="stable")[: self.config.imagined]
        return [Imagined(chain.number, chain.reason, "", pool[int(n)]) for n in best if z[n] >= self.config.floor]

    def _pool(self) -> Sequence[str]:
        """The catalogue where it is small; else the contrast sample, which does not depend on who was built before."""
        return self._catalogue.ids if len(self._catalogue) <= POOL else self._first.sample


def _title(item: Item) -> str:
    """As it is, since the model knows it so; cut where it is endless, the id where there is none."""
    return item.title.strip()[:LONGEST_TITLE] or item.id


LONGEST_TITLE = 200
"""Characters of a title that the model is shown."""
POOL = 1000
"""Catalogues up to this size are asked about whole; of larger ones only items of histories, suggestions and the sample."""
