"""Chains: which steps are joined end to end, and where each chain ends now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llmrg.agents.protocols import Candidate, OpenChain
from llmrg.core.records import Step


class Chains:
    """The open chains of one user's graph, kept as steps are accepted."""

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self._open: dict[int, OpenChain] = {}
        self._next = 0
        for step in sorted(steps, key=lambda s: s.position):
            if step.accepted and step.kind == "reasoned":
                self._extend(step.chain, step.item, step.position, step.reason, step.score)

    def open(self) -> tuple[OpenChain, ...]:
        """Most recent tail first; of equal tails the better score, then the older chain."""
        return tuple(sorted(self._open.values(), key=lambda chain: (-chain.tail_position, -chain.score, chain.number)))

    def join(self, candidate: Candidate, score: float) -> int:
        """Take an accepted candidate in; returns the number of the chain that it continues or starts.

        It continues a chain whose tail is its cause: the one that it names, else the one with the same reason, else the oldest.
        """
        number = self._continued(candidate)
        if number is None:
            number = self._next
        self._extend(number, candidate.item, candidate.position, candidate.reason, score)
        return number

    def _continued(self, candidate: Candidate) -> int | None:
        if candidate.cause_position is None:
            return None
        fitting = [chain for chain in self._open.values() if chain.tail_position == candidate.cause_position]
        fitting.sort(key=lambda chain: (chain.number != candidate.chain, chain.reason != candidate.reason, chain.number))
        return fitting[0].number if fitting else None

    def _extend(self, number: int, item: str, position: int, reason: str, score: float) -> None:
        self._open[number] = OpenChain(number, item, position, reason, score)
        self._next = max(self._next, number + 1)


def live(chains: Sequence[OpenChain], count: int) -> tuple[OpenChain, ...]:
    """The first `count` chains that do not say the same (tail and reason) as one before them."""
    found: dict[tuple[int, str], OpenChain] = {}
    for chain in chains:
        found.setdefault((chain.tail_position, chain.reason), chain)
    return tuple(found.values())[:count]
