"""Who sees whom, as the additive float mask that transformers' models take.

A boolean mask is added as 0 and 1 by some kinds of attention, and repeated positions without a mask are taken for packed
sequences: so every forward pass gets a float mask of ours, in the causal layout too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from llmrg.recsysllm.layout import Layout
from llmrg.recsysllm.pieces import IntArray

BoolArray = npt.NDArray[np.bool_]


def visible(segment: IntArray, part: IntArray, sees: IntArray) -> BoolArray:
    """(L, L): may token q (row) see token k (column)?

    Args: segment: (L,) number of the packed example, -1 at padding, which sees itself alone; part, sees: as in `Layout`, but
        `sees` counted from the row's beginning.
    """
    at = np.arange(len(segment))
    same = (segment[:, None] == segment[None, :]) & (segment[:, None] >= 0)
    text = (part[None, :] == 0) & (at[None, :] <= sees[:, None])
    branch = (part[None, :] > 0) & (part[:, None] == part[None, :]) & (at[None, :] <= at[:, None])
    mask: BoolArray = (same & (text | branch)) | np.eye(len(segment), dtype=np.bool_)
    return mask


def visible_in(layout: Layout) -> BoolArray:
    """(L, L) of one example alone."""
    return visible(np.zeros(len(layout), dtype=np.int64), layout.part, layout.sees)


def additive(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, Q, K) bool -> (B, 1, Q, K), 0 where seen and the type's least number elsewhere."""
    blocked = torch.full((), torch.finfo(dtype).min, dtype=dtype, device=allowed.device)
    return torch.where(allowed, torch.zeros((), dtype=dtype, device=allowed.device), blocked)[:, None]


def masks_for(config: Any, allowed: Tensor, inter: Tensor, keys: Tensor, dtype: torch.dtype) -> Any:
    """What the model's `attention_mask` is given: one mask, or one a kind of layer where some layers see a window only.

    The window is a distance of positions, not of indices: part B stands behind part A, but belongs into its middle.

    Args: allowed: (B, Q, K) bool; inter: (B, Q) and keys: (B, K) positions.
    """
    full = additive(allowed, dtype)
    window, kinds = getattr(config, "sliding_window", None), set(getattr(config, "layer_types", None) or ())
    if not window or (kinds and "sliding_attention" not in kinds):  # a part of full layers has the window of the whole model
        return full
    near = allowed & ((inter[:, :, None] - keys[:, None, :]).abs() < window)
    if bool((near == allowed).all()):
        return full
    sliding = additive(near, dtype)
    return {"full_attention": full, "sliding_attention": sliding} if kinds else sliding
