"""GRU4Rec (Hidasi et al. 2016, arXiv 1511.06939; Hidasi & Karatzoglou 2018, arXiv 1706.03847): a recurrent net."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import BaseModel, Field, PositiveInt
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from llmrg.recommenders.models.item_table import ItemTable
from llmrg.recommenders.models.sasrec import reset


class Gru4RecConfig(BaseModel, frozen=True, extra="forbid"):
    """Shape of a GRU4Rec model; width, layers and dropout are the authors' for cross-entropy on RSC15."""

    kind: Literal["gru4rec"] = "gru4rec"
    bidirectional: ClassVar[bool] = False
    needs_attributes: ClassVar[bool] = False
    embedding_size: PositiveInt = 100
    """Width D of item vectors and of the hidden state, which are one space ("constrained embedding" in the second paper)."""
    max_length: PositiveInt = 50
    """Most recent items kept per user; older ones are dropped."""
    layers: PositiveInt = 1
    """Recurrent layers."""
    dropout: float = Field(default=0.3, ge=0.0, lt=1.0)
    """Share of values dropped after each recurrent layer."""

    def build(
        self, items: int, attributes: csr_matrix | None = None, generator: torch.Generator | None = None, extra: int = 0
    ) -> Gru4RecNet:
        """An untrained net for a catalogue of `items`; `attributes` (items, T) go into the item vectors, before `extra` rows."""
        return Gru4RecNet(ItemTable(items, self.embedding_size, attributes, extra, generator), self, generator)


class Gru4RecNet(nn.Module):
    """h_t = (1 - z_t) * n_t + z_t * h_(t-1), with h_0 = 0 and, of the item vector x_t,

    z_t = sigma(W_z x_t + U_z h_(t-1)), r_t = sigma(W_r x_t + U_r h_(t-1)), n_t = tanh(W_n x_t + r_t * (U_n h_(t-1))); biases too.
    Item vectors are scaled by sqrt(D) as in SASRec, since they start small. The papers run sessions in parallel, step by step;
    here a history is one session, unrolled whole.
    """

    def __init__(self, table: ItemTable, config: Gru4RecConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config, self.size = config, config.embedding_size
        self.item = table
        between = config.dropout if config.layers > 1 else 0.0
        self.gru = nn.GRU(self.size, self.size, config.layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(config.dropout)
        reset(self.gru, generator)

    def forward(self, items: Tensor) -> Tensor:
        """Turn item histories into one vector per position.

        Args:
            items: (B, L) int64 row numbers, oldest first, left-padded with 0, -1 for [MASK].
        Returns: (B, L, D) float32; rows at padding are exactly zero.
        """
        real = items != 0
        before = (~real).sum(dim=1, keepdim=True)
        place = torch.arange(items.shape[1], device=items.device)
        length = max(items.shape[1], 1)
        # the first item must meet the state zero, so padding goes to the end, where nothing follows it
        there, back = (place + before) % length, (place - before) % length
        read = torch.take_along_dim(self.item.at(items) * self.size**0.5, there[:, :, None], dim=1)
        states: Tensor = torch.take_along_dim(self.gru(read)[0], back[:, :, None], dim=1)
        return torch.where(real[:, :, None], self.dropout(states), 0.0)

    def item_vectors(self) -> Tensor:
        """(N + 1, D) float32; row 0 belongs to padding."""
        rows: Tensor = self.item()[: self.item.items + 1]
        return rows
