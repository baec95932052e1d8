"""The state of one user's machine. What survives a kill is the draft in the store, not this: `docs/decisions/0002`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, TypedDict

from llmrg.agents.protocols import Candidate, Imagined, OpenChain
from llmrg.core.records import Step

CandidateName: TypeAlias = tuple[int, int | None, str, str, str]


@dataclass(frozen=True, slots=True)
class OpenCut:
    """A position from which the machine imagines."""

    position: int
    chains: tuple[OpenChain, ...]
    """Those that were open there as far as one knew, most recent tail first."""


class State(TypedDict, total=False):
    """`plan` fills it; each node returns the keys it changes."""

    user: str
    blocks: list[tuple[int, int]]
    """(start, stop) still to do, in order; the first one is under way."""
    through: int
    """Where the user's draft ends; before the first block where a long history is cut off at its beginning."""
    phase: Literal["reason", "imagine"]
    candidates: list[Candidate]
    """Waiting for verification."""
    cuts: list[OpenCut]
    """Of the block under way, ascending."""
    imagined: list[tuple[int, Imagined]]
    """(position of the cut, continuation), waiting for grounding."""
    knowledge: dict[CandidateName, str]
    """Key of the knowledge entry that a candidate was recalled from."""
    steps: list[Step]
    """Verified steps of the block under way, accepted and rejected."""
    tries: dict[int, int]
    """Position -> how often the reasoner was asked for it."""
    critiques: dict[int, str]
    """Position -> what verification said last."""
    chains: tuple[OpenChain, ...]
    """Open chains, most recent tail first."""
    next_chain: int


class Output(TypedDict, total=False):
    """What the machine hands out: its graph is in the store by then, and LangGraph reads these keys after every node."""

    through: int


def candidate_name(record: Candidate | Step) -> CandidateName:
    """Tells candidates of one block apart."""
    return record.position, record.cause_position, record.cause, record.reason, record.item
