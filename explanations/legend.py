"""What the marks mean; only those that the picture holds."""

from __future__ import annotations

from markupsafe import Markup

from llmrg.explanations.geometry import Label, Layout
from llmrg.explanations.markup import badge, circle, cross, diamond, line, square, tag, text
from llmrg.explanations.measure import width
from llmrg.explanations.telling import NO_REASON

Entry = tuple[Markup, str]
"""A mark in a box of 30 x 18 px, and its meaning."""


def legend(layout: Layout) -> list[Entry]:
    steps = [link.step for track in layout.tracks for link in track.links]
    rays = [ray for row in layout.rows for ray in row.rays]
    refused = layout.refusals or any(row.refused for row in layout.rows)
    entries = [
        (any(s.cause_kind == "root" for s in steps), circle(15, 9, 4.8, "lg-node lg-open"), "a chain starts"),
        (
            any(s.cause_kind == "attribute" for s in steps),
            square(15, 9, 4.6, "lg-node lg-open"),
            "starts from an attribute of the user",
        ),
        (
            bool(steps),
            _segment("lg-line", 3.4) + circle(15, 9, 4.8, "lg-node"),
            "verified step (thicker: higher score)" if layout.verified else "step, not verified",
        ),
        (any(s.origin == "knowledge" for s in steps), diamond(15, 9, 6, "lg-node"), "recalled from the knowledge base"),
        (
            any(not t.text for t in _labels(layout)),
            _segment("lg-line", 2.2) + circle(2, 9, 3.2, "lg-cause") + circle(27, 9, 3.2, "lg-cause"),
            "no text: same reason as before",
        ),
        (bool(rays), _segment("lg-ray", 2.2), "imagined continuation"),
        (bool(refused), cross(15, 9), "rejected by verification" if layout.verified else "rejected"),
        (any(row.rank for row in layout.rows), badge(15, 9, 1), "recommended, with rank"),
        (
            any(row.has_reason for row in layout.rows),
            text("%", 15, 13, "lg-because lg-middle"),
            "the reason that did most, and its share of the score",
        ),
        (
            any(row.why == NO_REASON for row in layout.rows),
            text("no", 15, 13, "lg-none lg-middle"),
            "no reason adds to the score",
        ),
    ]
    return [(tag("g", mark, class_="lg-sample"), words) for there, mark, words in entries if there]


def _segment(class_: str, thick: float) -> Markup:
    return line(1, 9, 29, 9, class_, stroke_width=thick)


def _labels(layout: Layout) -> list[Label]:
    return [link.label for track in layout.tracks for link in track.links]


def legend_block(layout: Layout, x: float, y: float) -> tuple[Markup, float]:
    """The legend in rows under the picture, and its height in px."""
    pieces, at, row = [], x, 0
    for mark, words in legend(layout):
        wide = 38 + width(words, 12) + 20
        if at + wide > layout.width and at > x:
            at, row = x, row + 1
        spot = f"translate({at:.1f} {y + 22 * row:.1f})"
        pieces.append(tag("g", mark, text(words, 36, 13, "lg-words"), transform=spot))
        at += wide
    return Markup("").join(pieces), 22.0 * (row + 1) if pieces else 0.0


def legend_items(layout: Layout) -> list[Entry]:
    """The legend for a page: each mark as a small SVG."""
    return [
        (tag("svg", mark, width=30, height=18, viewBox="0 0 30 18", class_="lg", aria_hidden="true"), words)
        for mark, words in legend(layout)
    ]
