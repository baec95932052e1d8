"""Chains of accepted steps in a user's graph: which steps may be shown, and the best way to one."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from llmrg.core.records import History, ReasoningGraph, Step

Chain = tuple[Step, ...]
"""Steps that begin where the one before ended, oldest first."""
Paths = dict[tuple[int, int], list[Chain]]
"""(chain number, position) -> for each step that ends there, the best way to it."""


def fits(step: Step, history: History) -> bool:
    """Whether the step speaks of the items that stand in this history at its positions."""
    if step.cause_position is not None and history.items[step.cause_position : step.cause_position + 1] != (step.cause,):
        return False
    return step.kind == "imagined" or history.items[step.position : step.position + 1] == (step.item,)


def chains_to(graph: ReasoningGraph, past: History, item: str) -> tuple[Chain, ...]:
    """For each accepted imagined step of the latest cut that ends in `item`, the best way to it, itself included.

    A chain is followed back along its causes, within one chain number, to a root or to the item it started from. Of several ways
    the one whose weakest step is strongest is taken; among equals the one with the higher product.
    Args: graph: the graph, cut already; past: what it may speak of.
    """
    cut = max(graph.cuts(), default=None)
    ends = [step for step in graph.imagined(cut) if step.item == item and fits(step, past)] if cut is not None else []
    if not ends:
        return ()
    paths = _paths(step for step in graph.reasoned() if fits(step, past))
    return tuple((*_best(paths, end), end) for end in ends)


def chain_at(graph: ReasoningGraph, past: History, position: int) -> Chain:
    """The best chain of accepted steps to the item that was taken at a position; empty where none leads there."""
    paths = _paths(step for step in graph.reasoned() if fits(step, past))
    ends = [chain for (_, at), chains in paths.items() if at == position for chain in chains]
    return max(ends, key=strength, default=())


def _paths(steps: Iterable[Step]) -> Paths:
    paths: Paths = defaultdict(list)
    for step in sorted(steps, key=lambda s: s.position):
        paths[step.chain, step.position].append((*_best(paths, step), step))
    return paths


def _best(paths: Paths, step: Step) -> Chain:
    """The best way to the cause of the step; empty where the step is the first of its chain."""
    if step.cause_position is None:
        return ()
    return max(paths.get((step.chain, step.cause_position), []), key=strength, default=())


def strength(chain: Chain) -> tuple[float, float, int]:
    """The weakest score, then the product, then the fewest steps."""
    scores = [step.score for step in chain]
    return min(scores), math.prod(scores), -len(chain)
