"""Leave-one-out: the last item is for test, the one before it for validation, the rest for training."""

from __future__ import annotations

from llmrg.core.records import History

HELD_OUT = 2
"""Items at the end of a history that training must not see."""
MIN_LENGTH = 3
"""Shorter histories are trained on whole and evaluated never."""


def train_length(history: History) -> int:
    """How many items, from the oldest, training may use."""
    return len(history) - HELD_OUT if len(history) >= MIN_LENGTH else len(history)


def validation_position(history: History) -> int | None:
    """Position of the validation target, or None for a history that is too short."""
    return len(history) - 2 if len(history) >= MIN_LENGTH else None


def test_position(history: History) -> int | None:
    """Position of the test target, or None for a history that is too short."""
    return len(history) - 1 if len(history) >= MIN_LENGTH else None
