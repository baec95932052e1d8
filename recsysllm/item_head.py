"""Ranks the whole catalogue from one state of the language model. Items are text vectors: a new item needs no training."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

RANK = 128
"""Width in which states and items meet."""


class ItemHead(nn.Module):
    """score_i = sum_f w_f c_fi + Q z . K t_i / sqrt(128) + b_i, with z = LayerNorm(state) and t_i the item's text vector.

    c are the scores of `Content`. Q starts at zero, so the untrained head is the content score and what is learnt is what content
    does not say. With `offset`, K t_i has a vector of the item's own added, which starts at zero too.
    """

    def __init__(self, size: int, text: np.ndarray, weights: np.ndarray, offset: bool = False, dropout: float = 0.2) -> None:
        """Args: size: width of the states; text: (N, D) float32; weights: (F,) of the content scores."""
        super().__init__()
        self.register_buffer("text", torch.from_numpy(text * np.float32(text.shape[1] ** 0.5)), persistent=False)
        self.norm = nn.LayerNorm(size, elementwise_affine=False)
        self.query, self.key = nn.Linear(size, RANK, bias=False), nn.Linear(text.shape[1], RANK, bias=False)
        nn.init.zeros_(self.query.weight)
        self.bias = nn.Parameter(torch.zeros(len(text)))
        self.log_weights = nn.Parameter(torch.from_numpy(np.log(weights)).float())
        self.offset = nn.Parameter(torch.zeros(len(text), RANK)) if offset else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, content: Tensor) -> Tensor:
        """(Q, D) states and (F, Q, N) content scores -> (Q, N) float32."""
        queries = self.query(self.dropout(self.norm(states.float())))
        keys = self.key(self.text)
        if self.offset is not None:
            keys = keys + self.offset
        learnt: Tensor = queries @ keys.T / RANK**0.5 + self.bias
        return learnt + torch.einsum("f,fqn->qn", self.log_weights.exp(), content)

    @property
    def weights(self) -> np.ndarray:
        """(F,) of the content scores, as they stand."""
        weights: np.ndarray = self.log_weights.detach().exp().cpu().numpy()
        return weights
