"""How well reasoning graphs find the reasons of a planted world.

A proposed step is **right** if the planted step at its position is a reason (or a root, while the proposed cause is a root too)
and the reason texts are equal, case aside. It is right **with cause** if it also names the same earlier item as its cause.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from llmrg.core.errors import CallerError
from llmrg.core.interval import Interval
from llmrg.core.records import ReasoningGraph, Step
from llmrg.data.truth import PlantedStep

Where = tuple[str, int]
"""(user, position)."""


@dataclass(frozen=True)
class Rate(Interval):
    """A share, right / total; NaN if there is nothing to count."""

    right: int
    total: int


@dataclass(frozen=True)
class GraphQuality:
    """Graphs against the planted truth."""

    users: int
    positions: int
    """Planted steps that were looked at."""
    precision: Rate
    """Right among accepted steps."""
    precision_with_cause: Rate
    recall: Rate
    """Planted steps of kind reason that some accepted step gets right."""
    recall_with_cause: Rate


def graph_quality(
    steps: Iterable[Step] | Mapping[str, ReasoningGraph],
    truth: Iterable[PlantedStep],
    positions: Collection[Where] | None = None,
    per_item: int | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> GraphQuality:
    """Compare proposed steps, accepted and rejected, with the truth. Imagined steps are left out.

    Args:
        steps: of any number of users, or graphs by user.
        positions: the (user, position) pairs that the build worked on; by default all positions of every user who has a step.
        per_item: count only so many accepted steps of an item, those of the best scores; None: all. To be given where builds are
            compared that keep different numbers of them: more guesses find more and are right less often, whatever their worth.
    Raises:
        CallerError: a step stands where the truth knows nothing, or its item is another one.
    """
    listed = (step for graph in steps.values() for step in graph.steps) if isinstance(steps, Mapping) else steps
    proposed = [step for step in listed if step.kind == "reasoned"]
    users = {step.user for step in proposed}
    planted_at = {(planted.user, planted.position): planted for planted in truth}
    for step in proposed:
        _check(step, planted_at)
    looked_at = {
        where: p for where, p in planted_at.items() if (where in positions if positions is not None else where[0] in users)
    }
    proposed = [step for step in proposed if (step.user, step.position) in looked_at]
    accepted = _best([step for step in proposed if step.accepted], per_item)

    def rate(counts: Mapping[str, tuple[int, int]]) -> Rate:
        return _rate(counts, resamples, seed)

    return GraphQuality(
        users=len({user for user, _ in looked_at}),
        positions=len(looked_at),
        precision=rate(_precision(accepted, planted_at, is_right)),
        precision_with_cause=rate(_precision(accepted, planted_at, is_right_with_cause)),
        recall=rate(_recall(accepted, looked_at, is_right)),
        recall_with_cause=rate(_recall(accepted, looked_at, is_right_with_cause)),
    )


def _best(steps: list[Step], per_item: int | None) -> list[Step]:
    """At most so many of each (user, position), best score first; equal scores in an order that says nothing (their keys)."""
    if per_item is None:
        return steps
    taken: Counter[Where] = Counter()
    best = []
    for step in sorted(steps, key=lambda step: (-step.score, step.key)):
        taken[step.user, step.position] += 1
        if taken[step.user, step.position] <= per_item:
            best.append(step)
    return best


def is_right(step: Step, planted: PlantedStep) -> bool:
    """Same reason at this position; a planted root also wants a root as the cause."""
    if planted.reason is None or step.reason.casefold() != planted.reason.casefold():
        return False
    return planted.kind == "reason" or step.cause_kind == "root"


def is_right_with_cause(step: Step, planted: PlantedStep) -> bool:
    """Right, and the same earlier item as cause."""
    return is_right(step, planted) and step.cause_position == planted.cause_position


Judge = Callable[[Step, PlantedStep], bool]


def _check(step: Step, planted_at: Mapping[Where, PlantedStep]) -> None:
    planted = planted_at.get((step.user, step.position))
    if planted is None or planted.item != step.item:
        there = f"the truth has {planted.item!r}" if planted else "the truth has nothing"
        raise CallerError(
            f"steps and truth are of different worlds: user {step.user!r}, position {step.position}, item {step.item!r}; {there}"
        )


def _precision(steps: Iterable[Step], planted_at: Mapping[Where, PlantedStep], judge: Judge) -> dict[str, tuple[int, int]]:
    """user -> (right, all)."""
    counts: dict[str, tuple[int, int]] = {}
    for step in steps:
        right, total = counts.get(step.user, (0, 0))
        counts[step.user] = right + judge(step, planted_at[step.user, step.position]), total + 1
    return counts


def _recall(steps: Iterable[Step], looked_at: Mapping[Where, PlantedStep], judge: Judge) -> dict[str, tuple[int, int]]:
    """user -> (found, planted steps of kind reason)."""
    recalled = {(s.user, s.position) for s in steps if judge(s, looked_at[s.user, s.position])}
    counts: dict[str, tuple[int, int]] = {}
    for (user, position), planted in looked_at.items():
        if planted.kind == "reason":
            right, total = counts.get(user, (0, 0))
            counts[user] = right + ((user, position) in recalled), total + 1
    return counts


def _rate(counts: Mapping[str, tuple[int, int]], resamples: int, seed: int) -> Rate:
    if not counts:
        return Rate(float("nan"), float("nan"), float("nan"), 0, 0)
    pairs = np.array([counts[user] for user in sorted(counts)], dtype=np.int64)
    right, total = (int(value) for value in pairs.sum(axis=0))
    drawn = np.random.default_rng(seed).integers(0, len(pairs), size=(resamples, len(pairs)))
    sums = pairs[drawn].sum(axis=1)
    low, high = np.quantile(sums[:, 0] / sums[:, 1], (0.025, 0.975))
    return Rate(right / total, float(low), float(high), right, total)
