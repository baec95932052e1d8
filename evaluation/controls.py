"""Graphs that should not help, or that need no language model: what the reasoning graph must beat to be worth its price."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

from llmrg.core.records import History, ReasoningGraph, Step, in_order


def plain_sequence(histories: Mapping[str, History]) -> dict[str, ReasoningGraph]:
    """Each item leads to the next, without a reason and without a model (the papers' "plain sequence graph")."""
    return {
        user: ReasoningGraph(
            user,
            tuple(
                Step(user, p, "reasoned", "item", history.items[p - 1], p - 1, "", history.items[p], 1.0, 0, seen=p + 1)
                for p in range(1, len(history))
            ),
        )
        for user, history in histories.items()
    }


def shuffled(graphs: Mapping[str, ReasoningGraph], seed: int = 0) -> dict[str, ReasoningGraph]:
    """The same shapes with the contents dealt out anew among all users.

    Every step keeps its place (user, position, cause, seen), but reason and score come from a random other step, and an
    imagined step's item too. Reasoned steps keep their item, which is the user's own history. What such a graph still gives a
    recommender is extra capacity and the shape of the graph, not the reasons.
    """
    generator = random.Random(seed)
    dealt: dict[str, list[Step]] = {user: [] for user in graphs}
    for kind in ("reasoned", "imagined"):
        steps = [step for graph in graphs.values() for step in graph.steps if step.accepted and step.kind == kind]
        donors = steps.copy()
        generator.shuffle(donors)
        for step, donor in zip(steps, donors, strict=True):
            item = donor.item if kind == "imagined" else step.item
            dealt[step.user].append(replace(step, reason=donor.reason, score=donor.score, item=item))
    return {user: ReasoningGraph(user, in_order(steps)) for user, steps in dealt.items()}
