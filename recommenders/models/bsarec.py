"""BSARec (Shin et al. 2024, arXiv 2312.10325): attention beside a filter that keeps the slow part of the history."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from llmrg.recommenders.models.item_table import ItemTable, Table
from llmrg.recommenders.models.sasrec import AfterLayer, AttentionLayer, SasRecConfig, SasRecNet


class BsaRecConfig(SasRecConfig, frozen=True, extra="forbid"):
    """Shape of a BSARec model; the paper's settings for Amazon Beauty are the defaults.

    The paper normalises `after`, counts positions from the `end`, drops attention weights too, and trains on each prefix alone
    (objective `last_item`), which costs as many passes as there are prefixes. Set all four for its figures on short histories.
    """

    kind: Literal["bsarec"] = "bsarec"  # type: ignore[assignment]
    heads: PositiveInt = 1
    alpha: float = Field(default=0.7, ge=0.0, le=1.0)
    """Share of the filter; the rest is attention. 0 is SASRec."""
    cutoff: PositiveInt = 5
    """Frequencies kept by the filter: 0 .. cutoff // 2 of `max_length` (the paper's c)."""

    def build(
        self, items: int, attributes: csr_matrix | None = None, generator: torch.Generator | None = None, extra: int = 0
    ) -> BsaRecNet:
        """An untrained net for a catalogue of `items`; `attributes` (items, T) go into the item vectors, before `extra` rows."""
        return BsaRecNet(ItemTable(items, self.embedding_size, attributes, extra, generator), self, generator)


class LowPass(nn.Module):
    """Filter(z) = low + beta^2 * (z - low), low = the first frequencies of z over a window of `max_length` (paper, section 4.2).

    Keeping frequencies is a convolution: low_t = sum_s k(t - s) z_s, where k(d) = (1 + 2 sum_f cos(2 pi f d / n)) / n (f = n / 2
    counts once). The paper transforms the whole window, so that earlier slots would see later ones, and therefore trains on
    each prefix's last slot alone. Here the sum runs over s <= t: at the last slot it is the paper's, at the others what that
    prefix alone would give, so all slots can be trained in one pass.
    """

    kernel: Tensor

    def __init__(self, config: BsaRecConfig) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.ones(1, 1, config.embedding_size))
        self.register_buffer("kernel", low_pass(config.max_length, config.cutoff // 2), persistent=False)

    def forward(self, states: Tensor, allowed: Tensor) -> Tensor:
        """(B, L, D) states and a (B, 1, L, L) bool mask -> (B, L, D)."""
        lag = torch.arange(states.shape[1], device=states.device)
        lag = lag[:, None] - lag[None, :]
        weight = torch.where(lag >= 0, self.kernel[lag.clamp(min=0)], 0.0)
        real = allowed[:, 0, -1]  # (B, L): the last slot may look at every real one
        low = weight @ torch.where(real[:, :, None], states, 0.0)
        return low + self.beta.square() * (states - low)


class BsaLayer(AttentionLayer):
    """x = x + alpha * Filter(LN(x)) + (1 - alpha) * Attention(LN(x)); x = x + FFN(LN(x)): norms as in our SASRec."""

    def __init__(self, config: BsaRecConfig) -> None:
        super().__init__(config)
        self.alpha, self.filter = config.alpha, LowPass(config)

    def mixed(self, states: Tensor, allowed: Tensor) -> Tensor:
        attended = super().mixed(states, allowed)
        if self.alpha == 0:
            return attended
        mixed: Tensor = self.alpha * self.dropout(self.filter(states, allowed)) + (1 - self.alpha) * attended
        return mixed


class BsaAfterLayer(AfterLayer):
    """x = alpha * LN(x + Filter(x)) + (1 - alpha) * LN(x + Attention(x)); x = LN(x + FFN(x)), as in the paper."""

    def __init__(self, config: BsaRecConfig) -> None:
        super().__init__(config)
        self.alpha, self.filter = config.alpha, LowPass(config)
        self.norm_filter = nn.LayerNorm(config.embedding_size)

    def together(self, states: Tensor, allowed: Tensor) -> Tensor:
        attended = super().together(states, allowed)
        if self.alpha == 0:
            return attended
        filtered: Tensor = self.norm_filter(states + self.dropout(self.filter(states, allowed)))
        return self.alpha * filtered + (1 - self.alpha) * attended


class BsaRecNet(SasRecNet):
    """SASRec with filters beside its attention; beta starts from a standard normal, as in the authors' code."""

    layers_by_norm: ClassVar[dict[str, Any]] = {"before": BsaLayer, "after": BsaAfterLayer}

    def __init__(self, table: Table, config: BsaRecConfig, generator: torch.Generator | None = None) -> None:
        super().__init__(table, config, generator)
        for layer in self.layers:
            assert isinstance(layer, BsaLayer | BsaAfterLayer)
            nn.init.normal_(layer.filter.beta, generator=generator)


def low_pass(length: int, highest: int) -> Tensor:
    """(length,) float32 kernel over lags that keeps the frequencies 0 .. highest of a window."""
    lag = torch.arange(length, dtype=torch.float64)
    kernel = torch.ones_like(lag)
    for frequency in range(1, min(highest, length // 2) + 1):
        weight = 1 if 2 * frequency == length else 2
        kernel += weight * torch.cos(2 * math.pi * frequency * lag / length)
    return (kernel / length).float()
