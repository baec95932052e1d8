"""Reasoning graphs of many users as flat arrays, sliced into batches by index arithmetic.

Every node says from which position on it may be seen (`start`) and from which on no more (`end`); an edge u -> v is kept only if
start(u) <= start(v). So messages run forward in time only, and whatever is visible at position p was made from the prefix alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from llmrg.core.graph_table import offsets_of, spans

NEVER = np.int64(2**40)
"""An `end` that no history reaches."""


class Kind(IntEnum):
    """What a node stands for."""

    TAKEN = 0
    """An item of the history; its content is a catalogue row."""
    REASON = 1
    """A reason; its content is a text row."""
    ATTRIBUTE = 2
    """A user attribute that is the cause of a step; its content is a text row."""
    IMAGINED = 3
    """An imagined catalogue item; its content is a catalogue row."""


@dataclass(frozen=True)
class GraphArrays:
    """G graphs, one after the other. The nodes of a graph begin with its history: node `node_offsets[g] + t` is position t."""

    kind: np.ndarray
    """(N,) int64, values of `Kind`."""
    content: np.ndarray
    """(N,) int64 catalogue row or text row."""
    start: np.ndarray
    """(N,) int64 first position at which the node is seen."""
    end: np.ndarray
    """(N,) int64 first position at which it no longer is; 0 for nodes that pass messages but are never read out."""
    weight: np.ndarray
    """(N,) float32 score of the step a reason or an imagined item comes from, 1 for the others."""
    step: np.ndarray
    """(N,) int64 number, within its graph's steps, of the step that a reason or an imagined item comes from; -1 for the others.
    An imagined item that several steps of a cut lead to has the first of them."""
    src: np.ndarray
    """(E,) int64 node numbers."""
    dst: np.ndarray
    """(E,) int64 node numbers."""
    score: np.ndarray
    """(E,) float32 score of the step."""
    node_offsets: np.ndarray
    """(G + 1,) int64."""
    edge_offsets: np.ndarray
    """(G + 1,) int64."""
    lengths: np.ndarray
    """(G,) int64 items of each history."""
    replaced: bool = False
    """True where nodes end because a later cut replaces them: they then have nothing more to tell. Else ended nodes are
    forgotten by the readout and still pass messages."""

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, graphs: np.ndarray) -> GraphArrays:
        """The graphs numbered by (B,) int64, in that order, nodes renumbered."""
        nodes, counts = ranges(self.node_offsets, graphs)
        edges, edge_counts = ranges(self.edge_offsets, graphs)
        offsets = offsets_of(counts)
        shift = np.repeat(offsets[:-1] - self.node_offsets[graphs], edge_counts)
        return GraphArrays(
            kind=self.kind[nodes],
            content=self.content[nodes],
            start=self.start[nodes],
            end=self.end[nodes],
            weight=self.weight[nodes],
            step=self.step[nodes],
            src=self.src[edges] + shift,
            dst=self.dst[edges] + shift,
            score=self.score[edges],
            node_offsets=offsets,
            edge_offsets=offsets_of(edge_counts),
            lengths=self.lengths[graphs],
            replaced=self.replaced,
        )

    def at(self, graphs: np.ndarray, positions: np.ndarray) -> GraphArrays:
        """One graph per (graph, position) pair, both (B,) int64: what the prefix alone would give, without replaced cuts."""
        wide = self.take(graphs)
        counts, edge_counts = np.diff(wide.node_offsets), np.diff(wide.edge_offsets)
        when = np.repeat(positions, counts)
        keep = wide.start <= when
        if self.replaced:
            keep &= (wide.end > when) | (wide.kind == Kind.TAKEN)
        owner = np.repeat(np.arange(len(graphs)), counts)
        number = np.cumsum(keep) - 1
        edge = keep[wide.src] & keep[wide.dst] if len(wide.src) else np.zeros(0, dtype=bool)
        edge_owner = np.repeat(np.arange(len(graphs)), edge_counts)
        return GraphArrays(
            kind=wide.kind[keep],
            content=wide.content[keep],
            start=wide.start[keep],
            end=wide.end[keep],
            weight=wide.weight[keep],
            step=wide.step[keep],
            src=number[wide.src[edge]],
            dst=number[wide.dst[edge]],
            score=wide.score[edge],
            node_offsets=offsets_of(np.bincount(owner[keep], minlength=len(graphs))),
            edge_offsets=offsets_of(np.bincount(edge_owner[edge], minlength=len(graphs))),
            lengths=np.minimum(wide.lengths, positions),
            replaced=self.replaced,
        )

    def visible(self, positions: np.ndarray) -> np.ndarray:
        """(G, P) bool: whether a reason of the graph is read out at each of its (G, P) positions; never at position 0."""
        reasons = np.flatnonzero(self.kind == Kind.REASON)
        owner = np.searchsorted(self.node_offsets, reasons, side="right") - 1
        span = max(int(positions.max(initial=0)), int(self.start[reasons].max(initial=0))) + 2  # each graph a stretch of one line
        seen, gone = (np.sort(owner * span + np.minimum(when[reasons], span - 1)) for when in (self.start, self.end))
        keys = np.arange(len(self))[:, None] * span + positions
        count = np.searchsorted(seen, keys, side="right") - np.searchsorted(gone, keys, side="right")
        return np.asarray((count > 0) & (positions > 0))


def ranges(offsets: np.ndarray, graphs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers offsets[g] .. offsets[g + 1] of each graph in turn, and how many each has."""
    counts = offsets[graphs + 1] - offsets[graphs]
    return spans(offsets[graphs], counts), counts
