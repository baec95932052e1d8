"""What a wrong prediction costs: over the whole catalogue, or over some negatives where it is large."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import BaseModel, Field, PositiveInt
from torch import Tensor

CHUNK_LOGITS = 4_000_000
"""Logits held at once; 16 MB of float32."""


class LossConfig(BaseModel, frozen=True, extra="forbid"):
    """The loss of a prediction."""

    kind: Literal["softmax", "sampled_softmax", "gbce", "bce"] = "softmax"
    """`softmax` over all items; `sampled_softmax` over the target and shared negatives; `bce` (binary cross-entropy); `gbce`, bce
    made right for sampling (Petrov & Macdonald 2023, arXiv 2308.07192)."""
    negatives: PositiveInt = 256
    """Negatives drawn uniformly for a batch, shared by its positions; not used by `softmax`."""
    calibration: float = Field(default=0.75, ge=0.0, le=1.0)
    """gBCE's t: 0 is bce, 1 is fully calibrated."""


class Bonus(NamedTuple):
    """Something added to single scores: `value[k]` to row `row[k]` and item column `column[k]`."""

    row: Tensor
    """(K,) int64."""
    column: Tensor
    """(K,) int64."""
    value: Tensor
    """(K,) float32; may need gradients."""


class _FullSoftmax(torch.autograd.Function):
    """Gradients are worked out chunk by chunk in the forward pass, so that no (M, N) matrix is ever kept."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, table: Tensor, targets: Tensor, row: Tensor, column: Tensor, value: Tensor) -> Tensor:
        total = states.new_zeros(())
        d_states, d_table, d_value = torch.empty_like(states), torch.zeros_like(table), torch.zeros_like(value)
        step = max(1, CHUNK_LOGITS // max(len(table), 1))
        room = states.new_empty((min(step, len(states)), len(table)))  # one buffer: new memory costs as much as the product
        for start in range(0, len(states), step):
            part, wanted = states[start : start + step], targets[start : start + step, None]
            logits = torch.mm(part, table.T, out=room[: len(part)])
            here = ((row >= start) & (row < start + step)).nonzero()[:, 0] if len(row) else row
            at = (row[here] - start, column[here])
            if len(here):
                logits.index_put_(at, value[here], accumulate=True)
            most, right = logits.amax(dim=1, keepdim=True), logits.gather(1, wanted)
            slope = logits.sub_(most).exp_()
            sums = slope.sum(dim=1, keepdim=True)
            total = total + (sums.log() + most - right).sum()
            slope.div_(sums).scatter_add_(1, wanted, torch.full_like(sums, -1.0))
            torch.mm(slope, table, out=d_states[start : start + step])
            d_table.addmm_(slope.T, part)
            if len(here):
                d_value[here] = slope[at]
        scale = 1.0 / max(len(states), 1)
        ctx.save_for_backward(d_states.mul_(scale), d_table.mul_(scale), d_value.mul_(scale))
        return total * scale

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        d_states, d_table, d_value = ctx.saved_tensors
        return d_states * grads[0], d_table * grads[0], None, None, None, d_value * grads[0]


def full_softmax(states: Tensor, table: Tensor, targets: Tensor, bonus: Bonus | None = None) -> Tensor:
    """Mean of -log softmax(states @ table.T + bonus)[target].

    Args:
        states: (M, D) float32.
        table: (N, D) float32, one row an item.
        targets: (M,) int64 in [0, N).
        bonus: added to single scores.
    Returns: () float32; 0 for M = 0.
    """
    if bonus is None:
        none = targets.new_zeros(0)
        bonus = Bonus(none, none, states.new_zeros(0))
    loss: Tensor = _FullSoftmax.apply(states, table, targets, *bonus)
    return loss


def item_loss(states: Tensor, table: Tensor, targets: Tensor, config: LossConfig, bonus: Bonus | None = None) -> Tensor:
    """Mean loss of the targets; arguments as for `full_softmax`. Negatives come from torch's global generator.

    sampled_softmax: -log softmax over the target and K uniform negatives. bce: -log sigma(s+) - mean log sigma(-s-).
    gbce: the first term times beta = a (t (1 - 1/a) + 1/a), with a = K / (N - 1), and the sum over negatives.
    """
    if config.kind == "softmax":
        return full_softmax(states, table, targets, bonus)
    if not len(states):
        return states.sum()
    count = min(config.negatives, len(table))
    negatives = torch.randperm(len(table), device=targets.device)[:count]
    right = (states * table[targets]).sum(dim=1, keepdim=True)
    wrong = states @ table[negatives].T
    if bonus is not None:
        place = targets.new_full((len(table),), -1)
        place[negatives] = torch.arange(count, device=targets.device)
        own, drawn = bonus.column == targets[bonus.row], place[bonus.column] >= 0
        right = right.index_put((bonus.row[own], torch.zeros_like(bonus.row[own])), bonus.value[own], accumulate=True)
        wrong = wrong.index_put((bonus.row[drawn], place[bonus.column[drawn]]), bonus.value[drawn], accumulate=True)
    clash = negatives[None, :] == targets[:, None]
    if config.kind == "sampled_softmax":
        logits = torch.cat([right, wrong.masked_fill(clash, -torch.inf)], dim=1)
        return F.cross_entropy(logits, torch.zeros_like(targets))
    away = F.logsigmoid(-wrong).masked_fill(clash, 0.0)
    if config.kind == "bce":
        return -(F.logsigmoid(right)[:, 0] + away.sum(dim=1) / (~clash).sum(dim=1).clamp(min=1)).mean()
    share = min(count / max(len(table) - 1, 1), 1.0)
    beta = share * (config.calibration * (1 - 1 / share) + 1 / share)
    return -(beta * F.logsigmoid(right)[:, 0] + away.sum(dim=1)).mean()
