"""Cloze: items are hidden, and the model tells them from what stands around them (BERT4Rec, Sun et al. 2019, section 3.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, Field

from llmrg.recommenders.objectives.slots import MASK, Objective, Slots, padded, positions_of


class ClozeConfig(BaseModel, frozen=True, extra="forbid"):
    """How much is hidden; the paper's settings for Amazon Beauty are the defaults (0.2 for MovieLens)."""

    kind: Literal["cloze"] = "cloze"
    share: float = Field(default=0.6, gt=0.0, le=1.0)
    """Share of the items that are hidden (the paper's rho)."""
    only_last: float = Field(default=0.1, ge=0.0, le=1.0)
    """Share of windows in which the last item alone is hidden, as it is when the model is asked."""

    def build(self) -> Cloze:
        return Cloze(self)


class Cloze(Objective):
    """The slot of history position t asks for position t itself, so it may know history[:t] only.

    At t + 1 a graph could show the step about item t, which is the answer. (The model itself sees later items of the training
    part, as in the paper; a graph's readout at t does not.)
    """

    extra_rows, bidirectional = 1, True

    def __init__(self, config: ClozeConfig) -> None:
        self.config = config

    def training(self, rows: Sequence[np.ndarray], starts: np.ndarray, length: int, dice: np.random.Generator) -> Slots:
        """See `Objective.training`."""
        items = padded(rows, length)
        hidden = (dice.random(items.shape) < self.config.share) & (items > 0)
        hidden[dice.random(len(rows)) < self.config.only_last] = False
        hidden[~hidden.any(axis=1), -1] = True
        hidden &= items > 0
        ends = starts + np.array([len(row) - 1 for row in rows], dtype=np.int64)
        return Slots(np.where(hidden, MASK, items), np.where(hidden, items, 0), positions_of(items, ends))

    def query(self, rows: Sequence[np.ndarray], length: int) -> Slots:
        """See `Objective.query`: a [MASK] after the history."""
        items = padded([np.append(row, MASK) for row in rows], length)
        positions = np.zeros_like(items)
        positions[:, -1] = [len(row) for row in rows]
        return Slots(items, np.zeros_like(items), positions)
