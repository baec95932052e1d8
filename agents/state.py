"""What travels along the machine's edges for one user: ids and plain values, nothing that JSON could not hold."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, Literal, TypedDict

from llmrg.agents.protocols import Candidate

Phase = Literal["reason", "imagine"]


class JudgedStep(TypedDict):
    """A candidate with what verification found."""

    candidate: dict[str, Any]
    score: float
    why: str
    """Empty: accepted."""


class UserState(TypedDict, total=False):
    """One user's way through the machine. Steps of finished blocks are not here: they are in the store's draft."""

    user: str
    published: bool
    """Nothing was left to do: the stored graph stands."""
    blocks: list[list[int]]
    """[start, end) of the blocks still to do; the first one is under work."""
    phase: Phase
    """Whether the candidates explain the block's items or continue chains beyond its end."""
    to_reason: list[int]
    """Positions that the reasoner is asked for in this round."""
    rounds: dict[int, int]
    """position -> how often the reasoner was asked."""
    critiques: dict[int, str]
    """position -> what verification said of the last try."""
    fresh: list[dict[str, Any]]
    """Candidates that wait for verification."""
    imagined: list[dict[str, Any]]
    """Imagined continuations that wait for grounding."""
    judged: list[JudgedStep]
    """Candidates of this block and phase that were verified, of all rounds."""
    steps: list[dict[str, Any]]
    """Steps of this block that wait for the draft."""


def pack(candidate: Candidate) -> dict[str, Any]:
    """Plain values of a candidate."""
    return asdict(candidate)


def unpack(values: dict[str, Any]) -> Candidate:
    """The way back."""
    return Candidate(**values)


def block_of(state: UserState) -> tuple[int, int]:
    """[start, end) of the block under work."""
    start, end = state["blocks"][0]
    return start, end


def seen_by(candidate: Candidate, reads_block: bool, end: int) -> Candidate:
    """The candidate with `seen` raised to the block's end if its judge has read the whole block."""
    return replace(candidate, seen=max(candidate.seen, end)) if reads_block else candidate
