"""Last item: every prefix is a history of its own, and its last slot predicts what follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel

from llmrg.recommenders.objectives.next_item import NextItem
from llmrg.recommenders.objectives.slots import Slots


class LastItemConfig(BaseModel, frozen=True, extra="forbid"):
    """Predict what follows each prefix, as DuoRec and BSARec are trained in their papers.

    One pass an item instead of one a history: better where histories are short (Amazon), dear where they are long.
    """

    kind: Literal["last_item"] = "last_item"

    def build(self) -> LastItem:
        return LastItem()


class LastItem(NextItem):
    """The model is trained exactly as it is asked: the last slot answers, at the same position, and no other slot is scored."""

    def windows(self, lengths: Sequence[int], length: int) -> np.ndarray:
        """See `Objective.windows`: a window a prefix of two items or more."""
        windows = [(u, max(0, stop - length - 1), stop) for u, size in enumerate(lengths) for stop in range(2, size + 1)]
        return np.array(windows, dtype=np.int64).reshape(-1, 3)

    def moved(self, windows: np.ndarray, length: int, dice: np.random.Generator) -> np.ndarray:
        """See `Objective.moved`: prefixes stay where they are."""
        return windows

    def training(self, rows: Sequence[np.ndarray], starts: np.ndarray, length: int, dice: np.random.Generator) -> Slots:
        """See `Objective.training`."""
        slots = super().training(rows, starts, length, dice)
        targets = np.zeros_like(slots.targets)
        targets[:, -1] = slots.targets[:, -1]
        return Slots(slots.items, targets, slots.positions)
