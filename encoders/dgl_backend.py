"""DGL: one `dgl.graph` a batch and a fused multiply-and-sum. The only module that imports dgl."""

from __future__ import annotations

import os
import warnings
from typing import Any

from torch import Tensor

from llmrg.encoders.torch_backend import TorchBackend

os.environ.setdefault("DGLBACKEND", "pytorch")  # without it, DGL's import asks for a choice on the console
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import dgl


class DglBackend:
    """`dgl.ops.u_mul_e_sum`; the graph of the last edges is kept, since every layer of a batch asks for the same ones."""

    name = "dgl"

    def __init__(self) -> None:
        self._torch = TorchBackend()
        self._last: tuple[Tensor, Tensor, int, Any] | None = None

    def weighted_sum(self, states: Tensor, src: Tensor, dst: Tensor, weight: Tensor) -> Tensor:
        """See `Backend.weighted_sum`."""
        if not len(src) or states.device.type != "cpu":  # the wheel of the package registry has no GPU kernels
            return self._torch.weighted_sum(states, src, dst, weight)
        if self._last is None or self._last[0] is not src or self._last[1] is not dst or self._last[2] != len(states):
            self._last = (src, dst, len(states), dgl.graph((src, dst), num_nodes=len(states)))
        found: Tensor = dgl.ops.u_mul_e_sum(self._last[3], states, weight[:, None])
        return found
