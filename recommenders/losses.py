"""Full-softmax cross-entropy over a large item table, in bounded memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CHUNK_LOGITS = 4_000_000
"""Logits held at once; 16 MB of float32."""


class _FullSoftmax(torch.autograd.Function):
    """Gradients are worked out chunk by chunk in the forward pass, so that no (M, N) matrix is ever kept."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
        total = states.new_zeros(())
        d_states, d_table = torch.empty_like(states), torch.zeros_like(table)
        step = max(1, CHUNK_LOGITS // max(len(table), 1))
        for start in range(0, len(states), step):
            part, wanted = states[start : start + step], targets[start : start + step, None]
            logits = part @ table.T
            normaliser = logits.logsumexp(dim=1, keepdim=True)
            total = total + (normaliser - logits.gather(1, wanted)).sum()
            slope = logits.sub_(normaliser).exp_()
            slope.scatter_add_(1, wanted, torch.full_like(normaliser, -1.0))
            d_states[start : start + step] = slope @ table
            d_table.addmm_(slope.T, part)
        scale = 1.0 / max(len(states), 1)
        ctx.save_for_backward(d_states.mul_(scale), d_table.mul_(scale))
        return total * scale

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        d_states, d_table = ctx.saved_tensors
        return d_states * grads[0], d_table * grads[0], None


def full_softmax(states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
    """Mean of -log softmax(states @ table.T)[target].

    Args:
        states: (M, D) float32.
        table: (N, D) float32, one row an item.
        targets: (M,) int64 in [0, N).
    Returns: () float32; 0 for M = 0.
    """
    loss: Tensor = _FullSoftmax.apply(states, table, targets)
    return loss
