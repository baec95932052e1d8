"""Which nodes each asked position sees, as padded tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from llmrg.encoders.arrays import GraphArrays, Kind


@dataclass(frozen=True, slots=True)
class Windows:
    """For G graphs, P asked positions and at most V nodes that one of a graph's positions sees."""

    last: Tensor
    """(G, P) int64 node of item p - 1; any node where nothing is asked."""
    nodes: Tensor
    """(G, V) int64 node numbers, padded with 0."""
    weight: Tensor
    """(G, V) float32 log of the node's weight."""
    age: Tensor
    """(G, P, V) float32 log(1 + p - start), 0 where not visible."""
    visible: Tensor
    """(G, P, V) bool."""
    present: Tensor
    """(G, P) bool: at least one reason is visible."""

    @classmethod
    def of(cls, arrays: GraphArrays, positions: np.ndarray, device: torch.device) -> Self:
        """`positions` is (G, P) int64, 0 where nothing is asked."""
        owner = np.repeat(np.arange(len(arrays)), np.diff(arrays.node_offsets))
        latest = positions.max(axis=1)[owner]
        earliest = np.where(positions > 0, positions, np.iinfo(np.int64).max).min(axis=1)[owner]
        read = np.flatnonzero((arrays.start <= latest) & (arrays.end > earliest))
        counts = np.bincount(owner[read], minlength=len(arrays))
        slot = np.arange(len(read)) - np.repeat(np.cumsum(counts) - counts, counts)
        shape = (len(arrays), max(int(counts.max(initial=0)), 1))
        nodes, start, end = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        weight, reason = np.zeros(shape, np.float32), np.zeros(shape, bool)
        at = (owner[read], slot)
        nodes[at], start[at], end[at] = read, arrays.start[read], arrays.end[read]
        weight[at] = np.log(np.maximum(arrays.weight[read], 1e-3))
        reason[at] = arrays.kind[read] == Kind.REASON
        place = positions[:, :, None]
        visible = (start[:, None, :] <= place) & (place < end[:, None, :]) & (place > 0)
        age = np.where(visible, np.log1p(np.maximum(place - start[:, None, :], 0)), 0.0).astype(np.float32)
        present = (visible & reason[:, None, :]).any(axis=2)
        last = arrays.node_offsets[:-1, None] + np.maximum(positions - 1, 0)
        last = np.minimum(last, len(arrays.kind) - 1)
        return cls(*(torch.from_numpy(part).to(device) for part in (last, nodes, weight, age, visible, present)))
