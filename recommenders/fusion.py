"""Base model plus graphs: concat(E_base, E_rea, E_div) -> D, scored against the base model's own item table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, Field, PositiveInt
from torch import Tensor, nn

from llmrg.encoders.arrays import GraphArrays
from llmrg.encoders.backends import BackendName
from llmrg.encoders.building import MEMORY
from llmrg.encoders.causal import CausalConfig, CausalGraphEncoder
from llmrg.encoders.sr_gnn import SrGnn, SrGnnConfig
from llmrg.recommenders.sasrec import SasRecNet


class FusionConfig(BaseModel, frozen=True, extra="forbid"):
    """Which graphs are used, and how."""

    use_reasoned: bool = True
    """False leaves G_rea out: its vector is zero."""
    use_divergent: bool = True
    """False leaves G_div out: its vector is zero."""
    encoder: Literal["causal", "sr_gnn"] = "causal"
    """`causal` encodes all positions in one pass; `sr_gnn` is the paper's, one graph per position."""
    steps: PositiveInt = 1
    """Rounds of message passing."""
    memory: PositiveInt = MEMORY
    """How many positions back an item or a reason is still read out."""
    dropout: float = Field(default=0.3, ge=0.0, lt=1.0)
    """Share of the graph vectors' values dropped in training."""
    start: float = Field(default=1.0, gt=0.0)
    """Scale of the graph part of the fusion at the start. Untrained encoders move the base model's vector by about a
    tenth of its length at 1 (SR-GNN: a quarter); 0.1 and 0.5 did worse on validation items of planted worlds."""
    backend: BackendName = "auto"


@dataclass(frozen=True, slots=True)
class Graphs:
    """Both graphs of the users of a batch or of a whole data set."""

    reasoned: GraphArrays
    divergent: GraphArrays

    def take(self, users: np.ndarray) -> Graphs:
        """Those of the users numbered by (B,) int64."""
        return Graphs(self.reasoned.take(users), self.divergent.take(users))


class GraphFusion(nn.Module):
    """E = W [E_base ; E_rea ; E_div], with W started at [I ; start * I ; start * I].

    So the untrained fusion is the base model plus the encoders' vectors, which are short before training. There is no
    bias: where no graph is visible both graph vectors are zero, and E is a linear map of E_base alone.
    """

    def __init__(self, base: SasRecNet, text_size: int, config: FusionConfig) -> None:
        super().__init__()
        self.base, self.config = base, config
        size = base.config.embedding_size
        self.reasoned = _encoder(size, text_size, config) if config.use_reasoned else None
        self.divergent = _encoder(size, text_size, config) if config.use_divergent else None
        self.dropout = nn.Dropout(config.dropout)
        self.fuse = nn.Linear(3 * size, size, bias=False)
        with torch.no_grad():
            eye = torch.eye(size)
            self.fuse.weight.copy_(torch.cat([eye, config.start * eye, config.start * eye], dim=1))

    def encode(self, items: Tensor, positions: np.ndarray, graphs: Graphs, text_vectors: Tensor) -> Tensor:
        """One vector per slot.

        Args:
            items: (B, L) int64 catalogue rows, left-padded with 0.
            positions: (B, L) int64 position that each slot asks for, 0 at padding.
            graphs: those of the B users.
            text_vectors: (T, D_text) float32.
        Returns: (B, L, D) float32.
        """
        base = self.base.encode(items)
        table = self.base.item_vectors()
        parts = [base]
        for encoder, arrays in ((self.reasoned, graphs.reasoned), (self.divergent, graphs.divergent)):
            told = torch.zeros_like(base) if encoder is None else encoder(arrays, positions, table, text_vectors)
            parts.append(self.dropout(told))
        fused: Tensor = self.fuse(torch.cat(parts, dim=2))
        return fused

    def item_vectors(self) -> Tensor:
        """(N + 1, D) float32; row 0 belongs to padding."""
        return self.base.item_vectors()


def _encoder(size: int, text_size: int, config: FusionConfig) -> nn.Module:
    if config.encoder == "causal":
        return CausalGraphEncoder(size, text_size, CausalConfig(layers=config.steps, backend=config.backend))
    return SrGnn(size, text_size, SrGnnConfig(layers=config.steps, backend=config.backend))
