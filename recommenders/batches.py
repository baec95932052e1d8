"""Histories as left-padded rows of item numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def padded(rows: Sequence[np.ndarray], length: int) -> np.ndarray:
    """(B, length) int64: the last `length` numbers of each row, oldest first, left-padded with 0."""
    found = np.zeros((len(rows), length), dtype=np.int64)
    for line, row in zip(found, rows, strict=True):
        tail = row[-length:]
        line[length - len(tail) :] = tail
    return found


def trimmed(items: np.ndarray) -> int:
    """How many columns on the left are padding in every row of (B, L) item numbers; at least one column stays."""
    used = np.flatnonzero(items.any(axis=0))
    return int(used[0]) if len(used) else items.shape[1] - 1


def slot_positions(items: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(B, L) int64: the position asked for at each slot of `padded` items, 0 at padding.

    The slot of history position t asks for position t + 1; `lengths` (B,) are the whole lengths of the rows that were padded.
    """
    columns = np.arange(items.shape[1] - 1, -1, -1)
    return np.where(items > 0, lengths[:, None] - columns[None, :], 0).astype(np.int64)


@dataclass(frozen=True)
class Sequences:
    """Training parts as inputs and targets, and the questions that early stopping asks.

    The validation question of a user is what follows the whole training part.
    """

    inputs: np.ndarray
    """(U, L) int64: training parts without their last item, left-padded with 0."""
    targets: np.ndarray
    """(U, L) int64: the item after each input slot; 0 at padding."""
    train: np.ndarray
    """(U,) int64: lengths of the input rows before padding, to turn slots into positions."""
    users: np.ndarray
    """(U,) int64: which part each row comes from."""
    asked: np.ndarray
    """(V,) int64: parts that have a validation item."""
    questions: np.ndarray
    """(V, L) int64: their whole training parts, left-padded with 0."""
    answers: np.ndarray
    """(V,) int64: row of the validation item."""

    @classmethod
    def of(cls, parts: Sequence[np.ndarray], validation: Sequence[int], length: int) -> Sequences:
        """`validation`: row of each part's validation item, or 0 for none; `length` is the longest input kept."""
        users = np.array([u for u, part in enumerate(parts) if len(part) > 1], dtype=np.int64)
        inputs = padded([parts[u][:-1] for u in users], length)
        targets = np.where(inputs > 0, padded([parts[u][1:] for u in users], length), 0)
        train = np.array([len(parts[u]) - 1 for u in users], dtype=np.int64)
        asked = np.array([u for u, row in enumerate(validation) if row and len(parts[u])], dtype=np.int64)
        questions = padded([parts[u] for u in asked], length)
        answers = np.array([validation[u] for u in asked], dtype=np.int64)
        return cls(inputs, targets, train, users, asked, questions, answers)
