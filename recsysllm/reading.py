"""A question that was read once, and continuations that are tried after it.

All continuations of a question lie side by side in one row, as a tree: each token sees the question and its own ancestors. So no
cache is copied or reordered, and the question is computed once, however many titles or beams are tried.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from llmrg.recommenders.fusion.concat import ConcatGraphs
from llmrg.recsysllm.batches import Batch
from llmrg.recsysllm.config import RecSysLlmConfig
from llmrg.recsysllm.layout import Layout
from llmrg.recsysllm.net import RecSysNet


class Reading:
    """One question, whose last token is [S], and the tree of tokens fed after it."""

    def __init__(self, net: RecSysNet, config: RecSysLlmConfig, layout: Layout, graphs: ConcatGraphs | None = None) -> None:
        self.net = net
        self._running = config.layout == "causal" or config.positions == "running"
        self._cache = net.backbone.new_cache()
        self._keys = torch.from_numpy(layout.inter)[None].to(net.backbone.device)
        self._start = int(layout.inter[-1])
        self._length = len(layout)
        self._ancestors = np.zeros((0, 0), dtype=np.bool_)
        self._depth = np.zeros(0, dtype=np.int64)
        self.tokens_fed = len(layout)
        """Tokens that went through the model so far."""
        with torch.no_grad():
            batch = Batch.of([layout], [[0]], net.backbone.device)
            added = net.added(batch.control, batch.intra, batch.slot, graphs)
            below = net.backbone.below(batch.ids, batch.inter, batch.allowed, self._cache)
            states = net.backbone.above(below + added, batch.inter, batch.allowed, self._cache)
        self.state: Tensor = states[0, -1]
        """(D,) at [S]: what the first token of an answer is predicted from."""

    @property
    def fed(self) -> int:
        """Tokens of the tree."""
        return len(self._depth)

    @torch.no_grad()
    def feed(self, words: Sequence[int], parents: Sequence[int], intra: Sequence[int]) -> Tensor:
        """Add tokens below others of the tree.

        Args: parents: for each the number of a token that was fed before (or stands before it here), -1 for the question itself.
        Returns: (n, D) states.
        """
        old, new = self.fed, len(words)
        ancestors = np.zeros((old + new, old + new), dtype=np.bool_)
        ancestors[:old, :old] = self._ancestors
        depth = np.concatenate([self._depth, np.zeros(new, dtype=np.int64)])
        for at, parent in enumerate(parents, start=old):
            if parent >= 0:
                ancestors[at] = ancestors[parent]
                depth[at] = depth[parent]
            ancestors[at, at] = True
            depth[at] += 1
        self._ancestors, self._depth = ancestors, depth
        backbone = self.net.backbone
        inter = torch.from_numpy(self._start + depth[old:] * self._running)[None].to(backbone.device)
        self._keys = torch.cat([self._keys, inter], dim=1)
        seen = np.concatenate([np.ones((new, self._length), dtype=np.bool_), ancestors[old:]], axis=1)
        allowed = torch.from_numpy(seen)[None].to(backbone.device)
        ids, places = (torch.tensor([list(values)], dtype=torch.int64, device=backbone.device) for values in (words, intra))
        added = self.net.added(torch.zeros_like(ids), places, np.zeros((0, 4), dtype=np.int64), None)
        below = backbone.below(ids, inter, allowed, self._cache, self._keys)
        states = backbone.above(below + added, inter, allowed, self._cache, self._keys)
        self.tokens_fed += new
        return states[0]

    def forget(self) -> None:
        """Take the tree away; the question stays read."""
        if self.fed:
            self._cache.crop(-self.fed)
        self._keys = self._keys[:, : self._length]
        self._ancestors, self._depth = np.zeros((0, 0), dtype=np.bool_), np.zeros(0, dtype=np.int64)
