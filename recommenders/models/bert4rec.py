"""BERT4Rec (Sun et al. 2019, arXiv 1904.06690): attention in both directions, trained to fill gaps."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from llmrg.recommenders.models.item_table import ItemTable, Table
from llmrg.recommenders.models.sasrec import SasRecConfig, SasRecNet, reset


class Bert4RecConfig(SasRecConfig, frozen=True, extra="forbid"):
    """Shape of a BERT4Rec model; the paper's settings for Amazon Beauty are the defaults."""

    kind: Literal["bert4rec"] = "bert4rec"  # type: ignore[assignment]
    bidirectional: ClassVar[bool] = True
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    """Share of values dropped after embeddings, attention and feed-forward."""
    norm: Literal["after"] = "after"  # type: ignore[assignment]

    def build(
        self, items: int, attributes: csr_matrix | None = None, generator: torch.Generator | None = None, extra: int = 1
    ) -> Bert4RecNet:
        """An untrained net for a catalogue of `items`; `attributes` (items, T) go into the item vectors, before `extra` rows."""
        return Bert4RecNet(ItemTable(items, self.embedding_size, attributes, extra, generator), self, generator)


class Bert4RecNet(SasRecNet):
    """h_0 = LN(v + p), layers in which every slot sees every other, then LN(GELU(W h + b)), scored against the item vectors.

    The two outer norms are in the authors' code, not in the paper; their bias per item (b^O of equation 7) is left out, since a
    score here is a product of two vectors.
    """

    causal = False

    def __init__(self, table: Table, config: Bert4RecConfig, generator: torch.Generator | None = None) -> None:
        super().__init__(table, config, generator)
        self.norm_finish, self.transform = nn.LayerNorm(self.size), nn.Linear(self.size, self.size)
        reset(self.transform, generator, 0.02)

    def finish(self, states: Tensor) -> Tensor:
        finished: Tensor = self.norm_finish(F.gelu(self.transform(states)))
        return finished
