"""FDSA (Zhang et al. 2019, IJCAI): one attention stream over the items of a history, one over their attributes."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from llmrg.core.errors import ConfigError
from llmrg.recommenders.models.item_table import ItemTable, Table, attribute_shares
from llmrg.recommenders.models.sasrec import SasRecConfig, SasRecNet, reset


class FdsaConfig(SasRecConfig, frozen=True, extra="forbid"):
    """Shape of an FDSA model; both streams have the same, SASRec's."""

    kind: Literal["fdsa"] = "fdsa"  # type: ignore[assignment]
    needs_attributes: ClassVar[bool] = True

    def build(
        self, items: int, attributes: csr_matrix | None = None, generator: torch.Generator | None = None, extra: int = 0
    ) -> FdsaNet:
        """An untrained net for a catalogue of `items` with (items, T) weights of attributes.

        Raises: ConfigError: no item has an attribute.
        """
        if attributes is None or attributes.nnz == 0:
            raise ConfigError("fdsa reads item attributes, and no item of the catalogue has any; take sasrec, or add attributes")
        table = ItemTable(items, self.embedding_size, extra=extra, generator=generator)
        return FdsaNet(table, FeatureTable(items, self.embedding_size, attributes, extra, generator), self, generator)


class FeatureTable(Table):
    """f_i = sum_k alpha_k a_k over the attributes k of item i, alpha = softmax_k(w . a_k): the paper's vanilla attention.

    Items without attributes, padding and [MASK] are zero. Weights of attributes enter as log(weight) inside the softmax; equal
    ones leave the paper's formula, and its bias cancels.
    """

    attribute_at: Tensor
    attribute_share: Tensor

    def __init__(
        self, items: int, size: int, attributes: csr_matrix, extra: int = 0, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(items, size)
        self.rows = items + 1 + extra
        at, share = attribute_shares(attributes)
        self.register_buffer("attribute_at", at)
        self.register_buffer("attribute_share", share)
        self.attributes = nn.Parameter(torch.empty(attributes.shape[1], size))
        self.score = nn.Parameter(torch.empty(size))
        nn.init.normal_(self.attributes, std=0.02, generator=generator)
        nn.init.normal_(self.score, std=0.02, generator=generator)

    def forward(self) -> Tensor:
        """(N + 1 + extra, D) float32."""
        item, attribute = self.attribute_at
        logits = (self.attributes @ self.score)[attribute] + self.attribute_share.clamp(min=1e-12).log()
        highest = logits.new_full((self.rows,), -torch.inf).scatter_reduce(0, item, logits.detach(), "amax")
        weights = (logits - highest[item]).exp()
        total = weights.new_zeros(self.rows).index_add(0, item, weights)
        weighted = self.attributes[attribute] * (weights / total[item])[:, None]
        return weighted.new_zeros(self.rows, self.size).index_add(0, item, weighted)


class FdsaNet(SasRecNet):
    """h = W [SASRec(items) ; SASRec(attributes)] + b, scored against the item vectors (paper, equations 8 to 10)."""

    def __init__(
        self, table: ItemTable, features: FeatureTable, config: FdsaConfig, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(table, config, generator)
        self.feature_stream = SasRecNet(features, config, generator)
        self.join = nn.Linear(2 * self.size, self.size)
        reset(self.join, generator)

    def forward(self, items: Tensor) -> Tensor:
        """As `SasRecNet.forward`."""
        both = torch.cat([super().forward(items), self.feature_stream(items)], dim=-1)
        return torch.where((items != 0)[:, :, None], self.join(both), 0.0)
