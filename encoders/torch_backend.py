"""Plain torch: everywhere, and on the GPU."""

from __future__ import annotations

from torch import Tensor


class TorchBackend:
    """Gather, scale, add into place."""

    name = "torch"

    def weighted_sum(self, states: Tensor, src: Tensor, dst: Tensor, weight: Tensor) -> Tensor:
        """See `Backend.weighted_sum`."""
        messages = states.index_select(0, src) * weight[:, None]
        return states.new_zeros(states.shape).index_add(0, dst, messages)
