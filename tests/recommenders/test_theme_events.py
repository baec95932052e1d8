"""Events of themes by index arithmetic: the same as a walk over every step and item, written down as plainly as can be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from llmrg.core.records import ReasoningGraph, Step
from llmrg.core.themes import Themes
from llmrg.data.splits import HELD_OUT
from llmrg.encoders.placed_steps import PlacedSteps
from llmrg.recommenders.items import ItemRows
from llmrg.recommenders.theme_events import NEVER, Events, imagined_events, theme_events
from llmrg.recommenders.theme_profiles import ItemProfiles, OwnSteps

ITEMS = ItemRows([f"i{n}" for n in range(9)])
NAMES = ("a", "b", "c", "d")
LAST = 4


@st.composite
def worlds(draw: Any) -> tuple[ItemProfiles, list[str], list[np.ndarray], list[ReasoningGraph | None]]:
    seed = draw(st.integers(0, 10_000))
    dice = np.random.default_rng(seed)
    matrix = csr_matrix(dice.integers(1, 65, size=(len(ITEMS), len(NAMES))) / 64 * (dice.random((len(ITEMS), len(NAMES))) < 0.4))
    users = [f"u{n}" for n in range(draw(st.integers(1, 4)))]
    rows = [dice.integers(1, len(ITEMS) + 1, size=int(dice.integers(1, 10))) for _ in users]
    graphs = [graph_of(user, row, dice) if dice.random() < 0.7 else None for user, row in zip(users, rows, strict=True)]
    own = None
    if draw(st.booleans()):
        counts = dice.integers(0, 3, size=len(users))
        offsets = np.concatenate([[0], np.cumsum(counts)])
        item, theme = dice.integers(len(ITEMS), size=counts.sum()), dice.integers(len(NAMES), size=counts.sum())
        own = OwnSteps.of(users, offsets, item, theme, np.ones(counts.sum(), np.float32), matrix.shape)
    return ItemProfiles.of(NAMES, matrix, own), users, rows, graphs


def graph_of(user: str, row: np.ndarray, dice: np.random.Generator) -> ReasoningGraph:
    steps = []
    for _ in range(int(dice.integers(0, 12))):
        position, imagined = int(dice.integers(1, len(row) + 1)), dice.random() < 0.5
        at = int(dice.integers(position))
        seen = int(dice.integers(position + (not imagined), len(row) + 3))
        item = int(dice.integers(1, len(ITEMS) + 1)) if imagined or position == len(row) else int(row[position])
        root = dice.random() < 0.3
        cause = ("root", "", None) if root else ("item", ITEMS.ids[row[at] - 1], at)
        if not imagined and position == len(row):
            continue
        kind = "imagined" if imagined else "reasoned"
        reason, score = str(dice.choice([*NAMES, "unknown"])), int(dice.integers(1, 65)) / 64
        accepted = bool(dice.random() < 0.8)
        steps.append(
            Step(user, position, kind, *cause[:2], cause[2], reason, ITEMS.ids[item - 1], score, 0, seen, accepted, grounding=0.5)  # type: ignore[arg-type]
        )
    return ReasoningGraph(user, tuple(steps))


def rows_of(events: Events) -> list[set[tuple[float, ...]]]:
    """Of each user (content, position, start, end, weight, view)."""
    table = zip(events.content, events.position, events.start, events.end, events.weight, events.view, strict=True)
    flat = [tuple(float(value) for value in line) for line in table]
    return [set(flat[a:b]) for a, b in zip(events.offsets[:-1], events.offsets[1:], strict=True)]


def walked(profiles: ItemProfiles, user: str, row: np.ndarray, graph: ReasoningGraph | None, view: str, number: int) -> Any:
    found: list[tuple[float, ...]] = []
    first = max(0, len(row) - LAST - HELD_OUT)
    if view == "graph" and graph is not None:
        for step in graph.before(len(row)).reasoned():
            if step.position >= first and step.reason in profiles.column:
                weight = step.score * (0.5 if step.cause_kind == "root" else 1.0)
                column = profiles.column[step.reason]
                found.append((column, step.position, step.seen, NEVER, weight, number))
        return found
    for theme, name in enumerate(NAMES):
        items = row[first:] - 1
        told = profiles.matrix[items] if profiles.own is None else profiles.own.rows_without(user, items)
        dense = told.toarray()[:, profiles.column[name]]
        places = [place for place in range(len(items)) if dense[place]]
        for order, place in enumerate(places):
            start = first + place + 1
            if view != "bag":
                if len(places) < 2:
                    continue
                start = first + (places[1] if order == 0 else place) + 1
            found.append((theme, first + place, start, NEVER, float(dense[place]), number))
    return found


@settings(max_examples=150, deadline=None)
@given(world=worlds())
def test_theme_events_are_those_of_a_walk(world: Any) -> None:
    profiles, users, rows, graphs = world
    views = ("graph", "shared", "bag")
    placed = PlacedSteps.of_records(graphs, rows, ITEMS.get)
    found = rows_of(theme_events(rows, users, placed, views, profiles, Themes(), LAST))  # type: ignore[arg-type]
    for user, row, graph, events in zip(users, rows, graphs, found, strict=True):
        expected = [line for number, view in enumerate(views) for line in walked(profiles, user, row, graph, view, number)]
        assert events == set(expected)


@settings(max_examples=150, deadline=None)
@given(world=worlds())
def test_at_each_position_the_imagined_steps_of_the_latest_cut_are_active(world: Any) -> None:
    _, _, rows, graphs = world
    found = rows_of(imagined_events(PlacedSteps.of_records(graphs, rows, ITEMS.get), len(rows)))
    for row, graph, events in zip(rows, graphs, found, strict=True):
        steps = [step for step in graph.steps if step.kind == "imagined" and step.accepted] if graph is not None else []
        for at in range(1, len(row) + 1):
            known = [step for step in steps if step.seen <= at]
            cut = max((step.position for step in known), default=0)
            expected = {(ITEMS.row(step.item) - 1, cut - 1, step.seen) for step in known if step.position == cut}
            assert {(c, p, s) for c, p, s, end, *_ in events if s <= at < end} == expected


def test_no_graph_and_no_item_make_no_event() -> None:
    nothing = PlacedSteps.of_records([None], [np.zeros(0, np.int64)], ITEMS.get)
    profiles = ItemProfiles.of(NAMES, csr_matrix((len(ITEMS), len(NAMES))))
    for users, rows in ((["u"], [np.zeros(0, np.int64)]), ([], [])):
        placed = nothing if users else PlacedSteps.of_records([], [], ITEMS.get)
        found = theme_events(rows, users, placed, ("graph", "bag"), profiles, Themes(), LAST)
        assert found.offsets.tolist() == [0] * (len(users) + 1)
        assert len(imagined_events(placed, len(users)).content) == 0


@pytest.mark.parametrize("view", ["shared", "bag"])
def test_what_a_history_shares_by_hand(view: str) -> None:
    """i0 and i2 stand for a, i1 and i2 for b: at position 3 a and b are shared, before that nothing is."""
    matrix = csr_matrix(np.array([[1, 0], [0, 0.5], [1, 1]], dtype=float))
    rows, none = [np.array([1, 2, 3])], PlacedSteps.of_records([None], [np.array([1, 2, 3])], ITEMS.get)
    profiles = ItemProfiles.of(("a", "b"), matrix)
    found = theme_events(rows, ["u"], none, (view,), profiles, Themes(), LAST)  # type: ignore[arg-type]
    starts = [3, 3, 3, 3] if view == "shared" else [1, 2, 3, 3]
    assert list(zip(found.content.tolist(), found.position.tolist(), found.start.tolist(), strict=True)) == [
        (0, 0, starts[0]),
        (1, 1, starts[1]),
        (0, 2, starts[2]),
        (1, 2, starts[3]),
    ]
