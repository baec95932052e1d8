"""The item vectors that every model reads and is scored against: one a row, and where wanted the item's attributes in it."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_matrix
from torch import Tensor, nn


class Table(nn.Module):
    """One vector per item of a catalogue, made when asked."""

    def __init__(self, items: int, size: int) -> None:
        super().__init__()
        self.items, self.size = items, size

    def forward(self) -> Tensor:
        """(N + 1 or more, D) float32; row 0 is padding and zero, rows after N are [MASK]s."""
        raise NotImplementedError

    def at(self, slots: Tensor) -> Tensor:
        """(B, L) int64 rows, 0 for padding and -1 for [MASK] -> (B, L, D)."""
        return F.embedding(torch.where(slots < 0, self.items + 1, slots), self())


class ItemTable(Table):
    """Row i is e_i, or with attributes e_i + the weighted mean of the vectors of i's attributes; row 0 is padding and zero."""

    attribute_at: Tensor
    attribute_share: Tensor

    def __init__(
        self,
        items: int,
        size: int,
        attributes: csr_matrix | None = None,
        extra: int = 0,
        generator: torch.Generator | None = None,
    ) -> None:
        """Args:
        items: N.
        attributes: (N, T) weights of each item's attributes, or None.
        extra: further rows after the items, such as the [MASK] of a cloze model. They start at zero, about the mean of all
            items, and take nothing from the generator: the other weights are those of a model without them.
        """
        super().__init__(items, size)
        self.weight = nn.Parameter(torch.zeros(items + 1 + extra, size))
        with torch.no_grad():
            self.weight[: items + 1].normal_(std=0.02, generator=generator)
            self.weight[0] = 0.0
        self.attributes: nn.Parameter | None = None
        if attributes is not None:
            at, share = attribute_shares(attributes)
            self.register_buffer("attribute_at", at)
            self.register_buffer("attribute_share", share)
            self.attributes = nn.Parameter(torch.empty(attributes.shape[1], size))
            nn.init.normal_(self.attributes, std=0.02, generator=generator)

    def forward(self) -> Tensor:
        """(N + 1 + extra, D) float32."""
        rows = torch.cat([torch.zeros_like(self.weight[:1]), self.weight[1:]])  # padding gets no gradient
        if self.attributes is None:
            return rows
        weighted = self.attributes[self.attribute_at[1]] * self.attribute_share[:, None]
        return rows.index_add(0, self.attribute_at[0], weighted)


def attribute_shares(attributes: csr_matrix) -> tuple[Tensor, Tensor]:
    """(N, T) weights as (2, K) int64 pairs (1-based item, attribute) and (K,) float32 shares, which sum to 1 for each item."""
    shares = attributes.multiply(1.0 / np.maximum(attributes.sum(axis=1), 1e-9)).tocoo()
    at = torch.from_numpy(np.stack([shares.row + 1, shares.col]).astype(np.int64))
    return at, torch.from_numpy(shares.data.astype(np.float32))
