"""Next item: every slot predicts the item that follows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel

from llmrg.recommenders.objectives.slots import Objective, Slots, padded, positions_of


class NextItemConfig(BaseModel, frozen=True, extra="forbid"):
    """Predict what follows, at every position."""

    kind: Literal["next_item"] = "next_item"

    def build(self) -> NextItem:
        return NextItem()


class NextItem(Objective):
    """The slot of history position t asks for position t + 1, so it may know history[: t + 1]."""

    extra_rows, bidirectional = 0, False

    def training(self, rows: Sequence[np.ndarray], starts: np.ndarray, length: int, dice: np.random.Generator) -> Slots:
        """See `Objective.training`."""
        items = padded([row[:-1] for row in rows], length)
        targets = np.where(items > 0, padded([row[1:] for row in rows], length), 0)
        ends = starts + np.array([len(row) - 1 for row in rows], dtype=np.int64)
        return Slots(items, targets, positions_of(items, ends))

    def query(self, rows: Sequence[np.ndarray], length: int) -> Slots:
        """See `Objective.query`."""
        items = padded(rows, length)
        positions = np.zeros_like(items)
        positions[:, -1] = [len(row) for row in rows]
        return Slots(items, np.zeros_like(items), positions)
