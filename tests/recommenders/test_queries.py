"""Questions in columns: recommenders read of them what they read of records, and scores are those of a walk over steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrg.core.errors import UnknownItemError, UnknownUserError
from llmrg.core.graph_table import GraphTable
from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.encoders.graph_inputs import GraphInputs
from llmrg.recommenders.imagined_scores import ImaginedScores
from llmrg.recommenders.items import ItemRows
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.queries import Queries, histories_of, items_of, rows_of, steps_of, take, users_of
from llmrg.recommenders.theme_scores import ThemeScores, ThemeScoresConfig

ITEMS = ItemRows([f"i{n}" for n in range(9)])
THEMES = ("a", "b", "c")
World = tuple[Dataset, dict[str, ReasoningGraph], Queries, list[Query]]


@st.composite
def worlds(draw: Any) -> World:
    """Some users, some of them with a graph, and questions at any positions; the same as records."""
    dice = np.random.default_rng(draw(st.integers(0, 10_000)))
    items = [Item(item, item, (("theme", str(dice.choice(THEMES))),)) for item in ITEMS.ids]
    histories = {
        f"u{n}": History(f"u{n}", tuple(f"i{k}" for k in dice.integers(9, size=int(dice.integers(1, 9))))) for n in range(5)
    }
    dataset = Dataset("toy", Catalogue(items), histories, LoadReport("toy", 0, 5, 9), ("theme",))
    graphs = {user: ReasoningGraph(user, steps_over(history, dice)) for user, history in histories.items() if dice.random() < 0.7}
    numbers = dice.integers(5, size=draw(st.integers(1, 7)))
    positions = np.array([dice.integers(len(histories[f"u{n}"]) + 1) for n in numbers], dtype=np.int64)
    alone = [Query.at(histories[f"u{n}"], int(p), graphs.get(f"u{n}")) for n, p in zip(numbers, positions, strict=True)]
    return dataset, graphs, Queries(dataset.arrays, numbers, positions, GraphTable.of_mapping(graphs)), alone


def steps_over(history: History, dice: np.random.Generator) -> tuple[Step, ...]:
    steps = []
    for _ in range(int(dice.integers(12))):
        imagined = bool(dice.random() < 0.4)
        position = int(dice.integers(len(history) + imagined))
        seen = int(dice.integers(position + (not imagined), len(history) + 2))
        item = str(dice.choice(ITEMS.ids)) if imagined else history.items[position]
        at = int(dice.integers(position)) if position and dice.random() < 0.7 else None
        cause = ("root", "", None) if at is None else ("item", history.items[at], at)
        words, score, accepted = str(dice.choice([*THEMES, "d"])), float(dice.random()), bool(dice.random() < 0.8)
        kind = "imagined" if imagined else "reasoned"
        steps.append(Step(history.user, position, kind, *cause, words, item, score, 0, seen, accepted, grounding=0.5))  # type: ignore[arg-type]
    return tuple(steps)


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_columns_hold_what_the_records_hold(world: World) -> None:
    _, _, columns, alone = world
    assert list(columns) == alone
    assert users_of(columns) == users_of(alone)
    assert list(histories_of(columns)) == list(histories_of(alone))
    assert items_of(columns) == items_of(alone)
    rows = rows_of(columns, ITEMS)
    assert [row.tolist() for row in rows] == [row.tolist() for row in rows_of(alone, ITEMS)]
    which = np.arange(len(alone))[::-2]
    assert list(take(columns, which)) == take(alone, which)
    assert list(columns[1:3]) == alone[1:3]
    one, other = (GraphInputs.of_placed(steps_of(some, rows, ITEMS)) for some in (columns, alone))
    assert one.left_out.tolist() == other.left_out.tolist()
    for layer, arrays in one.layers.items():
        for name in ("kind", "start", "end", "weight", "src", "dst", "score", "node_offsets"):  # `step` counts in the whole graph
            np.testing.assert_array_equal(getattr(arrays, name), getattr(other.layers[layer], name))


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_imagined_scores_are_those_of_a_walk(world: World) -> None:
    dataset, graphs, columns, alone = world
    known = ImaginedScores()
    known.fit(dataset, graphs)
    expected = np.zeros((len(alone), len(ITEMS)))
    for line, query in zip(expected, alone, strict=True):
        if not len(query.history):
            line[:] = known.scores([query])[0]
        elif query.graph is not None and query.graph.cuts():
            for step in query.graph.imagined(query.graph.cuts()[-1]):
                line[ITEMS.row(step.item) - 1] += step.score * step.grounding
    np.testing.assert_allclose(known.scores(columns), expected, atol=1e-6)
    for query, line in zip(alone, expected, strict=True):
        assert sum(part.value for part in known.contributions(query, "i3")) == pytest.approx(line[3], abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_themes_asked_for_are_those_of_a_walk(world: World) -> None:
    dataset, graphs, columns, alone = world
    known, bare = (ThemeScores(ThemeScoresConfig(view=view, half_life=4.0)) for view in ("graph", "shared"))  # type: ignore[arg-type]
    known.fit(dataset, graphs)
    bare.fit(dataset, graphs)
    rows = rows_of(columns, ITEMS)
    asked, shared = known.asking(rows, columns).toarray(), bare.asking(rows, columns).toarray()
    names = known._profiles.column
    for line, items, query in zip(asked, shared, alone, strict=True):
        if query.graph is None:
            np.testing.assert_allclose(line, items, atol=1e-6)
            continue
        expected = np.zeros(len(names))
        for step in query.graph.reasoned():
            if step.position < len(query.history) and step.reason in names:
                age = len(query.history) - 1 - step.position
                expected[names[step.reason]] += step.score * (0.25 if step.cause_kind == "root" else 1.0) * 2.0 ** (-age / 4)
        np.testing.assert_allclose(line, expected, atol=1e-6)


def test_what_is_not_in_the_data_is_named() -> None:
    histories = {"ann": History("ann", ("i0", "i8"))}
    dataset = Dataset("toy", Catalogue([Item("i0", "zero"), Item("i8", "eight")]), histories, LoadReport("toy", 2, 1, 2))
    table = GraphTable.of([])
    with pytest.raises(UnknownUserError, match="'eve'"):
        Queries.at_the_end(dataset, ["ann", "eve"], table)
    asked = Queries.at_the_end(dataset, ["ann"], table)
    assert [query.history.items for query in asked] == [("i0", "i8")]
    with pytest.raises(UnknownItemError, match="i8"):
        rows_of(asked, ItemRows(["i0"]))
