"""Leave-one-out: the last item is for test, the one before it for validation, the rest for training."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass

import numpy as np

from llmrg.core.errors import ConfigError

HELD_OUT = 2
"""Items at the end of a history that training must not see, where a data set says nothing else."""


@dataclass(frozen=True, slots=True)
class Split:
    """Where a data set's histories are held out: the one place that builder, recommenders and evaluation ask.

    Histories of `held_out` items or fewer are trained on whole and evaluated never. Of many histories at once the answers come
    as arrays, with -1 where there is none.
    """

    held_out: int = HELD_OUT
    """2: validation and test; 1: test alone; 0: nothing, training sees all."""

    def __post_init__(self) -> None:
        if self.held_out not in (0, 1, 2):
            raise ConfigError(f"held_out must be 0, 1 or 2 items at the end of a history, not {self.held_out!r}")

    @property
    def min_length(self) -> int:
        """Items of the shortest history that is held out of."""
        return self.held_out + 1

    def train_lengths(self, lengths: np.ndarray) -> np.ndarray:
        """(U,) how many items, from the oldest, training may use of histories of these lengths."""
        return np.where(lengths >= self.min_length, lengths - self.held_out, lengths)

    def validation_positions(self, lengths: np.ndarray) -> np.ndarray:
        """(U,) positions of the validation targets."""
        return np.where(lengths >= self.min_length, lengths - 2, -1) if self.held_out == 2 else np.full(len(lengths), -1)

    def test_positions(self, lengths: np.ndarray) -> np.ndarray:
        """(U,) positions of the test targets."""
        return np.where(lengths >= self.min_length, lengths - 1, -1) if self.held_out else np.full(len(lengths), -1)

    def train_length(self, history: Sized) -> int:
        """How many items, from the oldest, training may use."""
        return int(self.train_lengths(_length(history))[0])

    def validation_position(self, history: Sized) -> int | None:
        """Position of the validation target, or None for a history that is too short."""
        position = int(self.validation_positions(_length(history))[0])
        return None if position < 0 else position

    def test_position(self, history: Sized) -> int | None:
        """Position of the test target, or None for a history that is too short."""
        position = int(self.test_positions(_length(history))[0])
        return None if position < 0 else position


def _length(history: Sized) -> np.ndarray:
    return np.array([len(history)], dtype=np.int64)
