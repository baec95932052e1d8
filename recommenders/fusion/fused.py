"""What a fusion takes and gives, whatever it does in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from llmrg.core.contribution import Contribution
from llmrg.recommenders.losses import Bonus
from llmrg.recommenders.protocol import Query


@dataclass(frozen=True, slots=True)
class Fused:
    """score(slot, item) = states[slot] . keys[item] + bonus."""

    states: Tensor
    """(B, L, D') float32."""
    keys: Tensor
    """(N, D') float32."""
    bonus: Bonus | None = None
    """Rows count the B * L slots, batch first."""


class FusionGraphs(Protocol):
    """What graphs tell about some users: made once for all training parts, or for a batch of queries."""

    sizes: Mapping[str, int]
    """Widths and counts that the fusion's net is built from."""

    def at(self, users: np.ndarray, positions: np.ndarray, device: torch.device) -> Any:
        """What the fusion's net reads. Args: users: (B,); positions: (B, L) int64, 0 where nothing is asked."""

    def visible(self, users: np.ndarray, positions: np.ndarray) -> dict[str, float]:
        """Layer -> share of the asked positions at which a step is visible."""

    def of_queries(self, queries: Sequence[Query], rows: Sequence[np.ndarray]) -> FusionGraphs:
        """The same for queries."""

    def contributions(
        self, fusion: Any, query: Query, row: np.ndarray, column: int, device: torch.device
    ) -> list[Contribution] | None:
        """What the reasons of one query add to an item's score; None where they cannot be told apart."""

    def fingerprint(self) -> str:
        """Names what training sees of the graphs."""

    def config(self) -> Mapping[str, Any]:
        """What `revived` needs, as JSON."""

    def tensors(self) -> Mapping[str, np.ndarray]:
        """What `revived` needs, as arrays."""
