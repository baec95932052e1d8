"""Steps to flat arrays, by index arithmetic over all graphs at once: of a data set, or of a batch of questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from llmrg.core.graph_table import offsets_of
from llmrg.core.records import ReasoningGraph
from llmrg.encoders.arrays import NEVER, GraphArrays, Kind
from llmrg.encoders.placed_steps import PlacedSteps

MEMORY = 100
"""How many positions back an item or a reason is still read out, unless told otherwise."""
ATTRIBUTE, REASON, IMAGINED = range(3)
"""Columns of what a step adds: at most an attribute, then its reason, then an imagined item."""


class Texts:
    """Distinct texts by row; row 0 is the empty text."""

    def __init__(self, texts: Sequence[str] = ("",)) -> None:
        self._rows = {text: row for row, text in enumerate(texts)}

    def row(self, text: str) -> int:
        return self._rows.setdefault(text, len(self._rows))

    def all(self) -> tuple[str, ...]:
        return tuple(self._rows)


def reasoned_arrays(
    histories: Sequence[np.ndarray],
    graphs: Sequence[ReasoningGraph | None],
    row: Callable[[str], int],
    texts: Texts,
    memory: int = MEMORY,
) -> GraphArrays:
    """G_rea of each history, of graphs at hand; see `reasoned_layer`.

    Args:
        histories: catalogue rows of each user, oldest first, cut where the graph is cut.
        graphs: graph of each user, or None; cut here once more, at the length of the history.
        row: catalogue row of an item id, 0 where the catalogue lacks it.
        texts: gets the reasons and attributes that it lacks.
        memory: how many positions back a node is still read out; attributes are never forgotten.
    """
    return reasoned_layer(PlacedSteps.of_records(graphs, histories, row).only("reasoned"), texts, memory)


def imagined_arrays(
    histories: Sequence[np.ndarray], graphs: Sequence[ReasoningGraph | None], row: Callable[[str], int], texts: Texts
) -> GraphArrays:
    """G_div of each history, of graphs at hand; see `imagined_layer`. Arguments as for `reasoned_arrays`."""
    return imagined_layer(PlacedSteps.of_records(graphs, histories, row).only("imagined"), texts)


def reasoned_layer(placed: PlacedSteps, texts: Texts, memory: int = MEMORY) -> GraphArrays:
    """cause -> reason -> item, and item -> reason where the reason was made later than the item was taken.

    Args: placed: reasoned steps. texts, memory: as for `reasoned_arrays`.
    """
    about = _attribute_rows(placed, texts)
    adds_attribute, adder = _attributes(about, placed.graph)
    adds = np.stack([adds_attribute, np.ones(len(placed), dtype=bool)], axis=1)
    nodes = _Nodes(placed, adds)
    seen, position = placed.column("seen"), placed.column("position")
    cause, reason, item = nodes.causes(about, adder), nodes.added[:, REASON], nodes.taken_at(position)
    late = seen > position + 1
    return nodes.arrays(
        kind=(Kind.ATTRIBUTE, Kind.REASON),
        content=(about, _reason_rows(placed, texts)),
        end=(int(NEVER), seen + memory),
        weight=(1.0, placed.column("score")),
        step=(-1, placed.number),
        taken_end=nodes.starts + memory,
        edges=((cause, reason, cause >= 0), (reason, item, ~late), (item, reason, late)),
        replaced=False,
    )


def imagined_layer(placed: PlacedSteps, texts: Texts) -> GraphArrays:
    """cause -> imagined reason -> imagined item; at each position the latest cut up to it is active.

    The nodes of the history pass messages and are not read out. Steps of one cut, seen at once, that lead to one item share its
    node, whose weight is the best of theirs (score times grounding).

    Args: placed: imagined steps. texts: as for `reasoned_arrays`.
    """
    ends = _ends(placed)
    shown = np.flatnonzero(placed.column("seen") < ends)
    placed, ends = placed.take(shown), ends[shown]
    seen, cut, score = placed.column("seen"), placed.column("position"), placed.column("score")
    about = _attribute_rows(placed, texts)
    adds_attribute, adder = _attributes(about, placed.graph, cut)
    ender = _first_equal(placed.graph, cut, seen, placed.item)
    own = np.arange(len(placed))
    nodes = _Nodes(placed, np.stack([adds_attribute, np.ones(len(placed), dtype=bool), ender == own], axis=1))
    best = np.zeros(len(placed))
    np.maximum.at(best, ender, score * placed.column("grounding"))
    cause, reason, item = nodes.causes(about, adder), nodes.added[:, REASON], nodes.added[ender, IMAGINED]
    always = np.ones(len(placed), dtype=bool)
    return nodes.arrays(
        kind=(Kind.ATTRIBUTE, Kind.REASON, Kind.IMAGINED),
        content=(about, _reason_rows(placed, texts), placed.item),
        end=(ends, ends, ends),
        weight=(1.0, score, best),
        step=(-1, placed.number, placed.number),
        taken_end=0,
        edges=((cause, reason, cause >= 0), (reason, item, always)),
        replaced=True,
    )


class _Nodes:
    """Numbers of the nodes: of each graph first its history, then what its steps add, step by step."""

    def __init__(self, placed: PlacedSteps, adds: np.ndarray) -> None:
        """Args: adds: (S, K) bool, which of K things a step adds."""
        self.placed = placed
        lengths = np.diff(placed.item_offsets)
        self.offsets = offsets_of(lengths + _per_graph(placed.graph, adds.sum(axis=1), len(lengths)))
        self.taken = np.arange(len(placed.rows)) + np.repeat(self.offsets[:-1] - placed.item_offsets[:-1], lengths)
        rows = [np.flatnonzero(adds[:, thing]) for thing in range(adds.shape[1])]
        self.starts = np.arange(1, len(placed.rows) + 1) - np.repeat(placed.item_offsets[:-1], lengths)
        self.added = np.cumsum(adds).reshape(adds.shape) - 1 + placed.item_offsets[placed.graph + 1][:, None]
        self.places = [(self.added[row, thing], row) for thing, row in enumerate(rows)]

    def taken_at(self, positions: np.ndarray) -> np.ndarray:
        """(S,) int64 node of the item at a position of each step's history."""
        return np.asarray(self.offsets[self.placed.graph] + positions)

    def causes(self, about: np.ndarray, adder: np.ndarray) -> np.ndarray:
        """(S,) int64 node of each step's cause, -1 for a root; arguments as `_attributes` takes and gives them."""
        position = self.placed.column("cause_position")
        item = np.where(position >= 0, self.taken_at(position), -1)
        return np.where(about >= 0, self.added[adder, ATTRIBUTE], item)

    def arrays(
        self,
        *,
        kind: tuple[Kind, ...],
        content: tuple[np.ndarray, ...],
        end: tuple[np.ndarray | int, ...],
        weight: tuple[np.ndarray | float, ...],
        step: tuple[np.ndarray | int, ...],
        taken_end: np.ndarray | int,
        edges: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...],
        replaced: bool,
    ) -> GraphArrays:
        """All but the last three are told for each thing that a step may add; edges are (src, dst, whether there is one)."""
        placed = self.placed
        lengths, seen = np.diff(placed.item_offsets), placed.column("seen")
        sources, targets, whether = zip(*edges, strict=True)
        there = np.stack(whether, axis=1)
        score = np.broadcast_to(placed.column("score").astype(np.float32)[:, None], there.shape)
        return GraphArrays(
            kind=self._column(int(Kind.TAKEN), kind, np.int64),
            content=self._column(placed.rows, content, np.int64),
            start=self._column(self.starts, (seen,) * len(kind), np.int64),
            end=self._column(taken_end, end, np.int64),
            weight=self._column(1.0, weight, np.float32),
            step=self._column(-1, step, np.int64),
            src=np.stack(sources, axis=1)[there],  # one after the other: together they would be most of the memory
            dst=np.stack(targets, axis=1)[there],
            score=score[there],
            node_offsets=self.offsets,
            edge_offsets=offsets_of(_per_graph(placed.graph, there.sum(axis=1), len(lengths))),
            lengths=lengths,
            replaced=replaced,
        )

    def _column(self, taken: np.ndarray | float, added: Sequence[np.ndarray | float], dtype: type) -> np.ndarray:
        """(N,): a value for each item of the histories, and (S,) values for each thing added."""
        column: np.ndarray = np.empty(int(self.offsets[-1]), dtype=dtype)
        column[self.taken] = taken
        for (nodes, steps), values in zip(self.places, added, strict=True):
            column[nodes] = values[steps] if isinstance(values, np.ndarray) else values
        return column


def _per_graph(graph: np.ndarray, counts: np.ndarray, graphs: int) -> np.ndarray:
    """(G,) int64 sum of each graph's counts."""
    return np.bincount(graph, weights=counts, minlength=graphs).astype(np.int64)


def _reason_rows(placed: PlacedSteps, texts: Texts) -> np.ndarray:
    """(S,) int64 text row of each reason."""
    return placed.table.mapped(placed.column("reason"), texts.row)


def _attribute_rows(placed: PlacedSteps, texts: Texts) -> np.ndarray:
    """(S,) int64 text row of the attribute that is the cause; -1 where another thing is."""
    rows = np.full(len(placed), -1, dtype=np.int64)
    about = placed.says("cause_kind", "attribute")
    rows[about] = placed.table.mapped(placed.column("cause")[about], lambda text: texts.row(text.replace("=", ": ", 1)))
    return rows


def _attributes(about: np.ndarray, *groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An attribute has one node a group, seen as soon as a step of the group rests on it.

    Returns: (S,) bool, whether the step is that one; (S,) int64, which step it is (where an attribute is the cause).
    """
    which = np.flatnonzero(about >= 0)
    adder = np.zeros(len(about), dtype=np.int64)
    adder[which] = which[_first_equal(about[which], *(group[which] for group in groups))]
    return (about >= 0) & (adder == np.arange(len(about))), adder


def _first_equal(*columns: np.ndarray) -> np.ndarray:
    """(n,) int64: for each of n rows the first row that is equal to it in all columns."""
    order = np.lexsort(columns)  # stable, so equal rows stay in order
    begins = _begins(*(column[order] for column in columns))
    first = np.empty(len(order), dtype=np.int64)
    first[order] = order[begins][np.cumsum(begins) - 1]
    return first


def _begins(*columns: np.ndarray) -> np.ndarray:
    """(n,) bool: whether a row differs from the one before it."""
    begins = np.ones(len(columns[0]), dtype=bool)
    begins[1:] = False
    for column in columns:
        begins[1:] |= column[1:] != column[:-1]
    return begins


def _ends(placed: PlacedSteps) -> np.ndarray:
    """(S,) int64 position from which on each step's cut is replaced: the first sight of any later cut of the graph."""
    ends = np.full(len(placed), NEVER)
    if not len(placed):
        return ends
    position = placed.column("position")
    order = np.lexsort((position, placed.graph))
    graph, seen = placed.graph[order], placed.column("seen")[order]
    begins = _begins(graph, position[order])
    cut, owner = np.cumsum(begins) - 1, graph[begins]
    line = owner * (int(seen.max()) + 1)  # each graph a stretch of one line, so that a minimum from behind ends with its graph
    first = np.minimum.accumulate((np.minimum.reduceat(seen, np.flatnonzero(begins)) + line)[::-1])[::-1] - line
    later = np.append(np.where(owner[1:] == owner[:-1], first[1:], NEVER), NEVER)
    ends[order] = later[cut]
    return ends
