"""Open chains of a user's graph: which there are, and which number a new step gets."""

from __future__ import annotations

from collections.abc import Iterable

from llmrg.agents.protocols import OpenChain
from llmrg.core.records import Step


def open_chains(steps: Iterable[Step]) -> tuple[tuple[OpenChain, ...], int]:
    """(chains of the accepted reasoned steps, most recent tail first; the next free number)."""
    tails: dict[int, Step] = {}
    highest = -1
    for step in steps:
        if step.accepted and step.kind == "reasoned":
            highest = max(highest, step.chain)
            if step.chain not in tails or tails[step.chain].position <= step.position:
                tails[step.chain] = step
    return by_recency(ending_in(step) for step in tails.values()), highest + 1


def chains_at(before: Iterable[OpenChain], steps: Iterable[Step], cut: int) -> tuple[OpenChain, ...]:
    """The chains open at a cut: those before the block, continued by its steps as far as these had seen no more than the cut."""
    chains = {chain.number: chain for chain in before}
    chains |= {step.chain: ending_in(step) for step in steps if step.accepted and step.seen <= cut}
    return by_recency(chains.values())


def ending_in(step: Step) -> OpenChain:
    return OpenChain(step.chain, step.item, step.position, step.reason, step.score)


def by_recency(chains: Iterable[OpenChain]) -> tuple[OpenChain, ...]:
    return tuple(sorted(chains, key=lambda chain: (-chain.tail_position, -chain.score, chain.number)))


def continues(chains: Iterable[OpenChain], step: Step) -> int | None:
    """The chain that ends in the step's cause: the one it was proposed for, else one of the same reason, else the best.

    A second step from the same tail finds no chain there any more, and so branches off as a new one.
    """
    ends = [c for c in chains if (c.tail_item, c.tail_position) == (step.cause, step.cause_position)]
    return max(ends, key=lambda c: (c.number == step.chain, c.reason == step.reason, c.score, -c.number)).number if ends else None
