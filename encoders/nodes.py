"""What both encoders start from: a batch of graphs as tensors, and one vector a node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from llmrg.encoders.arrays import GraphArrays, Kind


@dataclass(frozen=True, slots=True)
class GraphBatch:
    """`GraphArrays` as tensors on one device, the edge weights divided by degrees."""

    kind: Tensor
    """(N,) int64."""
    content: Tensor
    """(N,) int64."""
    src: Tensor
    """(E,) int64."""
    dst: Tensor
    """(E,) int64."""
    incoming: Tensor
    """(E,) float32 score / in-degree of dst."""
    outgoing: Tensor
    """(E,) float32 score / out-degree of src."""

    @classmethod
    def of(cls, arrays: GraphArrays, device: torch.device, keep: np.ndarray | None = None) -> GraphBatch:
        """All nodes, or those of a (N,) bool mask, renumbered, with the edges among them; degrees are those of the whole."""
        size = len(arrays.kind)
        into = np.bincount(arrays.dst, minlength=size)[arrays.dst]
        out = np.bincount(arrays.src, minlength=size)[arrays.src]
        kind, content, src, dst = arrays.kind, arrays.content, arrays.src, arrays.dst
        ins, outs = arrays.score / into, arrays.score / out
        if keep is not None:
            number, edge = np.cumsum(keep) - 1, keep[src] & keep[dst]
            kind, content = kind[keep], content[keep]
            src, dst, ins, outs = number[src[edge]], number[dst[edge]], ins[edge], outs[edge]
        parts = (kind, content, src, dst, ins, outs)
        return cls(*(torch.from_numpy(np.ascontiguousarray(part)).to(device) for part in parts[:4]), *_floats(parts[4:], device))


def _floats(parts: tuple[np.ndarray, ...], device: torch.device) -> list[Tensor]:
    return [torch.from_numpy(part.astype(np.float32)).to(device) for part in parts]


class NodeFeatures(nn.Module):
    """h_v = sqrt(D) * item vector of v, or P * text vector of v; plus a learned vector of its kind."""

    def __init__(self, size: int, text_size: int) -> None:
        super().__init__()
        self.size = size
        self.text = nn.Linear(text_size, size, bias=False)
        self.kind = nn.Embedding(len(Kind), size)
        nn.init.normal_(self.text.weight, std=0.3)  # text vectors have length 1, so features start near 0.3
        nn.init.normal_(self.kind.weight, std=0.02)

    def forward(self, batch: GraphBatch, item_vectors: Tensor, text_vectors: Tensor) -> Tensor:
        """(N, D) float32 from the (items + 1, D) item table and the (T, D_text) text table."""
        is_text = (batch.kind == Kind.REASON) | (batch.kind == Kind.ATTRIBUTE)
        where = is_text.nonzero()[:, 0]
        rows = batch.content[where]
        few = len(rows) < len(text_vectors)  # project whichever is shorter
        texts = self.text(text_vectors[rows]) if few else self.text(text_vectors).index_select(0, rows)
        items = item_vectors.index_select(0, batch.content.masked_fill(is_text, 0)) * self.size**0.5
        features: Tensor = items.index_copy(0, where, texts) + self.kind(batch.kind)
        return features
