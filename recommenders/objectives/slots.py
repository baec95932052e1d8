"""What a model is trained on and asked: histories in slots, what each slot shall answer, and what a graph may know there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

MASK = -1
"""[MASK] in a slot: an item is there, and the model is not told which."""


@dataclass(frozen=True, slots=True)
class Slots:
    """A batch of histories, left-padded."""

    items: np.ndarray
    """(B, L) int64 rows that the model reads; 0 is padding, `MASK` a hidden item."""
    targets: np.ndarray
    """(B, L) int64 rows to be predicted; 0 where a slot has none."""
    positions: np.ndarray
    """(B, L) int64: the slot may know history[:position] and what a graph knows before it; 0 for nothing. The leak rule."""

    def trimmed(self) -> Slots:
        """Without the columns on the left that are padding in every row; at least one stays."""
        first = padding(self.items)
        return Slots(self.items[:, first:], self.targets[:, first:], self.positions[:, first:])


class Objective(Protocol):
    """What a model is asked to predict; it owns which position each slot may know."""

    extra_rows: int
    """Rows of the item table after the items, such as [MASK]."""
    bidirectional: bool
    """Whether slots may see later ones: their targets are then hidden from the input."""

    def windows(self, lengths: Sequence[int], length: int) -> np.ndarray:
        """(W, 3) int64 (row, start, stop): training parts in windows, which together ask for each item but the first once.

        By default pieces of at most `length` + 1 items that overlap by one. Args: lengths: items of each training part.
        """
        windows = [(u, max(0, stop - length - 1), stop) for u, size in enumerate(lengths) for stop in range(size, 1, -length)]
        return np.array(windows, dtype=np.int64).reshape(-1, 3)

    def moved(self, windows: np.ndarray, length: int, dice: np.random.Generator) -> np.ndarray:
        """The windows of one batch as this epoch sees them.

        By default each is moved back by a random distance, so that borders differ from epoch to epoch.
        """
        shift = (dice.random(len(windows)) * np.minimum(windows[:, 1] + 1, length)).astype(np.int64)
        return np.stack([windows[:, 0], windows[:, 1] - shift, windows[:, 2] - shift], axis=1)

    @abstractmethod
    def training(self, rows: Sequence[np.ndarray], starts: np.ndarray, length: int, dice: np.random.Generator) -> Slots:
        """Args: rows: windows of training parts, oldest first; starts: (B,) position of each window's first item."""

    @abstractmethod
    def query(self, rows: Sequence[np.ndarray], length: int) -> Slots:
        """What comes after each history? The last slot answers."""

    def extra_loss(
        self,
        encode: Callable[[np.ndarray], Tensor],
        parts: Sequence[np.ndarray],
        batch: Sequence[np.ndarray],
        slots: Slots,
        states: Tensor,
        length: int,
        dice: np.random.Generator,
    ) -> Tensor | None:
        """A further loss beside that of the slots, or None.

        Args:
            encode: the model, (B, L) int64 left-padded rows -> (B, L, D).
            parts: all training parts.
            batch: the B windows of this batch, whose last item is the last target.
            slots: what `training` made of them.
            states: (B, L, D) what the model made of those.
            length: the most items that `encode` takes.
            dice: decides all that is random, so that a resumed training draws the same.
        """
        return None


def padded(rows: Sequence[np.ndarray], length: int) -> np.ndarray:
    """(B, length) int64: the last `length` numbers of each row, oldest first, left-padded with 0."""
    lines = np.zeros((len(rows), length), dtype=np.int64)
    for line, row in zip(lines, rows, strict=True):
        tail = row[-length:]
        line[length - len(tail) :] = tail
    return lines


def padding(items: np.ndarray) -> int:
    """How many columns on the left of (B, L) slots are padding in every row; less than L."""
    used = np.flatnonzero(items.any(axis=0))
    return int(used[0]) if len(used) else items.shape[1] - 1


def positions_of(items: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(B, L) int64: the last slot of row b has position ends[b], the one before it ends[b] - 1, ...; 0 at padding."""
    back = np.arange(items.shape[1] - 1, -1, -1)
    return np.where(items != 0, ends[:, None] - back[None, :], 0).astype(np.int64)
