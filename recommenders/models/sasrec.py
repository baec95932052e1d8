"""SASRec (Kang & McAuley 2018, arXiv 1808.09781): causal self-attention over the history."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import BaseModel, Field, PositiveInt, model_validator
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from llmrg.recommenders.models.item_table import ItemTable, Table


class SasRecConfig(BaseModel, frozen=True, extra="forbid"):
    """Shape of a SASRec model."""

    kind: Literal["sasrec"] = "sasrec"
    bidirectional: ClassVar[bool] = False
    needs_attributes: ClassVar[bool] = False
    embedding_size: PositiveInt = 64
    """Width D of item and position vectors."""
    max_length: PositiveInt = 50
    """Most recent items kept per user; older ones are dropped."""
    layers: PositiveInt = 2
    """Attention layers."""
    heads: PositiveInt = 2
    """Attention heads; must divide `embedding_size`."""
    dropout: float = Field(default=0.5, ge=0.0, lt=1.0)
    """Share of values dropped after embeddings, attention and feed-forward (attention weights themselves are kept whole)."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.embedding_size % self.heads:
            raise ValueError(f"heads must divide embedding_size, but {self.embedding_size} % {self.heads} is not 0")
        return self

    def build(
        self, items: int, attributes: csr_matrix | None = None, generator: torch.Generator | None = None, extra: int = 0
    ) -> SasRecNet:
        """An untrained net for a catalogue of `items`; `attributes` (items, T) go into the item vectors, before `extra` rows."""
        return SasRecNet(ItemTable(items, self.embedding_size, attributes, extra, generator), self, generator)


class Attention(nn.Module):
    """Multi-head scaled dot-product attention."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key_value, self.out = nn.Linear(size, size), nn.Linear(size, 2 * size), nn.Linear(size, size)

    def forward(self, states: Tensor, allowed: Tensor) -> Tensor:
        """(B, L, D) states and a (B, 1, L, L) bool mask -> (B, L, D)."""
        batch, length, size = states.shape
        key, value = self.key_value(states).chunk(2, dim=-1)
        q, k, v = (x.view(batch, length, self.heads, -1).transpose(1, 2) for x in (self.query(states), key, value))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, length, size))
        return out


class AttentionLayer(nn.Module):
    """x = x + Attention(LN(x)); x = x + FFN(LN(x))."""

    def __init__(self, config: SasRecConfig) -> None:
        super().__init__()
        size = config.embedding_size
        self.norm_attention, self.norm_forward = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attention = Attention(size, config.heads)
        self.forward_one, self.forward_two = nn.Linear(size, size), nn.Linear(size, size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Tensor, allowed: Tensor) -> Tensor:
        """(B, L, D) states and a (B, 1, L, L) bool mask -> (B, L, D)."""
        states = states + self.mixed(self.norm_attention(states), allowed)
        inner = torch.relu(self.forward_one(self.norm_forward(states)))
        added: Tensor = self.dropout(self.forward_two(inner))
        return states + added

    def mixed(self, normed: Tensor, allowed: Tensor) -> Tensor:
        """What other positions add: (B, L, D) -> (B, L, D)."""
        found: Tensor = self.dropout(self.attention(normed, allowed))
        return found


class SasRecNet(nn.Module):
    """Item vector + position vector, causal attention layers, a last layer norm.

    Positions count from the oldest kept item, so that (up to `max_length` items) a prefix is encoded as in the whole.
    """

    layer: type[AttentionLayer] = AttentionLayer
    causal = True

    def __init__(self, table: Table, config: SasRecConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config, self.size = config, config.embedding_size
        self.item = table
        self.position = nn.Embedding(config.max_length, self.size)
        self.layers = nn.ModuleList(self.layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(self.size)
        self.dropout = nn.Dropout(config.dropout)
        nn.init.normal_(self.position.weight, std=0.02, generator=generator)
        reset(self.layers, generator)

    def forward(self, items: Tensor) -> Tensor:
        """Turn item histories into one vector per position.

        Args:
            items: (B, L) int64 row numbers, oldest first, left-padded with 0, -1 for [MASK]; L <= max_length.
        Returns: (B, L, D) float32; rows at padding are exactly zero.
        """
        return self.attend(items, self.item.at(items) * self.size**0.5)

    def attend(self, items: Tensor, states: Tensor) -> Tensor:
        """(B, L, D) contents of the slots, without positions -> (B, L, D)."""
        length = items.shape[1]
        real = items != 0
        places = (real.long().cumsum(dim=1) - 1).clamp(min=0)
        states = self.start(states + self.position(places))
        itself = torch.eye(length, dtype=torch.bool, device=items.device)
        allowed = real[:, None, :] | itself
        if self.causal:
            allowed = allowed & torch.ones(length, length, dtype=torch.bool, device=items.device).tril()
        for layer in self.layers:
            states = layer(states, allowed[:, None])
        return torch.where(real[:, :, None], self.finish(states), 0.0)

    def start(self, states: Tensor) -> Tensor:
        """Before the layers: (B, L, D) contents with positions -> (B, L, D)."""
        found: Tensor = self.dropout(states)
        return found

    def finish(self, states: Tensor) -> Tensor:
        """After the layers: (B, L, D) -> (B, L, D)."""
        found: Tensor = self.norm(states)
        return found

    def item_vectors(self) -> Tensor:
        """(N + 1, D) float32; row 0 belongs to padding."""
        rows: Tensor = self.item()[: self.item.items + 1]
        return rows


def reset(module: nn.Module, generator: torch.Generator | None = None) -> None:
    """Matrices normal with deviation 0.05, biases zero; all else is left as it is."""
    for name, weight in module.named_parameters():
        if weight.dim() == 2:
            nn.init.normal_(weight, std=0.05, generator=generator)
        elif "bias" in name:
            nn.init.zeros_(weight)
