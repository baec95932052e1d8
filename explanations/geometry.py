"""The parts of a picture, each with its place in px (origin top left), as the layout hands them to the drawing."""

from __future__ import annotations

from dataclasses import dataclass

from llmrg.core.records import Step


@dataclass(frozen=True)
class Label:
    """A text that was cut to fit, at the left end of its base line."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Stop:
    """One item of the history, on the spine."""

    position: int
    item: str
    x: float
    lines: tuple[str, ...]
    details: str


@dataclass(frozen=True)
class Link:
    """One accepted step over the known history, from its cause to its item, on a lane."""

    step: Step
    x1: float
    """Equal to x2 where the step has no cause in the history."""
    x2: float
    label: Label
    details: str


@dataclass(frozen=True)
class Ray:
    """One imagined step: along the lane to the gate, then to a row."""

    step: Step
    x1: float
    y1: float
    label: Label
    details: str


@dataclass(frozen=True)
class Track:
    """A strand on its lane."""

    chain: int
    lane: int
    y: float
    left: float
    right: float
    """No other track of this lane reaches into left..right."""
    links: tuple[Link, ...]
    branch_from: float | None = None
    """The y of the track of the same chain that this one leaves, at its first x."""


@dataclass(frozen=True)
class Refusal:
    """A rejected step over the known history: a cross above its item."""

    step: Step
    x: float
    y: float
    cause_x: float | None
    details: str


@dataclass(frozen=True)
class Row:
    """A candidate for what comes next, right of the history."""

    item: str
    title: str
    y: float
    """Base line of the title."""
    rank: int | None
    """1-based rank among the recommendations; None if not recommended."""
    rays: tuple[Ray, ...]
    refused: tuple[Step, ...] = ()
    details: str = ""
    why: str = ""
    """Under the title: the reason that did most and its share of the score, or that there is none; "" if nobody told."""
    has_reason: bool = False


@dataclass(frozen=True)
class Layout:
    """Everything that is drawn."""

    width: float
    height: float
    spine_y: float
    lanes_top: float
    gate: float
    """Where the known history ends and imagined steps spread."""
    column: float
    """Left edge of the rows."""
    tilted: bool
    """Whether the titles under the spine are tilted."""
    stops: tuple[Stop, ...]
    tracks: tuple[Track, ...]
    refusals: tuple[Refusal, ...]
    rows: tuple[Row, ...]
    cut: int | None
    notes: tuple[str, ...]
    """What is not drawn, in words."""
    verified: bool = False
    """Whether the steps were verified."""

    def steps(self) -> tuple[Step, ...]:
        """All accepted steps of the picture, in order of drawing."""
        return tuple(link.step for t in self.tracks for link in t.links) + tuple(ray.step for r in self.rows for ray in r.rays)
