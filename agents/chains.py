"""Open chains of a user's graph: which there are, and which number a new step gets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from llmrg.agents.protocols import OpenChain
from llmrg.agents.state import plain
from llmrg.core.records import Step


def open_chains(steps: Iterable[Step]) -> tuple[list[dict[str, Any]], int]:
    """(chains of the accepted reasoned steps, most recent tail first; the next free number)."""
    tails: dict[int, Step] = {}
    highest = -1
    for step in steps:
        if step.accepted and step.kind == "reasoned":
            highest = max(highest, step.chain)
            if step.chain not in tails or tails[step.chain].position <= step.position:
                tails[step.chain] = step
    chains = [OpenChain(number, s.item, s.position, s.reason, s.score) for number, s in tails.items()]
    return [plain(chain) for chain in by_recency(chains)], highest + 1


def chains_at(before: Sequence[dict[str, Any]], steps: Iterable[Step], cut: int) -> list[dict[str, Any]]:
    """The chains open at a cut: those before the block, continued by its steps as far as these had seen no more than the cut."""
    chains = {chain.number: chain for chain in read_chains(before)}
    for step in steps:
        if step.accepted and step.seen <= cut:
            chains[step.chain] = OpenChain(step.chain, step.item, step.position, step.reason, step.score)
    return [plain(chain) for chain in by_recency(chains.values())]


def by_recency(chains: Iterable[OpenChain]) -> list[OpenChain]:
    return sorted(chains, key=lambda chain: (-chain.tail_position, -chain.score, chain.number))


def read_chains(rows: Sequence[dict[str, Any]]) -> tuple[OpenChain, ...]:
    return tuple(OpenChain(**row) for row in rows)
