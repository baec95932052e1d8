"""DGL: one `dgl.graph` for a batch's edges and a fused multiply-and-sum. The only module that imports dgl."""

from __future__ import annotations

import os
import warnings
from collections import deque
from typing import Any

from torch import Tensor

from llmrg.encoders.torch_backend import TorchBackend

os.environ.setdefault("DGLBACKEND", "pytorch")  # without it, DGL's import asks for a choice on the console
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import dgl


class DglBackend:
    """`u_mul_e_sum`; the last two graphs are kept, since all layers of a batch ask for the same edges (SR-GNN both ways)."""

    name = "dgl"

    def __init__(self) -> None:
        self._torch = TorchBackend()
        self._graphs: deque[tuple[Tensor, Tensor, int, Any]] = deque(maxlen=2)

    def weighted_sum(self, states: Tensor, src: Tensor, dst: Tensor, weight: Tensor) -> Tensor:
        """See `Backend.weighted_sum`."""
        if not len(src) or states.device.type != "cpu":  # the wheel of the package registry has no GPU kernels
            return self._torch.weighted_sum(states, src, dst, weight)
        sums: Tensor = dgl.ops.u_mul_e_sum(self._graph(src, dst, len(states)), states, weight[:, None])
        return sums

    def _graph(self, src: Tensor, dst: Tensor, nodes: int) -> Any:
        for src_before, dst_before, nodes_before, graph in self._graphs:
            if src_before is src and dst_before is dst and nodes_before == nodes:
                return graph
        graph = dgl.graph((src, dst), num_nodes=nodes)
        self._graphs.append((src, dst, nodes, graph))
        return graph
