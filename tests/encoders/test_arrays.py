"""Steps to flat arrays, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from llmrg.core.records import ReasoningGraph, Step
from llmrg.encoders.arrays import NEVER, GraphArrays, Kind
from llmrg.encoders.building import Texts, imagined_arrays, reasoned_arrays

ROWS = np.array([5, 7, 9])


def step(position: int, cause: int | None, seen: int, **changes: object) -> Step:
    """A reasoned step of the history 5, 7, 9."""
    kind = "root" if cause is None else "item"
    made = Step(
        "u", position, "reasoned", kind, "" if cause is None else str(ROWS[cause]), cause, "r", str(ROWS[position]), 0.5, 0, seen
    )
    return replace(made, **changes)


def imagined(cut: int, item: int, **changes: object) -> Step:
    made = Step("u", cut, "imagined", "item", str(ROWS[cut - 1]), cut - 1, "more", str(item), 0.8, 0, cut, grounding=0.5)
    return replace(made, **changes)


def edges(arrays: GraphArrays) -> set[tuple[int, int]]:
    return set(zip(arrays.src.tolist(), arrays.dst.tolist(), strict=True))


def test_a_step_made_at_its_item_runs_cause_reason_item() -> None:
    texts = Texts()
    made = reasoned_arrays([ROWS], [ReasoningGraph("u", (step(1, 0, seen=2),))], int, texts, memory=10)
    assert made.kind.tolist() == [Kind.TAKEN] * 3 + [Kind.REASON]
    assert made.content.tolist() == [5, 7, 9, 1]
    assert (made.start.tolist(), made.end.tolist()) == ([1, 2, 3, 2], [11, 12, 13, 12])
    assert made.weight.tolist() == [1, 1, 1, 0.5]
    assert edges(made) == {(0, 3), (3, 1)}
    assert made.score.tolist() == [0.5, 0.5]
    assert texts.all() == ("", "r")


def test_a_step_made_later_is_fed_by_its_item_and_tells_it_nothing() -> None:
    made = reasoned_arrays([ROWS], [ReasoningGraph("u", (step(1, 0, seen=3),))], int, Texts())
    assert edges(made) == {(0, 3), (1, 3)}


def test_what_the_history_does_not_allow_is_left_out() -> None:
    steps = (step(1, 0, seen=2), step(1, 0, seen=3, reason="late"), step(0, None, seen=1, accepted=False))
    made = reasoned_arrays([ROWS[:2], ROWS[:2]], [ReasoningGraph("u", steps), None], int, Texts())
    assert np.bincount(made.kind, minlength=4).tolist() == [4, 1, 0, 0]
    assert made.lengths.tolist() == [2, 2]
    assert made.node_offsets.tolist() == [0, 3, 5]


def test_an_attribute_is_one_node_from_its_first_step_on() -> None:
    texts = Texts()
    steps = tuple(replace(step(at, None, seen=at + 1), cause_kind="attribute", cause="age=old") for at in (2, 1))
    made = reasoned_arrays([ROWS], [ReasoningGraph("u", steps)], int, texts)
    where = np.flatnonzero(made.kind == Kind.ATTRIBUTE)
    assert made.start[where].tolist() == [2]
    assert made.end[where].tolist() == [NEVER]
    assert "age: old" in texts.all()
    assert len(made.src) == 4


def test_the_latest_cut_up_to_a_position_is_the_active_one() -> None:
    steps = (imagined(1, 11), imagined(1, 12), imagined(3, 11), imagined(3, 11, reason="again", score=0.2))
    made = imagined_arrays([ROWS], [ReasoningGraph("u", steps)], int, Texts())
    assert made.end[:3].tolist() == [0, 0, 0]  # the history passes messages only
    items = np.flatnonzero(made.kind == Kind.IMAGINED)
    assert made.content[items].tolist() == [11, 12, 11]
    assert made.start[items].tolist() == [1, 1, 3]
    assert made.end[items].tolist() == [3, 3, NEVER]
    np.testing.assert_allclose(made.weight[items], [0.4, 0.4, 0.4])  # score x grounding, the best of its steps
    assert len(made.src) == 8


def test_a_cut_that_was_replaced_before_it_was_seen_never_shows() -> None:
    steps = (imagined(1, 11, seen=3), imagined(2, 12, seen=2))
    made = imagined_arrays([ROWS], [ReasoningGraph("u", steps)], int, Texts())
    assert made.content[made.kind == Kind.IMAGINED].tolist() == [12]


def test_taking_graphs_renumbers_them() -> None:
    one, two = ReasoningGraph("u", (step(1, 0, seen=2),)), ReasoningGraph("u", (step(2, 1, seen=3), step(0, None, seen=1)))
    made = reasoned_arrays([ROWS, ROWS], [one, two], int, Texts())
    swapped = reasoned_arrays([ROWS, ROWS, ROWS], [two, one, two], int, Texts())
    taken = made.take(np.array([1, 0, 1]))
    for name in ("kind", "content", "start", "end", "src", "dst", "score", "node_offsets", "edge_offsets", "lengths"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(swapped, name))


def test_a_cut_equals_the_graph_of_the_prefix(make_graph) -> None:
    pairs = [make_graph(seed, 9) for seed in range(30)]
    rows = [np.array([int(item) for item in history.items]) for history, _ in pairs]
    positions = np.array([1 + seed % 9 for seed in range(30)])
    prefixes = [row[:p] for row, p in zip(rows, positions, strict=True)]
    for build in (reasoned_arrays, imagined_arrays):
        texts = Texts()
        graphs = [graph for _, graph in pairs]
        cut = build(rows, graphs, int, texts).at(np.arange(30), positions)
        alone = build(prefixes, graphs, int, texts)
        alone = alone.at(np.arange(30), positions)  # drops replaced cuts, which nothing sees
        for name in ("kind", "content", "start", "weight", "src", "dst", "score", "node_offsets", "lengths"):
            np.testing.assert_array_equal(getattr(cut, name), getattr(alone, name), err_msg=name)


def test_no_graphs_and_no_nodes() -> None:
    made = reasoned_arrays([], [], int, Texts())
    assert (len(made), len(made.kind), len(made.src)) == (0, 0, 0)
    empty = imagined_arrays([np.zeros(0, np.int64)], [None], int, Texts())
    assert (len(empty), len(empty.kind)) == (1, 0)
