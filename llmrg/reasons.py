"""How often each reason stands in the stored graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from llmrg.core.records import ReasoningGraph
from llmrg.core.vetoes import Vetoes


@dataclass(frozen=True, slots=True)
class ReasonUse:
    """One wording of a reason."""

    reason: str
    steps: int
    """Accepted steps that have it."""
    users: int
    vetoed: bool
    """Whether the lists of denied and allowed reasons refuse it."""


def uses_of(graphs: Iterable[ReasoningGraph], vetoes: Vetoes) -> list[ReasonUse]:
    """The most used first, then by the alphabet."""
    steps: Counter[str] = Counter()
    users: Counter[str] = Counter()
    for graph in graphs:
        own = [step.reason for step in graph.steps if step.accepted and step.reason.strip()]
        steps.update(own)
        users.update(set(own))
    ranked = sorted(steps, key=lambda reason: (-steps[reason], reason))
    return [ReasonUse(reason, steps[reason], users[reason], vetoes.refuse(reason)) for reason in ranked]
