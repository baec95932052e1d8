"""What must hold in every picture, whatever the graph."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrg.core.errors import CallerError
from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue
from llmrg.explanations.explain import Explanation
from llmrg.explanations.geometry import Layout
from llmrg.explanations.lanes import assign
from llmrg.explanations.layout import lay_out
from llmrg.explanations.measure import shorten, width, wrap

CATALOGUE = Catalogue(Item(f"b{n}", f"A book with the number {n}") for n in range(90))


@st.composite
def readers(draw: st.DrawFn) -> tuple[History, ReasoningGraph]:
    length = draw(st.integers(0, 70))
    history = History("u", tuple(f"b{n}" for n in range(length)))
    steps = {}
    for _ in range(draw(st.integers(0, 40)) if length else 0):
        kind = draw(st.sampled_from(["reasoned", "reasoned", "imagined"]))
        at = draw(st.integers(0, length - 1)) if kind == "reasoned" else draw(st.sampled_from([length, max(1, length // 2)]))
        cause = draw(st.integers(0, at - 1)) if at and draw(st.booleans()) else None
        cause_kind = "item" if cause is not None else draw(st.sampled_from(["root", "attribute"]))
        accepted = draw(st.booleans())
        step = Step(
            "u",
            at,
            kind,  # type: ignore[arg-type]
            cause_kind,  # type: ignore[arg-type]
            f"b{cause}" if cause is not None else "age=30" * (cause_kind == "attribute"),
            cause,
            draw(st.sampled_from(["dry wit", "court intrigue under the Tudors", "x", "labyrinths and forbidden books"])),
            f"b{at}" if kind == "reasoned" else f"b{draw(st.integers(70, 89))}",
            draw(st.floats(0, 1)),
            draw(st.integers(0, 4)) if accepted else -1,
            at + (kind == "reasoned") + draw(st.sampled_from([0, 0, 0, 3])),
            accepted,
        )
        steps[step.key] = step
    return history, ReasoningGraph("u", tuple(steps.values()))


def drawn(reader: tuple[History, ReasoningGraph]) -> Layout:
    return lay_out(CATALOGUE, *reader, {"b70": 1, "b80": 2}, whys={"b70": Explanation("u", "b70", attributed=True)})


@settings(max_examples=100, deadline=None)
@given(readers())
def test_lines_of_the_rows_do_not_lie_over_each_other(reader: tuple[History, ReasoningGraph]) -> None:
    lines = []
    for row in drawn(reader).rows:
        assert (row.why == "no reason") is (row.item == "b70" and not row.refused)
        lines += [row.y, *([row.y + 15] if row.why else []), *(ray.label.y for ray in row.rays)]
    assert all(b - a >= 14 for a, b in pairwise(lines))


@settings(max_examples=150, deadline=None)
@given(readers())
def test_time_runs_left_to_right(reader: tuple[History, ReasoningGraph]) -> None:
    layout = drawn(reader)
    xs = [stop.x for stop in layout.stops]
    assert [stop.position for stop in layout.stops] == list(range(len(reader[0])))[len(reader[0]) - len(xs) :]
    assert all(a < b for a, b in pairwise(xs))
    assert all(x < layout.gate < layout.column < layout.width for x in xs)


@settings(max_examples=150, deadline=None)
@given(readers())
def test_every_accepted_step_that_may_be_used_stands_once(reader: tuple[History, ReasoningGraph]) -> None:
    history, graph = reader
    layout = drawn(reader)
    known = graph.before(len(history))
    assert Counter(layout.steps()) == Counter([*known.reasoned(), *known.imagined(layout.cut)])
    assert layout.cut == max(known.cuts(), default=None)
    assert Counter(r.step for r in layout.refusals) == Counter(s for s in known.rejected() if s.kind == "reasoned")


@settings(max_examples=150, deadline=None)
@given(readers())
def test_strands_do_not_overlap(reader: tuple[History, ReasoningGraph]) -> None:
    layout = drawn(reader)
    lanes = defaultdict(list)
    for track in layout.tracks:
        lanes[track.lane].append(track)
        for link in track.links:
            assert track.left < link.x1 <= link.x2 <= track.right
    for tracks in lanes.values():
        tracks.sort(key=lambda t: t.left)
        assert len({track.y for track in tracks}) == 1
        assert all(a.right <= b.left for a, b in pairwise(tracks))
    ys = sorted({track.y for track in layout.tracks})
    assert all(b - a >= 40 for a, b in pairwise(ys))


@settings(max_examples=150, deadline=None)
@given(readers())
def test_labels_of_one_side_do_not_run_into_each_other(reader: tuple[History, ReasoningGraph]) -> None:
    layout = drawn(reader)
    rows = defaultdict(list)
    for track in layout.tracks:
        for link in track.links:
            if link.label.text:
                rows[link.label.y].append((link.label.x, link.label.x + width(link.label.text, 12)))
    for spans in rows.values():
        spans.sort()
        assert all(a[1] <= b[0] for a, b in pairwise(spans))


@settings(max_examples=100, deadline=None)
@given(readers())
def test_everything_is_inside_the_picture(reader: tuple[History, ReasoningGraph]) -> None:
    layout = drawn(reader)
    rows = [row.y for row in layout.rows]
    assert rows == sorted(rows)
    assert all(10 <= y <= layout.spine_y for y in rows)
    assert all(0 < track.y < layout.spine_y and track.left >= 0 for track in layout.tracks)
    assert all(layout.lanes_top <= refusal.y + 80 and refusal.y < layout.spine_y < layout.height for refusal in layout.refusals)


def test_first_items_of_a_long_history_without_steps_are_left_out() -> None:
    history = History("u", tuple(f"b{n % 90}" for n in range(500)))
    step = Step("u", 450, "reasoned", "item", "b80", 440, "why", "b0", 0.9, 0, 451)
    layout = lay_out(CATALOGUE, history, ReasoningGraph("u", (step,)))
    assert layout.stops[0].position == 438
    assert layout.notes == ("438 earlier items without steps are not drawn",)


def test_chosen_cut(fifty) -> None:
    assert lay_out(fifty.catalogue, fifty.history, fifty.graph, cut=3).cut == 3
    assert not [ray for row in lay_out(fifty.catalogue, fifty.history, fifty.graph, cut=3).rows for ray in row.rays]


def test_graph_of_another_user_is_refused() -> None:
    with pytest.raises(CallerError, match="'v'"):
        lay_out(CATALOGUE, History("u", ()), ReasoningGraph("v"))


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.5, 50)).map(lambda s: (s[0], s[0] + s[1]))))
def test_lanes_hold_spans_apart(spans: list[tuple[float, float]]) -> None:
    lanes = assign(spans, [None] * len(spans))
    for i, (lane, a) in enumerate(zip(lanes, spans, strict=True)):
        assert all(a[1] <= b[0] or b[1] <= a[0] for other, b in list(zip(lanes, spans, strict=True))[:i] if other == lane)


def test_a_branch_lies_close_to_what_it_leaves() -> None:
    assert assign([(0, 9), (0, 9), (0, 9), (10, 20)], [None, None, None, 2]) == [0, 1, 2, 2]


@given(st.text(max_size=60), st.floats(0, 200))
def test_shortened_text_fits(text: str, room: float) -> None:
    short = shorten(text, room, 12)
    assert short == text or short == "" or (short.endswith("…") and width(short, 12) <= room)


def test_wrapped_text() -> None:
    assert wrap("The Left Hand of Darkness", 90, 12, 3) == ("The Left Hand", "of Darkness")
    assert wrap("a b c d e f g h", 20, 12, 2)[-1].endswith("…")
    assert wrap("", 90, 12, 3) == ()
