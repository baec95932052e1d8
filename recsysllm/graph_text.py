"""The live part of a reasoning graph as a few words in the prompt: the other way to tell a language model of it."""

from __future__ import annotations

from collections import defaultdict

from llmrg.core.records import ReasoningGraph
from llmrg.recsysllm.pieces import Piece

MOST = 3
"""Reasons named."""
HALF_LIFE = 3.0
"""Positions after which a step counts half."""


def live_reasons(graph: ReasoningGraph | None, position: int) -> list[str]:
    """The strongest reasons known before a position, best first: score times 2 ** (-age / 3), summed over accepted steps."""
    if graph is None:
        return []
    strength: defaultdict[str, float] = defaultdict(float)
    for step in graph.before(position).reasoned():
        if step.position < position and step.reason:
            strength[step.reason] += step.score * 2.0 ** (-(position - 1 - step.position) / HALF_LIFE)
    return sorted(strength, key=lambda reason: (-strength[reason], reason))[:MOST]


def graph_pieces(graph: ReasoningGraph | None, position: int) -> list[Piece]:
    """` (because of pirates, islands)`; nothing where no reason is known."""
    pieces: list[Piece] = []
    for reason in live_reasons(graph, position):
        pieces += [Piece("," if pieces else " (because of"), Piece(reason, entity=True)]
    return [*pieces, Piece(")")] if pieces else []
