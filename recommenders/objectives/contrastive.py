"""Next item, and beside it: two views of one history are nearer to each other than to the views of other histories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import BaseModel, Field, NonNegativeFloat, PositiveFloat
from torch import Tensor

from llmrg.recommenders.objectives.next_item import NextItem
from llmrg.recommenders.objectives.slots import MASK, Slots, padded, padding

Encode = Callable[[np.ndarray], Tensor]


class ContrastiveConfig(BaseModel, frozen=True, extra="forbid"):
    """Weights of the contrastive terms; the defaults are CL4SRec's, `twin=0.1, same_target=0.1, augmented=0` DuoRec's."""

    kind: Literal["contrastive"] = "contrastive"
    augmented: NonNegativeFloat = 0.1
    """Weight of two augmented views: cropped, masked or reordered (CL4SRec, Xie et al. 2022, arXiv 2010.14395, equation 12)."""
    twin: NonNegativeFloat = 0.0
    """Weight of the same history under other dropout (DuoRec, Qiu et al. 2022, arXiv 2110.05730, its unsupervised term)."""
    same_target: NonNegativeFloat = 0.0
    """Weight of another history that the same item follows (DuoRec's supervised term)."""
    crop: float = Field(default=0.6, gt=0.0, le=1.0)
    """Share of the history that a cropped view keeps, in one piece."""
    mask: float = Field(default=0.3, ge=0.0, le=1.0)
    """Share of the items that a masked view hides."""
    reorder: float = Field(default=0.6, ge=0.0, le=1.0)
    """Share of the history, in one piece, that a reordered view shuffles."""
    temperature: PositiveFloat = 1.0
    """Divides the products of views."""

    def build(self) -> Contrastive:
        return Contrastive(self)


class Contrastive(NextItem):
    """loss = next item + sum over terms of weight * InfoNCE(views a, views b).

    The papers train on every prefix as a history of its own. Here a window is one pass: CL4SRec's views are those of the window,
    DuoRec's of the prefix that ends at a slot drawn at random. A prefix whose next item nothing else leads to is its own
    positive, as in DuoRec's code.
    """

    def __init__(self, config: ContrastiveConfig) -> None:
        self.config = config
        self.extra_rows = 1 if config.augmented > 0 else 0
        self._indexed: tuple[Sequence[np.ndarray], Occurrences] | None = None

    def extra_loss(
        self,
        encode: Encode,
        parts: Sequence[np.ndarray],
        batch: Sequence[np.ndarray],
        slots: Slots,
        states: Tensor,
        length: int,
        dice: np.random.Generator,
    ) -> Tensor | None:
        """See `Objective.extra_loss`; None where all weights are 0."""
        config, terms = self.config, []
        if config.augmented > 0:
            first, second = self._views(batch, length, dice)
            terms.append(config.augmented * info_nce(_last(encode, first), _last(encode, second), config.temperature))
        if config.twin > 0 or config.same_target > 0:
            line = np.arange(len(batch))
            column_of = np.where(slots.targets > 0, dice.random(slots.targets.shape), -1.0).argmax(axis=1)
            own = states[line, column_of]
            if config.twin > 0:
                terms.append(config.twin * info_nce(own, encode(slots.items)[line, column_of], config.temperature))
            if config.same_target > 0:
                prefixes = [row[: column + 1][row[: column + 1] > 0] for row, column in zip(slots.items, column_of, strict=True)]
                others = self._occurrences(parts).others(prefixes, slots.targets[line, column_of], length, dice)
                terms.append(config.same_target * info_nce(own, _last(encode, padded(others, length)), config.temperature))
        return torch.stack(terms).sum() if terms else None

    def _views(self, batch: Sequence[np.ndarray], length: int, dice: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Two (B, length) views of each window, by two different augmentations."""
        changes = (self._cropped, self._masked, self._reordered)
        chosen = [dice.permutation(len(changes))[:2] for _ in batch]
        first, second = (
            padded([changes[pair[side]](row[-length:], dice) for row, pair in zip(batch, chosen, strict=True)], length)
            for side in (0, 1)
        )
        return first, second

    def _cropped(self, row: np.ndarray, dice: np.random.Generator) -> np.ndarray:
        size = max(1, int(self.config.crop * len(row)))
        start = int(dice.integers(len(row) - size + 1))
        return row[start : start + size]

    def _masked(self, row: np.ndarray, dice: np.random.Generator) -> np.ndarray:
        view = row.copy()
        view[dice.permutation(len(row))[: int(self.config.mask * len(row))]] = MASK
        return view

    def _reordered(self, row: np.ndarray, dice: np.random.Generator) -> np.ndarray:
        view, size = row.copy(), int(self.config.reorder * len(row))
        start = int(dice.integers(len(row) - size + 1))
        view[start : start + size] = dice.permutation(view[start : start + size])
        return view

    def _occurrences(self, parts: Sequence[np.ndarray]) -> Occurrences:
        if self._indexed is None or self._indexed[0] is not parts:
            self._indexed = (parts, Occurrences(parts))
        return self._indexed[1]


class Occurrences:
    """Where each item follows something, in all training parts."""

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        self.parts = parts
        lengths = [len(row) for row in parts]
        items = np.concatenate([*parts, np.zeros(0, np.int64)])
        users = np.repeat(np.arange(len(parts)), lengths)
        places = np.concatenate([*(np.arange(n) for n in lengths), np.zeros(0, np.int64)])
        order = np.flatnonzero(places > 0)
        order = order[np.argsort(items[order], kind="stable")]
        self._users, self._places, self._items = users[order], places[order], items[order]

    def others(
        self, prefixes: Sequence[np.ndarray], targets: np.ndarray, length: int, dice: np.random.Generator
    ) -> list[np.ndarray]:
        """For each prefix another one of at most `length` items that the same target follows; itself where there is none."""
        starts, stops = (np.searchsorted(self._items, targets, side) for side in ("left", "right"))
        drawn = (dice.random(len(targets)) * (stops - starts)).astype(np.int64)
        others = []
        for prefix, start, count, number in zip(prefixes, starts, stops - starts, drawn, strict=True):
            other = self._prefix(start + number, length) if count else prefix
            if count > 1 and np.array_equal(other[-len(prefix) :], prefix):
                other = self._prefix(start + (number + 1) % count, length)
            others.append(other)
        return others

    def _prefix(self, number: int, length: int) -> np.ndarray:
        place = self._places[number]
        return np.asarray(self.parts[self._users[number]][max(0, place - length) : place])


def info_nce(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Mean over the 2 B views of -log(exp(z . partner / temperature) / sum over all other views v of exp(z . v / temperature)).

    Args:
        first, second: (B, D) views of the same B histories.
    Returns: () float32; 0 for B = 1.
    """
    views = torch.cat([first, second])
    products = views @ views.T / temperature
    itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
    partner = torch.arange(len(views), device=views.device).roll(len(first))
    return F.cross_entropy(products.masked_fill(itself, -torch.inf), partner)


def _last(encode: Encode, items: np.ndarray) -> Tensor:
    return encode(items[:, padding(items) :])[:, -1]
