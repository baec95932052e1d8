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
    """Share of values dropped after embeddings, attention and feed-forward."""
    attention_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of attention weights dropped."""
    norm: Literal["before", "after"] = "before"
    """Where layers are normalised: `before` each sum's addend, as in the paper's code; `after` each sum and after the embeddings,
    with a GELU of width 4 D, as in BERT and in the code that the recent figures for Amazon data come from."""
    positions: Literal["start", "end"] = "start"
    """Count positions from the oldest kept item, so that a prefix is encoded as in the whole; or from the newest."""

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

    def __init__(self, size: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key_value, self.out = nn.Linear(size, size), nn.Linear(size, 2 * size), nn.Linear(size, size)

    def forward(self, states: Tensor, allowed: Tensor) -> Tensor:
        """(B, L, D) states and a (B, 1, L, L) bool mask -> (B, L, D)."""
        batch, length, size = states.shape
        key, value = self.key_value(states).chunk(2, dim=-1)
        q, k, v = (x.view(batch, length, self.heads, -1).transpose(1, 2) for x in (self.query(states), key, value))
        dropped = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, dropout_p=dropped)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, length, size))
        return out


class AttentionLayer(nn.Module):
    """x = x + Attention(LN(x)); x = x + W_2 ReLU(W_1 LN(x))."""

    widening = 1

    def __init__(self, config: SasRecConfig) -> None:
        super().__init__()
        size = config.embedding_size
        self.norm_attention, self.norm_forward = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attention = Attention(size, config.heads, config.attention_dropout)
        inner = self.widening * size
        self.forward_one, self.forward_two = nn.Linear(size, inner), nn.Linear(inner, size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Tensor, allowed: Tensor) -> Tensor:
        """(B, L, D) states and a (B, 1, L, L) bool mask -> (B, L, D)."""
        states = states + self.mixed(self.norm_attention(states), allowed)
        inner = torch.relu(self.forward_one(self.norm_forward(states)))
        added: Tensor = self.dropout(self.forward_two(inner))
        return states + added

    def mixed(self, normed: Tensor, allowed: Tensor) -> Tensor:
        """What other positions add: (B, L, D) -> (B, L, D)."""
        mixed: Tensor = self.dropout(self.attention(normed, allowed))
        return mixed


class AfterLayer(AttentionLayer):
    """x = LN(x + Attention(x)); x = LN(x + W_2 GELU(W_1 x)), the inner width 4 D (BERT4Rec's paper, equations 2 to 5)."""

    widening = 4

    def forward(self, states: Tensor, allowed: Tensor) -> Tensor:
        """(B, L, D) states and a (B, 1, L, L) bool mask -> (B, L, D)."""
        states = self.together(states, allowed)
        inner = F.gelu(self.forward_one(states))
        normed: Tensor = self.norm_forward(states + self.dropout(self.forward_two(inner)))
        return normed

    def together(self, states: Tensor, allowed: Tensor) -> Tensor:
        """A slot with what other positions add: (B, L, D) -> (B, L, D)."""
        normed: Tensor = self.norm_attention(states + self.mixed(states, allowed))
        return normed


class SasRecNet(nn.Module):
    """Item vector + position vector, causal attention layers, a last layer norm.

    With norms `before`, item vectors are multiplied by sqrt(D) first, as in the paper's code; with norms `after`, the sum of
    item and position vectors is normalised, and so is what the last layer gives.
    """

    layers_by_norm: ClassVar[dict[str, type[AttentionLayer]]] = {"before": AttentionLayer, "after": AfterLayer}
    causal = True

    def __init__(self, table: Table, config: SasRecConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config, self.size = config, config.embedding_size
        self.item = table
        self.position = nn.Embedding(config.max_length, self.size)
        self.layers = nn.ModuleList(self.layers_by_norm[config.norm](config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(self.size)
        self.dropout = nn.Dropout(config.dropout)
        nn.init.normal_(self.position.weight, std=0.02, generator=generator)
        reset(self.layers, generator, 0.05 if config.norm == "before" else 0.02)

    def forward(self, items: Tensor) -> Tensor:
        """Turn item histories into one vector per position.

        Args:
            items: (B, L) int64 row numbers, oldest first, left-padded with 0, -1 for [MASK]; L <= max_length.
        Returns: (B, L, D) float32; rows at padding are exactly zero.
        """
        scale = self.size**0.5 if self.config.norm == "before" else 1.0
        return self.attend(items, self.item.at(items) * scale)

    def attend(self, items: Tensor, states: Tensor) -> Tensor:
        """(B, L, D) contents of the slots, without positions -> (B, L, D)."""
        length = items.shape[1]
        real = items != 0
        if self.config.positions == "end":
            places = torch.arange(self.config.max_length - length, self.config.max_length, device=items.device)
        else:
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
        rows: Tensor = self.dropout(states if self.config.norm == "before" else self.norm(states))
        return rows

    def finish(self, states: Tensor) -> Tensor:
        """After the layers: (B, L, D) -> (B, L, D)."""
        finished: Tensor = self.norm(states) if self.config.norm == "before" else states
        return finished

    def item_vectors(self) -> Tensor:
        """(N + 1, D) float32; row 0 belongs to padding."""
        rows: Tensor = self.item()[: self.item.items + 1]
        return rows


def reset(module: nn.Module, generator: torch.Generator | None = None, deviation: float = 0.05) -> None:
    """Matrices normal with this deviation, biases zero; all else is left as it is."""
    for name, weight in module.named_parameters():
        if weight.dim() == 2:
            nn.init.normal_(weight, std=deviation, generator=generator)
        elif "bias" in name:
            nn.init.zeros_(weight)
