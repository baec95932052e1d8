"""Examples packed into rows, and rows into the tensors of one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from llmrg.recsysllm.layout import NOTHING, Layout
from llmrg.recsysllm.masks import visible
from llmrg.recsysllm.pieces import IntArray


@dataclass(frozen=True)
class Batch:
    """B rows of L tokens."""

    ids: Tensor
    """(B, L) int64."""
    control: Tensor
    intra: Tensor
    inter: Tensor
    allowed: Tensor
    """(B, L, L) bool."""
    where: IntArray
    """(T, 2) row and index of each token that is predicted."""
    target: IntArray
    """(T,)"""
    node: IntArray
    """(T,)"""
    ask: IntArray
    """(Q, 5): row, index, user, position, answer."""
    slot: IntArray
    """(S, 4): row, index, user, position; reasoned and imagined in turn."""
    examples: IntArray
    """(E, 4): number of the example, row, start, length."""

    @classmethod
    def of(cls, layouts: Sequence[Layout], rows: Sequence[Sequence[int]], device: torch.device | str = "cpu") -> Self:
        """Args: rows: numbers of the layouts that each row holds."""
        length = max(sum(len(layouts[n]) for n in row) for row in rows)
        shape = (len(rows), length)
        columns = {name: np.zeros(shape, dtype=np.int64) for name in ("ids", "control", "intra", "inter", "part", "sees")}
        segment = np.full(shape, -1, dtype=np.int64)
        where, target, node, ask, slot, examples = [], [], [], [], [], []
        for line, row in enumerate(rows):
            start = 0
            for place, number in enumerate(row):
                layout = layouts[number]
                inside = slice(start, start + len(layout))
                for name, values in columns.items():
                    values[line, inside] = getattr(layout, name)
                columns["sees"][line, inside] += start
                segment[line, inside] = place
                wanted = np.flatnonzero(layout.target != NOTHING)
                where.append(np.stack([np.full(len(wanted), line), wanted + start], axis=1))
                target.append(layout.target[wanted])
                node.append(layout.node[wanted])
                ask += [(line, at + start, layout.user, position, item) for at, position, item in layout.ask.tolist()]
                at = np.flatnonzero(layout.control >= 5) + start
                slot += [(line, n, layout.user, p) for n, p in zip(at.tolist(), layout.slot_position.tolist(), strict=True)]
                examples.append((number, line, start, len(layout)))
                start += len(layout)
        allowed = np.stack([visible(segment[b], columns["part"][b], columns["sees"][b]) for b in range(len(rows))])
        tensors = {name: torch.from_numpy(columns[name]).to(device) for name in ("ids", "control", "intra", "inter")}
        return cls(
            **tensors,
            allowed=torch.from_numpy(allowed).to(device),
            where=np.concatenate(where),
            target=np.concatenate(target),
            node=np.concatenate(node),
            ask=np.array(ask, dtype=np.int64).reshape(-1, 5),
            slot=np.array(slot, dtype=np.int64).reshape(-1, 4),
            examples=np.array(examples, dtype=np.int64).reshape(-1, 4),
        )


def pack(lengths: Sequence[int], order: Sequence[int], row_tokens: int) -> list[list[int]]:
    """Examples in the order given, several to a row of about `row_tokens`; a longer one has a row of its own."""
    rows: list[list[int]] = []
    room = 0
    for number in order:
        if not rows or lengths[number] > room:
            rows.append([])
            room = row_tokens
        rows[-1].append(number)
        room -= lengths[number]
    return rows


def steps_of(rows: Sequence[list[int]], lengths: Sequence[int], batch_tokens: int) -> list[list[list[int]]]:
    """Rows of similar length in steps of about `batch_tokens`, padding included."""
    size = [sum(lengths[n] for n in row) for row in rows]
    steps: list[list[list[int]]] = []
    most = 0
    for row in sorted(range(len(rows)), key=lambda n: -size[n]):
        if not steps or most * (len(steps[-1]) + 1) > batch_tokens:
            steps.append([])
            most = size[row]
        steps[-1].append(rows[row])
    return steps
