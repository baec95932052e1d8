"""The state of one user's machine: small JSON values, no objects, so that any LangGraph checkpointer can keep it."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class State(TypedDict, total=False):
    """`plan` fills it; each node returns the keys it changes."""

    user: str
    blocks: list[list[int]]
    """[start, stop) still to do, in order; the first one is under way."""
    through: int
    """Where the user's draft ends; before the first block where a long history is cut off at its beginning."""
    phase: Literal["reason", "imagine"]
    candidates: list[dict[str, Any]]
    """Candidates waiting for verification."""
    cuts: list[dict[str, Any]]
    """Cuts of the block under way, ascending: `position`, and the `chains` that were open there as far as one knew."""
    imagined: list[dict[str, Any]]
    """Continuations waiting for grounding, each with its `cut`."""
    knowledge: dict[str, str]
    """Candidate name -> key of the knowledge entry it was recalled from."""
    steps: list[dict[str, Any]]
    """Verified steps of the block under way, accepted and rejected."""
    asked: dict[str, int]
    """Position -> how often the reasoner was asked for it."""
    critiques: dict[str, str]
    """Position -> what verification said last."""
    chains: list[dict[str, Any]]
    """Open chains, most recent tail first."""
    next_chain: int


def plain(record: Any) -> dict[str, Any]:
    """A flat record with slots as a dict; `Kind(**d)` is the way back. (`asdict` copies deep, which takes five times as long.)"""
    return {name: getattr(record, name) for name in record.__slots__}


def candidate_name(candidate: dict[str, Any]) -> str:
    """Tells candidates of one block apart."""
    return "\x1f".join(str(candidate[part]) for part in ("position", "cause_position", "cause", "reason", "item"))
