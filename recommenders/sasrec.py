"""SASRec (Kang & McAuley 2018, arXiv 1808.09781), trained with full-softmax cross-entropy over all positions."""

from __future__ import annotations

from typing import Self

import torch
import torch.nn.functional as F
from pydantic import BaseModel, Field, PositiveInt, model_validator
from torch import Tensor, nn


class SasRecConfig(BaseModel, frozen=True, extra="forbid"):
    """Shape of a SASRec model."""

    embedding_size: PositiveInt = 64
    """Width D of item and position vectors."""
    max_length: PositiveInt = 50
    """Most recent items kept per user; older ones are dropped."""
    blocks: PositiveInt = 2
    heads: PositiveInt = 2
    """Attention heads; must divide `embedding_size`."""
    dropout: float = Field(default=0.5, ge=0.0, lt=1.0)
    """Share of values dropped after embeddings, attention and feed-forward (attention weights themselves are kept whole)."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.embedding_size % self.heads:
            raise ValueError(f"heads must divide embedding_size, but {self.embedding_size} % {self.heads} is not 0")
        return self


class Block(nn.Module):
    """x = x + Attention(LN(x)); x = x + FFN(LN(x)), causal."""

    def __init__(self, config: SasRecConfig) -> None:
        super().__init__()
        size = config.embedding_size
        self.heads = config.heads
        self.norm_attention, self.norm_forward = nn.LayerNorm(size), nn.LayerNorm(size)
        self.query, self.key_value, self.out = nn.Linear(size, size), nn.Linear(size, 2 * size), nn.Linear(size, size)
        self.forward_one, self.forward_two = nn.Linear(size, size), nn.Linear(size, size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Tensor, allowed: Tensor) -> Tensor:
        """(B, L, D) states and a (B, 1, L, L) bool mask -> (B, L, D)."""
        batch, length, size = states.shape
        normed = self.norm_attention(states)
        key, value = self.key_value(normed).chunk(2, dim=-1)
        q, k, v = (x.view(batch, length, self.heads, -1).transpose(1, 2) for x in (self.query(normed), key, value))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        states = states + self.dropout(self.out(mixed.transpose(1, 2).reshape(batch, length, size)))
        inner = torch.relu(self.forward_one(self.norm_forward(states)))
        added: Tensor = self.dropout(self.forward_two(inner))
        return states + added


class SasRecNet(nn.Module):
    """Item vector + position vector, causal self-attention blocks, a last layer norm.

    Positions count from the oldest kept item, so that (up to `max_length` items) a prefix is encoded as in the whole.
    """

    def __init__(self, items: int, config: SasRecConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self.item = nn.Embedding(items + 1, config.embedding_size, padding_idx=0)
        self.position = nn.Embedding(config.max_length, config.embedding_size)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.embedding_size)
        self.dropout = nn.Dropout(config.dropout)
        self._reset(generator)

    def _reset(self, generator: torch.Generator | None) -> None:
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                nn.init.normal_(weight, std=0.02 if "item" in name or "position" in name else 0.05, generator=generator)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)
        with torch.no_grad():
            self.item.weight[0] = 0.0

    def encode(self, items: Tensor) -> Tensor:
        """Turn item histories into one vector per position.

        Args:
            items: (B, L) int64 row numbers, oldest first, left-padded with 0; L <= max_length.
        Returns: (B, L, D) float32; rows at padding are exactly zero.
        """
        length = items.shape[1]
        real = items > 0
        places = (real.long().cumsum(dim=1) - 1).clamp(min=0)
        states = self.dropout(self.item(items) * self.config.embedding_size**0.5 + self.position(places))
        causal = torch.ones(length, length, dtype=torch.bool, device=items.device).tril()
        itself = torch.eye(length, dtype=torch.bool, device=items.device)
        allowed = (causal & real[:, None, :]) | itself
        for block in self.blocks:
            states = block(states, allowed[:, None])
        return torch.where(real[:, :, None], self.norm(states), 0.0)

    def item_vectors(self) -> Tensor:
        """(N + 1, D) float32; row 0 belongs to padding."""
        return self.item.weight
