"""The leak rule and the checks of the records."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.core.errors import CallerError
from llmrg.core.records import ReasoningGraph, Step, in_order, stable_key

STEP = Step("u", 3, "reasoned", "item", "a", 1, "ghosts", "b", 0.8, 0, seen=4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": 1.5}, "score"),
        ({"score": float("nan")}, "score"),
        ({"position": -1, "seen": 9}, "position"),
        ({"seen": 3}, "seen"),
        ({"kind": "guessed"}, "kind"),
        ({"cause_kind": "root"}, "cause_position"),
        ({"cause_position": 3}, "before"),
    ],
)
def test_bad_steps_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(CallerError, match=message):
        replace(STEP, **change)  # type: ignore[arg-type]


@st.composite
def graphs(draw: st.DrawFn) -> ReasoningGraph:
    steps = []
    for _ in range(draw(st.integers(0, 12))):
        position, kind = draw(st.integers(0, 9)), draw(st.sampled_from(["reasoned", "imagined"]))
        seen = position + (kind == "reasoned") + draw(st.integers(0, 3))
        steps.append(
            Step("u", position, kind, "root", "", None, draw(st.sampled_from("xyz")), "i", 0.5, 0, seen, draw(st.booleans()))
        )
    return ReasoningGraph("u", in_order(steps))


@given(graphs(), st.integers(0, 14))
def test_before_keeps_what_had_been_seen_and_nothing_else(graph: ReasoningGraph, position: int) -> None:
    known = graph.before(position)
    assert all(step.seen <= position for step in known.steps)
    assert all(step in known.steps for step in graph.steps if step.seen <= position)
    assert known.before(position) == known
    assert graph.before(99).steps == graph.steps


@given(graphs())
def test_accepted_rejected_reasoned_imagined_are_a_partition(graph: ReasoningGraph) -> None:
    parts = [*graph.reasoned(), *graph.imagined(), *graph.rejected()]
    assert sorted(map(repr, parts)) == sorted(map(repr, graph.steps))
    assert sum(map(len, graph.chains().values())) == len(graph.reasoned()) + len(graph.imagined())


def test_json_round_trip() -> None:
    assert Step(**STEP.to_json()) == STEP


@given(st.text(), st.text())
def test_keys_do_not_run_together(a: str, b: str) -> None:
    assert stable_key(a, b) == stable_key(a, b)
    assert stable_key(a + "x", b) != stable_key(a, "x" + b)


def test_branches_say_where_a_chain_left_another_one() -> None:
    def step(position: int, cause: int | None, chain: int) -> Step:
        kind = "root" if cause is None else "item"
        known = ("" if cause is None else f"i{cause}", cause)
        return Step("u", position, "reasoned", kind, *known, "r", f"i{position}", 1.0, chain, position + 1)

    graph = ReasoningGraph("u", (step(0, None, 0), step(1, 0, 0), step(2, 0, 1), step(3, 2, 1), step(4, None, 2)))
    assert graph.branches() == {0: None, 1: 0, 2: None}
    assert graph.chains()[1] == (step(2, 0, 1), step(3, 2, 1))
