"""What the frozen layers make of texts, kept: they do not learn, so each text is read once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from llmrg.recsysllm.backbone import Backbone
from llmrg.recsysllm.batches import Batch, steps_of
from llmrg.recsysllm.layout import Layout


class LowerStates:
    """States at the input of the first layer with adapters, by text, as far as the memory allows.

    They are computed in an order that depends on the texts alone, so that a resumed training has the same ones. One may serve
    several trainings of one base model.
    """

    def __init__(self, megabytes: int) -> None:
        self.room = megabytes * 2**20
        """Bytes left."""
        self._states: dict[bytes, Tensor] = {}

    @torch.no_grad()
    def read(self, backbone: Backbone, layouts: Sequence[Layout], batch_tokens: int) -> None:
        """Compute the states of these texts; equal ones once."""
        if not backbone.cut:
            return
        lengths = [len(layout) for layout in layouts]
        keys = [_key(backbone, layout) for layout in layouts]
        new = {key: number for number, key in enumerate(keys) if key not in self._states}
        order = sorted(new.values(), key=lambda n: (lengths[n], n))
        for group in steps_of([[number] for number in order], lengths, batch_tokens):
            size = sum(lengths[number] for (number,) in group) * backbone.size * backbone.dtype.itemsize
            if size > self.room:
                return
            self.room -= size
            batch = Batch.of(layouts, group, backbone.device)
            states = backbone.below(batch.ids, batch.inter, batch.allowed)
            for number, row, start, length in batch.examples.tolist():
                self._states[keys[number]] = states[row, start : start + length].cpu().clone()

    def of(self, backbone: Backbone, batch: Batch, layouts: Sequence[Layout]) -> Tensor | None:
        """(B, L, D) for a batch of these; None where a text of it is not known."""
        keys = [_key(backbone, layouts[number]) for number in batch.examples[:, 0].tolist()]
        if not all(key in self._states for key in keys):
            return None
        states = torch.zeros((*batch.ids.shape, backbone.size), dtype=backbone.dtype)
        for key, (_, row, start, length) in zip(keys, batch.examples.tolist(), strict=True):
            states[row, start : start + length] = self._states[key]
        return states.to(backbone.device)


def _key(backbone: Backbone, layout: Layout) -> bytes:
    """Of the model below the cut, of the text, and of who sees whom in it."""
    model = f"{backbone.weights} {backbone.cut} {backbone.dtype}".encode()
    parts = (layout.ids, layout.part, layout.sees, layout.inter)
    return hashlib.blake2b(model + b"".join(part.tobytes() for part in parts), digest_size=16).digest()
