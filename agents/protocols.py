"""Who thinks: the three roles that a mind can take, and the small records that pass between a mind and the machine.

A mind is any object with these coroutine methods; it may fill one role or all three. It sees a `Block` and nothing else: the
block's history ends where the block ends, so a mind cannot look past it. A mind that calls a model says so as
`agents.accounting.charge` tells, which counts what it costs and keeps the build's budgets. A reasoner may have a `block_size`,
the items it likes to be asked for at once; an imaginer and a verifier that cost no call may have a `cut_every`, the positions
between two cuts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from llmrg.core.records import CauseKind, History, Origin


@dataclass(frozen=True, slots=True)
class OpenChain:
    """A chain of the user's graph that a new step may continue."""

    number: int
    tail_item: str
    tail_position: int
    reason: str
    """Reason of its last step."""
    score: float


@dataclass(frozen=True, slots=True)
class Block:
    """Some next items of one user, to be explained from what came before them."""

    user: str
    history: History
    """Ends at the block's end: nothing later is here."""
    positions: tuple[int, ...]
    """Positions of `history` to work on, ascending."""
    chains: tuple[OpenChain, ...] = ()
    """Most recent tail first."""
    first: int = 0
    """Oldest position that may be a cause (the truncation length `l_tru`, counted from the history's end)."""
    critiques: Mapping[int, str] = field(default_factory=dict)
    """position -> what verification said of the last try (recalibration); empty at the first try."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A proposed step, not yet verified. `chain` is None for one that starts a new chain."""

    position: int
    cause_kind: CauseKind
    cause: str
    cause_position: int | None
    reason: str
    item: str
    chain: int | None
    seen: int
    """See `Step.seen`."""
    origin: Origin = "model"
    grounding: float = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification found for one candidate."""

    score: float
    """In [0, 1]; what it means is written in the verifier's class docstring."""
    critique: str = ""
    """Why it is not higher, in words that a reasoner can use in its next try. Told for every score: the run's threshold decides
    what is rejected, and the words for what is accepted are dropped."""
    seen: int = 0
    """How many items of the history the verifier had seen (it may read the block at once); 0: no more than the candidate's maker.
    The step gets the larger of the two."""
    cause: str = ""
    """Why it is low, in words that are the same for all such steps: the run's report counts by them."""


@dataclass(frozen=True, slots=True)
class Imagined:
    """An imagined continuation of a chain: text as the mind said it, or a catalogue item when it chose from the catalogue."""

    chain: int
    reason: str
    text: str
    item: str | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """A place from which to imagine: everything at or after `position` is unknown."""

    user: str
    history: History
    """history[:position]."""
    position: int
    chains: tuple[OpenChain, ...]
    """Live chains to continue, most recent tail first."""
    suggestions: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """chain number -> unseen catalogue items that often follow its tail (training parts of other users), best first."""


class Reasoner(Protocol):
    """Proposes why each item of a block was taken."""

    name: str
    """Mind and model, as the run records it, for instance `likelihood/gemma-3-270m`."""

    async def reason(self, block: Block) -> list[Candidate]:
        """Candidate steps for the block's positions, best first within a position; a position may get none.

        Raises: ModelUnavailableError (worth a retry), ModelReplyError (useless answer).
        """


class Verifier(Protocol):
    """Scores steps by hiding their key part and finding it again."""

    name: str
    default_tau: float
    """Score from which a step is accepted unless the build says otherwise."""

    async def verify(self, block: Block, candidates: Sequence[Candidate]) -> list[Verdict]:
        """One verdict per candidate, in order. Raises as `Reasoner.reason`.

        `block.history` ends at the block's end; for imagined candidates it ends at the cut, which is their `position`.
        """


class Imaginer(Protocol):
    """Continues chains beyond a cut."""

    name: str

    async def imagine(self, cut: Cut) -> list[Imagined]:
        """A few continuations per chain, best first. Raises as `Reasoner.reason`."""


class Mind(Reasoner, Verifier, Imaginer, Protocol):
    """One object for all three roles."""

    settings: Mapping[str, object]
    """What changes its answers besides its name: configuration, weights. Values of JSON; part of a run's identity."""
