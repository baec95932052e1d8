"""Steps to flat arrays: once per data set, or once per batch of questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from llmrg.core.records import ReasoningGraph, Step, StepKind
from llmrg.encoders.arrays import NEVER, GraphArrays, Kind

MEMORY = 100
"""How many positions back an item or a reason is still read out, unless told otherwise."""


class Texts:
    """Distinct texts by row; row 0 is the empty text."""

    def __init__(self, texts: Sequence[str] = ("",)) -> None:
        self._rows = {text: row for row, text in enumerate(texts)}

    def row(self, text: str) -> int:
        return self._rows.setdefault(text, len(self._rows))

    def all(self) -> tuple[str, ...]:
        return tuple(self._rows)


class _Builder:
    """Collects nodes and edges of one graph after the other."""

    def __init__(self, row: Callable[[str], int], texts: Texts) -> None:
        self.row, self.texts = row, texts
        self.nodes: list[tuple[int, int, int, int, float]] = []
        self.edges: list[tuple[int, int, float]] = []
        self.counts: list[tuple[int, int, int]] = [(0, 0, 0)]

    def begin(self, rows: np.ndarray, read_for: int) -> None:
        self.first = len(self.nodes)
        self.found: dict[tuple[object, ...], int] = {}
        taken = int(Kind.TAKEN)
        self.nodes += [(taken, r, t + 1, t + 1 + read_for if read_for else 0, 1.0) for t, r in enumerate(rows.tolist())]
        self.length = len(rows)

    def finish(self) -> None:
        self.counts.append((len(self.nodes), len(self.edges), self.length))

    def node(self, kind: Kind, content: int, start: int, end: int, weight: float) -> int:
        self.nodes.append((int(kind), content, start, end, weight))
        return len(self.nodes) - 1

    def cause(self, step: Step, end: int, group: object = None) -> int | None:
        """Node of the cause; an attribute gets one node a group, seen as soon as a step of it rests on the attribute."""
        if step.cause_kind == "item":
            assert step.cause_position is not None
            return self.first + step.cause_position
        if step.cause_kind == "root":
            return None
        key = (Kind.ATTRIBUTE, group, step.cause)
        if key not in self.found:
            self.found[key] = self.node(Kind.ATTRIBUTE, self.texts.row(step.cause.replace("=", ": ", 1)), step.seen, end, 1.0)
        return self.found[key]

    def edge(self, src: int, dst: int, score: float) -> None:
        if self.nodes[src][2] <= self.nodes[dst][2]:
            self.edges.append((src, dst, score))

    def arrays(self, replaced: bool) -> GraphArrays:
        kind, content, start, end, weight = zip(*self.nodes, strict=True) if self.nodes else ((),) * 5
        src, dst, score = zip(*self.edges, strict=True) if self.edges else ((),) * 3
        nodes, edges, lengths = np.array(self.counts, dtype=np.int64).T
        return GraphArrays(
            kind=np.array(kind, dtype=np.int64),
            content=np.array(content, dtype=np.int64),
            start=np.array(start, dtype=np.int64),
            end=np.array(end, dtype=np.int64),
            weight=np.array(weight, dtype=np.float32),
            src=np.array(src, dtype=np.int64),
            dst=np.array(dst, dtype=np.int64),
            score=np.array(score, dtype=np.float32),
            node_offsets=nodes,
            edge_offsets=edges,
            lengths=lengths[1:],
            replaced=replaced,
        )


def reasoned_arrays(
    histories: Sequence[np.ndarray],
    graphs: Sequence[ReasoningGraph | None],
    row: Callable[[str], int],
    texts: Texts,
    memory: int = MEMORY,
) -> GraphArrays:
    """G_rea of each history: cause -> reason -> item, and item -> reason where the reason was made later than the item was taken.

    Args:
        histories: catalogue rows of each user, oldest first, cut where the graph is cut.
        graphs: graph of each user, or None; cut here once more, at the length of the history.
        row: catalogue row of an item id.
        texts: gets the reasons and attributes that it lacks.
        memory: how many positions back a node is still read out; attributes are never forgotten.
    """
    builder = _Builder(row, texts)
    for rows, graph in zip(histories, graphs, strict=True):
        builder.begin(rows, memory)
        for step in _known(graph, rows, "reasoned"):
            cause = builder.cause(step, int(NEVER))
            reason = builder.node(Kind.REASON, texts.row(step.reason), step.seen, step.seen + memory, step.score)
            item = builder.first + step.position
            if cause is not None:
                builder.edge(cause, reason, step.score)
            builder.edge(reason, item, step.score)
            if step.seen > step.position + 1:
                builder.edge(item, reason, step.score)
        builder.finish()
    return builder.arrays(replaced=False)


def imagined_arrays(
    histories: Sequence[np.ndarray], graphs: Sequence[ReasoningGraph | None], row: Callable[[str], int], texts: Texts
) -> GraphArrays:
    """G_div of each history: cause -> imagined reason -> imagined item; at each position the latest cut up to it is active.

    Arguments as for `reasoned_arrays`. The nodes of the history pass messages and are not read out.
    """
    builder = _Builder(row, texts)
    for rows, graph in zip(histories, graphs, strict=True):
        builder.begin(rows, 0)
        steps = _known(graph, rows, "imagined")
        ends = _ends(steps)
        for step in steps:
            if step.seen < ends[step.position]:
                _imagine(builder, step, ends[step.position])
        builder.finish()
    return builder.arrays(replaced=True)


def _known(graph: ReasoningGraph | None, rows: np.ndarray, kind: StepKind) -> list[Step]:
    """Accepted steps of the kind that the history allows, by `seen`: an attribute starts with the first step that rests on it."""
    steps = graph.before(len(rows)).steps if graph is not None else ()
    return sorted((step for step in steps if step.accepted and step.kind == kind), key=lambda step: step.seen)


def _imagine(builder: _Builder, step: Step, end: int) -> None:
    cause = builder.cause(step, end, step.position)
    reason = builder.node(Kind.REASON, builder.texts.row(step.reason), step.seen, end, step.score)
    key = (Kind.IMAGINED, step.position, step.seen, step.item)
    score = step.score * step.grounding
    if key not in builder.found:
        builder.found[key] = builder.node(Kind.IMAGINED, builder.row(step.item), step.seen, end, score)
    item = builder.found[key]
    kind, content, start, _, known = builder.nodes[item]
    builder.nodes[item] = (kind, content, start, end, max(known, score))
    if cause is not None:
        builder.edge(cause, reason, step.score)
    builder.edge(reason, item, step.score)


def _ends(steps: Sequence[Step]) -> dict[int, int]:
    """Position from which on each cut is replaced: the first sight of any later cut."""
    ends, first_later = {}, int(NEVER)
    for cut in sorted({step.position for step in steps}, reverse=True):
        ends[cut] = first_later
        first_later = min(first_later, *(step.seen for step in steps if step.position == cut))
    return ends
