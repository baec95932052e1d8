"""Graphs as any recommender takes them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrg.core.errors import CallerError
from llmrg.core.graph_table import GraphTable
from llmrg.core.records import History, ReasoningGraph, Step
from llmrg.encoders.arrays import GraphArrays, Kind
from llmrg.encoders.graph_inputs import GraphInputs
from llmrg.recommenders.items import ItemRows

Make = Callable[..., tuple[History, ReasoningGraph]]
ITEMS = {str(row): row for row in range(1, 21)}
LONG = 8


def several(make_graph: Make, seeds: list[int], length: int = LONG) -> tuple[list[np.ndarray], dict[str, ReasoningGraph]]:
    rows, graphs = [], {}
    for number, seed in enumerate(seeds):
        history, graph = make_graph(seed, length)
        rows.append(np.array([int(item) for item in history.items]))
        graphs[f"u{number}"] = ReasoningGraph(f"u{number}", graph.steps)
    return rows, graphs


def assert_same(one: GraphInputs, two: GraphInputs, but: tuple[str, ...] = ()) -> None:
    """Texts may stand in another order."""
    np.testing.assert_array_equal(one.left_out, two.left_out)
    for layer, arrays in one.layers.items():
        for name in GraphArrays.__dataclass_fields__:
            if name not in but and name != "content":
                np.testing.assert_array_equal(getattr(arrays, name), getattr(two.layers[layer], name), err_msg=f"{layer}: {name}")
        assert content(one, layer) == content(two, layer)


def content(inputs: GraphInputs, layer: str) -> list[object]:
    arrays = inputs.layers[layer]
    is_text = np.isin(arrays.kind, (Kind.REASON, Kind.ATTRIBUTE))
    pairs = zip(is_text.tolist(), arrays.content.tolist(), strict=True)
    return [inputs.texts[row] if text else row for text, row in pairs]


def test_a_table_and_a_mapping_of_records_give_the_same(make_graph: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, graphs = several(make_graph, [3, 4, 5])
    table = GraphTable.of([graphs["u2"], graphs["u0"]])
    users = ["u0", "stranger", "u2"]
    by_records = GraphInputs.of({user: graphs[user] for user in ("u0", "u2")}, users, rows, ITEMS)
    at_hand = GraphInputs.of_queries([graphs["u0"], None, graphs["u2"]], rows, ITEMS)
    monkeypatch.setattr(GraphTable, "__getitem__", lambda *_: pytest.fail("a record was made"))
    by_table = GraphInputs.of(table, users, rows, ITEMS)
    assert_same(by_table, by_records)
    assert_same(by_table, at_hand)
    assert len(by_table) == 3
    assert by_table.texts[0] == ""


def test_a_user_may_ask_twice(make_graph: Make) -> None:
    history, graph = make_graph(3, LONG)
    rows = np.array([int(item) for item in history.items])
    twice = GraphInputs.of_queries([graph, graph.before(3)], [rows, rows[:3]], ITEMS)
    for number, (asked, part) in enumerate([(graph, rows), (graph.before(3), rows[:3])]):
        assert_same(twice.take(np.array([number])), GraphInputs.of_queries([asked], [part], ITEMS))


@given(seeds=st.lists(st.integers(0, 10_000), min_size=1, max_size=5), memory=st.integers(1, 4), data=st.data())
@settings(max_examples=40, deadline=None)
def test_taken_and_cut_inputs_are_those_of_the_taken_and_cut(make_graph: Make, seeds: list[int], memory: int, data) -> None:
    rows, graphs = several(make_graph, seeds)
    users = np.array(data.draw(st.lists(st.integers(0, len(seeds) - 1), min_size=1, max_size=6)))
    positions = np.array([data.draw(st.integers(1, LONG)) for _ in users])
    inputs = GraphInputs.of(graphs, list(graphs), rows, ITEMS, memory)
    chosen = [graphs[f"u{user}"] for user in users]
    assert_same(inputs.take(users), GraphInputs.of_queries(chosen, [rows[user] for user in users], ITEMS, memory))
    prefixes = GraphInputs.of_queries(chosen, [rows[u][:p] for u, p in zip(users, positions, strict=True)], ITEMS, memory)
    cut, everyone = inputs.at(users, positions), np.arange(len(users))
    for layer, arrays in prefixes.layers.items():
        alone, wide = arrays.at(everyone, positions), cut.layers[layer]  # drops replaced cuts, which nothing sees
        for name in ("kind", "start", "weight", "step", "src", "dst", "score", "node_offsets", "lengths"):
            np.testing.assert_array_equal(getattr(wide, name), getattr(alone, name), err_msg=name)


@given(seeds=st.lists(st.integers(0, 10_000), min_size=1, max_size=5), memory=st.integers(1, 4), data=st.data())
@settings(max_examples=50, deadline=None)
def test_visible_is_where_a_reason_is_read_out(make_graph: Make, seeds: list[int], memory: int, data) -> None:
    rows, graphs = several(make_graph, seeds)
    inputs = GraphInputs.of(graphs, list(graphs), rows, ITEMS, memory)
    positions = np.array([[data.draw(st.integers(0, LONG + 3)) for _ in range(4)] for _ in seeds])
    visible = inputs.visible(positions)
    for layer, arrays in inputs.layers.items():
        for (graph, slot), p in np.ndenumerate(positions):
            nodes = slice(*arrays.node_offsets[graph : graph + 2])
            seen = (arrays.kind[nodes] == Kind.REASON) & (arrays.start[nodes] <= p) & (p < arrays.end[nodes])
            assert visible[layer][graph, slot] == (p > 0 and seen.any())


def test_a_memory_of_two_positions_by_hand() -> None:
    step = Step("u", 1, "reasoned", "item", "5", 0, "r", "7", 0.5, 0, 2)
    cut = Step("u", 2, "imagined", "item", "7", 1, "r", "9", 0.5, 0, 2)
    inputs = GraphInputs.of({"u": ReasoningGraph("u", (step, cut))}, ["u", "v"], [np.array([5, 7, 9, 8])] * 2, ITEMS, memory=2)
    visible = inputs.visible(np.tile(np.arange(6), (2, 1)))
    assert visible["reasoned"].tolist() == [[False, False, True, True, False, False], [False] * 6]
    assert visible["imagined"].tolist() == [[False, False, True, True, True, True], [False] * 6]


@pytest.mark.parametrize(("off", "kept"), [("reasoned", "imagined"), ("imagined", "reasoned")])
def test_a_layer_that_is_not_used_is_the_history_alone(make_graph: Make, off: str, kept: str) -> None:
    rows, graphs = several(make_graph, [3, 4, 5])
    whole = GraphInputs.of(graphs, list(graphs), rows, ITEMS)
    part = GraphInputs.of(graphs, list(graphs), rows, ITEMS, **{f"use_{off}": False})
    assert set(part.layers[off].kind.tolist()) == {Kind.TAKEN}
    assert not part.visible(np.tile(np.arange(LONG + 1), (3, 1)))[off].any()
    assert content(part, kept) == content(whole, kept)


def test_graphs_of_other_data_are_counted(make_graph: Make) -> None:
    rows, graphs = several(make_graph, [3, 5])
    strange = GraphInputs.of(graphs, list(graphs), [np.zeros_like(row) + 1 for row in rows], {})
    assert (strange.left_out > 0).all()
    assert set(strange.layers["reasoned"].kind.tolist()) <= {Kind.TAKEN, Kind.REASON, Kind.ATTRIBUTE}
    assert Kind.IMAGINED not in strange.layers["imagined"].kind
    assert strange.take(np.array([1])).left_out.tolist() == strange.left_out[1:].tolist()


def test_the_rows_of_a_fitted_recommender_serve_as_they_are(make_graph: Make) -> None:
    rows, graphs = several(make_graph, [3, 5])
    assert_same(*(GraphInputs.of(graphs, list(graphs), rows, items) for items in (ITEMS, ItemRows(tuple(ITEMS)))))


def test_one_history_a_user() -> None:
    with pytest.raises(CallerError, match="one history for each user"):
        GraphInputs.of({}, ["u", "v"], [np.array([1])], ITEMS)


def test_nobody() -> None:
    inputs = GraphInputs.of({}, [], [], ITEMS)
    assert len(inputs) == 0
    assert inputs.visible(np.zeros((0, 3), np.int64))["reasoned"].shape == (0, 3)
