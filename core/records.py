"""The records that every room shares. All are frozen; a change makes a new one.

The spine is one idea: a reasoning graph is a list of position-stamped steps.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from llmrg.core.conversions import as_networkx
from llmrg.core.errors import CallerError

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

Attributes = tuple[tuple[str, str], ...]
"""(name, value) pairs in the order of the source; a name may come more than once."""

SHOWN = 3
"""Latest items of a history that its repr shows."""
StepKind = Literal["reasoned", "imagined"]
WAITS_FOR_REVIEW = "waits for review"
"""`why_rejected` of a step that a person is to decide on begins so."""
CauseKind = Literal["item", "attribute", "root"]
Origin = Literal["model", "knowledge"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of the catalogue."""

    id: str
    title: str
    attributes: Attributes = ()

    def values(self, name: str) -> tuple[str, ...]:
        """All values of one attribute."""
        return tuple(value for key, value in self.attributes if key == name)


@dataclass(frozen=True, slots=True)
class Interaction:
    """One row of a log. `at` is in seconds (Unix time, UTC) or None where the source has no clock."""

    user: str
    item: str
    at: float | None = None
    rating: float | None = None
    headline: str = ""
    """What the user wrote above a review; "" for none."""
    text: str = ""
    """The review itself; "" for none."""


@dataclass(frozen=True, slots=True)
class History:
    """A user's items in time order; position 0 is the oldest."""

    user: str
    items: tuple[str, ...]
    at: tuple[float | None, ...] = ()
    attributes: Attributes = ()

    def before(self, position: int) -> History:
        """What was known before `position`: items[:position]."""
        return replace(self, items=self.items[:position], at=self.at[:position])

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.items[-SHOWN:]))
        return f"History({self.user!r}, {len(self.items):,} items{': ' * bool(self.items)}{'..., ' * (len(self) > SHOWN)}{shown})"


@dataclass(frozen=True, slots=True)
class Step:
    """cause -> reason -> item.

    A reasoned step explains the known item at `position`; an imagined step was grown from the cut `position`
    (everything at or after it unknown) and ends in a catalogue item the user had not taken.
    """

    user: str
    position: int
    """Reasoned: position of `item` in the history. Imagined: the cut."""
    kind: StepKind
    cause_kind: CauseKind
    cause: str
    """Item id, `name=value` of a user attribute, or "" for a root."""
    cause_position: int | None
    """Position of the cause item in the history; None unless cause_kind is "item"."""
    reason: str
    item: str
    score: float
    """Verification score in [0, 1]."""
    chain: int
    """Number of the chain this step belongs to, counted within the user's graph from 0; -1 for a rejected step."""
    seen: int
    """How many items of the history its maker had seen: the leak rule is `seen <= p`. A mind that looks at one item at a
    time makes a reasoned step with seen = position + 1; one that reads a block at once, with the block's end; an imagined
    step has seen = cut."""
    accepted: bool = True
    why_rejected: str = ""
    origin: Origin = "model"
    grounding: float = 1.0
    """Imagined steps: similarity of the imagined text to the catalogue item, in [0, 1]."""

    def __post_init__(self) -> None:
        if not (0.0 <= self.score <= 1.0) or math.isnan(self.score):
            raise CallerError(f"step score must be in [0, 1], not {self.score!r} (user {self.user!r}, item {self.item!r})")
        if self.position < 0:
            raise CallerError(f"step position must be 0 or more, not {self.position!r} (user {self.user!r})")
        if self.seen < self.position + (self.kind == "reasoned"):
            raise CallerError(f"seen must cover the step: seen {self.seen}, position {self.position} (user {self.user!r})")
        if self.kind not in ("reasoned", "imagined") or self.cause_kind not in ("item", "attribute", "root"):
            raise CallerError(f"unknown step kind {self.kind!r} or cause kind {self.cause_kind!r} (user {self.user!r})")
        if (self.cause_kind == "item") != (self.cause_position is not None):
            raise CallerError(f"a cause_position goes with an item cause, and only with it (user {self.user!r})")
        if self.cause_position is not None and not 0 <= self.cause_position < self.position:
            raise CallerError(
                f"the cause must come before the step: cause_position {self.cause_position}, position {self.position} "
                f"(user {self.user!r})"
            )

    @property
    def key(self) -> str:
        """Hash of what the step says; equal steps of one user have equal keys."""
        parts = (self.user, self.position, self.kind, self.cause_kind, self.cause, self.cause_position, self.reason, self.item)
        return stable_key("step", *parts)

    @property
    def waits(self) -> bool:
        """Whether a person is to decide on it."""
        return not self.accepted and self.why_rejected.startswith(WAITS_FOR_REVIEW)

    def to_json(self) -> dict[str, Any]:
        """Plain values only; `Step(**d)` is the way back."""
        return {name: getattr(self, name) for name in self.__slots__}  # five times faster than asdict, which copies deep


@dataclass(frozen=True, slots=True)
class ReasoningGraph:
    """All steps of one user, in order of position: accepted, rejected, and imagined from every cut."""

    user: str
    steps: tuple[Step, ...] = ()
    run: str = ""
    version: int = 0
    """Counted up by the store at each replacement; 0 means never stored."""

    def before(self, position: int) -> ReasoningGraph:
        """What a recommendation for `position` may use: steps whose maker had seen at most history[:position]."""
        return replace(self, steps=tuple(step for step in self.steps if step.seen <= position))

    def reasoned(self) -> tuple[Step, ...]:
        """Accepted steps over the known history (G_rea)."""
        return tuple(s for s in self.steps if s.accepted and s.kind == "reasoned")

    def imagined(self, cut: int | None = None) -> tuple[Step, ...]:
        """Accepted imagined steps (G_div): of one cut, or of all."""
        return tuple(s for s in self.steps if s.accepted and s.kind == "imagined" and cut in (None, s.position))

    def rejected(self) -> tuple[Step, ...]:
        """Steps that verification refused, those that wait for a person among them."""
        return tuple(s for s in self.steps if not s.accepted)

    def waiting(self) -> tuple[Step, ...]:
        """Steps that a person is to decide on."""
        return tuple(s for s in self.steps if s.waits)

    def cuts(self) -> tuple[int, ...]:
        """Positions from which accepted imagined steps were grown, ascending."""
        return tuple(sorted({s.position for s in self.imagined()}))

    def chains(self) -> dict[int, tuple[Step, ...]]:
        """Accepted steps by chain number, each in order of position."""
        steps_of: dict[int, list[Step]] = {}
        for step in self.steps:
            if step.accepted:
                steps_of.setdefault(step.chain, []).append(step)
        return {number: tuple(steps_of[number]) for number in sorted(steps_of)}

    def __repr__(self) -> str:
        kinds = f"{len(self.reasoned()):,} reasoned, {len(self.imagined()):,} imagined, {len(self.rejected()):,} rejected"
        return f"ReasoningGraph({self.user!r}, {len(self.steps):,} steps: {kinds}, run {self.run!r}, version {self.version})"

    def to_pandas(self) -> pd.DataFrame:
        """One row a step, rejected ones too; one column a field of `Step`. Raises: MissingPackageError."""
        from llmrg.core.graph_table import GraphTable

        return GraphTable.of([self]).to_pandas()

    def to_networkx(self, titles: Mapping[str, str] | None = None) -> nx.MultiDiGraph:
        """Accepted steps as edges from cause to item.

        Nodes are `item:ID`, `attribute:NAME=VALUE`, and `user:ID` as the cause of roots, each with `kind`, `id` and `label`.
        Edges have the fields of `Step`. (`llmrg export FILE.graphml` writes a graph with the shape of the Neo4j store.)

        Args: titles: labels of items by id, such as `dataset.catalogue.titles`.
        Raises: MissingPackageError.
        """
        return as_networkx(self, titles)

    def branches(self) -> dict[int, int | None]:
        """Chain -> the chain that it branched off from, or None for one whose first cause no other chain leads to."""
        leads_to = [(step.item, step.position, step.chain) for step in self.reasoned()]
        parent_of: dict[int, int | None] = {}
        for number, steps in self.chains().items():
            first = steps[0]
            parents = [c for item, p, c in leads_to if (item, p) == (first.cause, first.cause_position) and c != number]
            parent_of[number] = min(parents, default=None)
        return parent_of


@dataclass(frozen=True, slots=True)
class VectorSpace:
    """What all reason vectors of a knowledge base have in common; vectors of different spaces do not compare."""

    encoder: str
    """Name of the text encoder (`TextVectors.name`); "" where nobody has said it."""
    dimension: int


@dataclass(frozen=True, slots=True)
class Knowledge:
    """A verified step shared by all users: (from item, reason, to item), as one mind sees it."""

    from_item: str
    reason: str
    to_item: str
    score: float
    uses: int = 0
    source_user: str = ""
    source_position: int = 0
    """Who first contributed it, and at which position: the leak rule of recall needs both."""
    vector: tuple[float, ...] = field(default=(), repr=False)
    """Text vector of the reason, unit length, or empty."""
    mind: str = ""
    """Who reasoned and who verified, for instance `attributes` or `likelihood/x + chat/y`; "" where nobody has said it."""

    @property
    def key(self) -> str:
        """Hash of what the entry says and of whose it is: entries of different minds never merge.

        Without a mind it is the hash of what the entry says, as it was before entries had one.
        """
        return stable_key("knowledge", self.from_item, self.reason, self.to_item, *([self.mind] if self.mind else []))


RunStatus = Literal["running", "done", "stopped", "failed"]
UserStatus = Literal["pending", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Run:
    """One build over many users."""

    id: str
    status: RunStatus
    settings: dict[str, Any]
    """The build's configuration, mind and model names, prompt versions."""
    costs: dict[str, float]
    """Counters: steps asked, accepted, knowledge hits, model calls, tokens, seconds."""
    started_at: float
    """Unix seconds, UTC."""
    ended_at: float | None = None


def stable_key(*parts: object) -> str:
    """32 hex digits that depend on the parts alone (not on process, machine or time)."""
    text = "\x1f".join(f"{len(str(part))}:{part}" for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Steps by position, reasoned before imagined, accepted before rejected, best score first."""
    ranked = groupby(sorted(steps, key=_rank), key=_rank)
    return tuple(step for _, equal in ranked for step in _by_key(list(equal)))


def _rank(step: Step) -> tuple[int, bool, bool, float]:
    return step.position, step.kind != "reasoned", not step.accepted, -step.score


def _by_key(steps: list[Step]) -> list[Step]:
    """A key is a hash, and worth making only where it decides."""
    return sorted(steps, key=lambda step: step.key) if len(steps) > 1 else steps
