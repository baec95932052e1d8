"""Graphs against the truth, on a world of six steps that one can count by hand."""

from __future__ import annotations

import math

import pytest

from llmrg.core.errors import CallerError
from llmrg.core.records import ReasoningGraph, Step
from llmrg.data.truth import PlantedStep
from llmrg.testing.graph_quality import graph_quality
from llmrg.testing.planted import PlantedConfig, random_catalogue, simulate

TRUTH = (
    PlantedStep("a", 0, None, "war", "a0", "root"),
    PlantedStep("a", 1, 0, "war", "a1", "reason"),
    PlantedStep("a", 2, 1, "war", "a2", "reason"),
    PlantedStep("a", 3, None, None, "a3", "noise"),
    PlantedStep("b", 0, None, "dogs", "b0", "root"),
    PlantedStep("b", 1, 0, "dogs", "b1", "reason"),
)


def step(user: str, position: int, cause: int | None, reason: str, score: float = 0.9, accepted: bool = True) -> Step:
    kind = "root" if cause is None else "item"
    where = "" if cause is None else f"{user}{cause}"
    return Step(
        user, position, "reasoned", kind, where, cause, reason, f"{user}{position}", score, 0, position + 1, accepted=accepted
    )


STEPS = (
    step("a", 0, None, "War"),  # right, case aside
    step("a", 1, 0, "war"),  # right, with cause
    step("a", 2, 0, "war"),  # right, other cause
    step("a", 3, 2, "war", 0.1, accepted=False),  # noise, refused
    step("b", 1, 0, "cats"),  # wrong
    step("b", 1, 0, "dogs", 0.2, accepted=False),  # right, but refused
)


def test_counts_by_hand() -> None:
    quality = graph_quality(STEPS, TRUTH)
    assert (quality.users, quality.positions) == (2, 6)
    assert (quality.precision.right, quality.precision.total) == (3, 4)
    assert (quality.precision_with_cause.right, quality.precision_with_cause.total) == (2, 4)
    assert (quality.recall.right, quality.recall.total) == (2, 3)
    assert (quality.recall_with_cause.right, quality.recall_with_cause.total) == (1, 3)


TWO_GUESSES = (
    step("a", 1, 0, "cats", 0.9),
    step("a", 1, 0, "war", 0.8),  # right, but the second best
    step("a", 2, 1, "war", 0.7),  # right, and the best
    step("a", 2, 1, "dogs", 0.6),
    step("b", 1, 0, "dogs", 0.9, accepted=False),
    step("b", 1, 0, "cats", 0.5),
)


def test_a_build_that_guesses_twice_is_measured_by_its_best_guess_where_one_that_guesses_once_stands_beside() -> None:
    """Two guesses an item find more and are right less often, whatever they are worth."""
    both, best = graph_quality(TWO_GUESSES, TRUTH), graph_quality(TWO_GUESSES, TRUTH, per_item=1)
    assert [(rate.right, rate.total) for rate in (both.precision, both.recall)] == [(2, 5), (2, 3)]
    assert [(rate.right, rate.total) for rate in (best.precision, best.recall)] == [(1, 3), (1, 3)]
    assert graph_quality(TWO_GUESSES, TRUTH, per_item=2) == both
    assert graph_quality(TWO_GUESSES[::-1], TRUTH, per_item=1) == best


def test_a_planted_root_wants_a_root() -> None:
    truth = (*TRUTH, PlantedStep("b", 2, None, "sea", "b2", "root"))
    assert graph_quality([step("b", 2, 1, "sea")], truth).precision.right == 0
    assert graph_quality([step("b", 2, None, "sea")], truth).precision_with_cause.right == 1


def test_only_what_the_build_worked_on_counts() -> None:
    quality = graph_quality(STEPS, TRUTH, positions={("a", 2), ("a", 3)})
    assert (quality.users, quality.positions, quality.recall.total, quality.precision.total) == (1, 2, 1, 1)


def test_users_without_steps_are_not_counted_unless_named() -> None:
    steps = [s for s in STEPS if s.user == "a"]
    assert graph_quality(steps, TRUTH).recall.total == 2
    assert graph_quality(steps, TRUTH, positions=[(p.user, p.position) for p in TRUTH]).recall.total == 3


def test_intervals_hold_the_value_and_are_repeatable() -> None:
    world = simulate(random_catalogue(80, 10), PlantedConfig(readers=30))
    steps = [
        Step(p.user, p.position, "reasoned", "root", "", None, "theme 01", p.item, 0.5, 0, p.position + 1) for p in world.truth
    ]
    quality = graph_quality(steps, world.truth)
    assert 0 < quality.precision.low < quality.precision.value < quality.precision.high < 1
    assert quality == graph_quality(steps, world.truth)


def test_perfect_steps_are_perfect() -> None:
    world = simulate(random_catalogue(80, 10), PlantedConfig(readers=10))
    steps = [
        Step(
            p.user, p.position, "reasoned", "root" if p.cause_position is None else "item", "", p.cause_position, p.reason or "",
            p.item, 1.0, 0, p.position + 1,
        )
        for p in world.truth
        if p.kind != "noise"
    ]  # fmt: skip
    quality = graph_quality(steps, world.truth)
    assert quality.precision_with_cause.value == quality.recall_with_cause.value == quality.precision_with_cause.low == 1.0


def test_nothing_accepted() -> None:
    quality = graph_quality([s for s in STEPS if not s.accepted], TRUTH)
    assert math.isnan(quality.precision.value)
    assert quality.recall.value == 0.0


def test_graphs_by_user_do_as_well() -> None:
    graphs = {user: ReasoningGraph(user, tuple(s for s in STEPS if s.user == user)) for user in "ab"}
    assert graph_quality(graphs, TRUTH) == graph_quality(STEPS, TRUTH)


def test_imagined_steps_are_left_out() -> None:
    imagined = Step("a", 4, "imagined", "item", "a3", 3, "war", "b1", 0.9, 0, 4)
    assert graph_quality([*STEPS, imagined], TRUTH) == graph_quality(STEPS, TRUTH)


def test_steps_of_another_world_are_refused() -> None:
    with pytest.raises(CallerError, match=r"user 'c', position 1.*the truth has nothing"):
        graph_quality([step("c", 1, 0, "war")], TRUTH)
