"""Arrays by index arithmetic equal those of a plain walk over the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrg.core.errors import CallerError
from llmrg.core.graph_table import GraphTable
from llmrg.core.records import History, ReasoningGraph, Step
from llmrg.encoders.arrays import NEVER, GraphArrays, Kind
from llmrg.encoders.building import Texts, imagined_arrays, imagined_layer, reasoned_arrays, reasoned_layer
from llmrg.encoders.placed_steps import PlacedSteps

Make = Callable[..., tuple[History, ReasoningGraph]]


def fits(step: Step, history: History) -> bool:
    """Whether the step speaks of the items that stand in this history at its positions: the rule of explanations."""
    caused = step.cause_position is None or history.items[step.cause_position] == step.cause
    return caused and (step.kind == "imagined" or history.items[step.position] == step.item)


class Walk:
    """The slow reference: one step after the other, from the definition of nodes and edges."""

    def __init__(self, history: History, graph: ReasoningGraph | None, memory: int) -> None:
        self.history, self.memory = history, memory
        self.nodes: list[tuple[Kind, str, int, int, float, int]] = []
        self.edges: list[tuple[int, int, float]] = []
        self.found: dict[tuple[object, ...], int] = {}
        known = [(number, s) for number, s in enumerate(graph.steps if graph else ()) if s.accepted and s.seen <= len(history)]
        self.left_out = sum(not fits(step, history) for _, step in known)
        self.known = sorted(((n, step) for n, step in known if fits(step, history)), key=lambda pair: pair[1].seen)

    def reasoned(self) -> Walk:
        self.nodes = [(Kind.TAKEN, item, t + 1, t + 1 + self.memory, 1.0, -1) for t, item in enumerate(self.history.items)]
        for number, step in self.known:
            if step.kind == "reasoned":
                cause = self.cause(step, int(NEVER), 0)
                reason = self.node(Kind.REASON, step.reason, step.seen, step.seen + self.memory, step.score, number)
                self.edge(cause, reason, step.score)
                if step.seen > step.position + 1:
                    self.edge(step.position, reason, step.score)
                else:
                    self.edge(reason, step.position, step.score)
        return self

    def imagined(self) -> Walk:
        self.nodes = [(Kind.TAKEN, item, t + 1, 0, 1.0, -1) for t, item in enumerate(self.history.items)]
        steps = [(number, step) for number, step in self.known if step.kind == "imagined"]
        for number, step in steps:
            end = min((other.seen for _, other in steps if other.position > step.position), default=int(NEVER))
            if step.seen < end:
                self.imagine(number, step, end)
        return self

    def imagine(self, number: int, step: Step, end: int) -> None:
        cause = self.cause(step, end, step.position)
        reason = self.node(Kind.REASON, step.reason, step.seen, end, step.score, number)
        key = (Kind.IMAGINED, step.position, step.seen, step.item)
        if key not in self.found:
            self.found[key] = self.node(Kind.IMAGINED, step.item, step.seen, end, 0.0, number)
        item = self.found[key]
        *same, weight, first = self.nodes[item]
        self.nodes[item] = (*same, max(weight, step.score * step.grounding), first)
        self.edge(cause, reason, step.score)
        self.edge(reason, item, step.score)

    def node(self, kind: Kind, content: str, start: int, end: int, weight: float, number: int) -> int:
        self.nodes.append((kind, content, start, end, weight, number))
        return len(self.nodes) - 1

    def cause(self, step: Step, end: int, group: int) -> int | None:
        if step.cause_kind == "item":
            return step.cause_position
        if step.cause_kind == "root":
            return None
        key = (Kind.ATTRIBUTE, group, step.cause)
        if key not in self.found:
            self.found[key] = self.node(Kind.ATTRIBUTE, step.cause.replace("=", ": ", 1), step.seen, end, 1.0, -1)
        return self.found[key]

    def edge(self, src: int | None, dst: int, score: float) -> None:
        if src is not None:
            self.edges.append((src, dst, score))


def read(arrays: GraphArrays, texts: Texts) -> list[tuple[list[object], list[object]]]:
    """Nodes and edges of each graph, rows put into words."""
    words = texts.all()
    spoken = [
        words[content] if kind in (Kind.REASON, Kind.ATTRIBUTE) else str(content)
        for kind, content in zip(arrays.kind.tolist(), arrays.content.tolist(), strict=True)
    ]
    nodes = list(zip(arrays.kind, spoken, arrays.start, arrays.end, arrays.weight, arrays.step, strict=True))
    graphs = []
    for g in range(len(arrays)):
        first, after = arrays.node_offsets[g : g + 2]
        edge = slice(*arrays.edge_offsets[g : g + 2])
        edges = zip(arrays.src[edge] - first, arrays.dst[edge] - first, arrays.score[edge], strict=True)
        graphs.append((nodes[first:after], list(edges)))
    return graphs


def expected(walk: Walk) -> tuple[list[object], list[object]]:
    nodes = [(*node[:4], np.float32(node[4]), node[5]) for node in walk.nodes]
    return nodes, [(src, dst, np.float32(score)) for src, dst, score in walk.edges]


def rows_of(history: History) -> np.ndarray:
    return np.array([int(item) for item in history.items], dtype=np.int64)


def same(histories: Sequence[History], graphs: Sequence[ReasoningGraph | None], placed: PlacedSteps, memory: int) -> None:
    walks = [Walk(history, graph, memory) for history, graph in zip(histories, graphs, strict=True)]
    assert placed.left_out.tolist() == [walk.left_out for walk in walks]
    texts = Texts()
    reasoned, imagined = reasoned_layer(placed.only("reasoned"), texts, memory), imagined_layer(placed.only("imagined"), texts)
    assert read(reasoned, texts) == [expected(walk.reasoned()) for walk in walks]
    again = [Walk(history, graph, memory) for history, graph in zip(histories, graphs, strict=True)]
    assert read(imagined, texts) == [expected(walk.imagined()) for walk in again]
    assert reasoned.lengths.tolist() == imagined.lengths.tolist() == [len(history) for history in histories]
    assert not reasoned.replaced
    assert imagined.replaced


worlds = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(1, 9), st.integers(0, 9), st.booleans(), st.booleans()), min_size=1, max_size=6
)
"""Seed, length, where the history is cut, whether it has a graph, whether an item of it is another."""


def drawn(make_graph: Make, world: list[tuple[int, int, int, bool, bool]]) -> tuple[list[History], list[ReasoningGraph | None]]:
    histories, graphs = [], []
    for number, (seed, length, cut, has, other) in enumerate(world):
        history, graph = make_graph(seed, length)
        items = (*history.items[: length // 2], "19", *history.items[length // 2 + 1 :]) if other else history.items
        histories.append(History(f"u{number}", items[:cut]))
        varied = tuple(replace(step, grounding=(seed + n) % 5 / 4) for n, step in enumerate(graph.steps))
        graphs.append(replace(graph, user=f"u{number}", steps=varied) if has else None)
    return histories, graphs


@given(worlds, st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_records_give_what_a_walk_over_the_steps_gives(make_graph: Make, world: list, memory: int) -> None:
    histories, graphs = drawn(make_graph, world)
    same(histories, graphs, PlacedSteps.of_records(graphs, [rows_of(h) for h in histories], int), memory)


@given(worlds, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_so_does_a_joined_table_in_any_order(make_graph: Make, world: list, dice) -> None:
    """Joined tables hold equal texts in several rows; users are asked in another order than they stand there."""
    histories, graphs = drawn(make_graph, world)
    table = GraphTable.joined([GraphTable.of([graph]) for graph in graphs if graph is not None])
    order = dice.sample(range(len(world)), len(world))
    histories, graphs = [histories[n] for n in order], [graphs[n] for n in order]
    numbers = table.numbers([history.user for history in histories])
    same(histories, graphs, PlacedSteps.of(table, numbers, [rows_of(h) for h in histories], int), memory=3)


def test_a_graph_of_other_data_is_left_out_and_counted() -> None:
    def step(position: int, kind: str, cause: str | None, item: str, **changes: object) -> Step:
        at, cause_kind = (None, "root") if cause is None else (0, "item")
        return Step("u", position, kind, cause_kind, cause or "", at, "r", item, 0.5, 0, position + 1, **changes)

    steps = (
        step(1, "reasoned", "5", "7"),  # fits
        step(1, "reasoned", "6", "7"),  # another cause
        step(1, "reasoned", "gone", "7"),  # a cause that the catalogue lacks
        step(1, "reasoned", "5", "8"),  # another item
        step(0, "reasoned", None, "gone"),  # an item that the catalogue lacks
        step(1, "imagined", "5", "gone"),
        step(1, "imagined", "5", "8"),  # fits
        step(1, "reasoned", "6", "7", accepted=False),  # not counted: it would not be used anyway
        step(4, "reasoned", "6", "7"),  # not counted: known later
    )
    row = {"5": 5, "6": 6, "7": 7, "8": 8}
    placed = PlacedSteps.of_records(
        [ReasoningGraph("u", steps), None], [np.array([5, 7]), np.array([5])], lambda i: row.get(i, 0)
    )
    assert placed.number.tolist() == [0, 6]
    assert placed.left_out.tolist() == [5, 0]


def test_a_history_for_each_graph() -> None:
    with pytest.raises(CallerError, match="2 graphs and 1 histories"):
        PlacedSteps.of_records([None, None], [np.array([1])], int)


def test_no_graph_at_all() -> None:
    for build in (reasoned_arrays, imagined_arrays):
        made = build([np.array([4, 2]), np.array([3])], [None, None], int, Texts())
        assert made.content.tolist() == [4, 2, 3]
        assert made.start.tolist() == [1, 2, 1]
        assert made.step.tolist() == [-1, -1, -1]
