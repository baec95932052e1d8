"""The picture as one self-contained SVG text: no script, no link, no font to load."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from llmrg.core.records import History, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue
from llmrg.explanations.explain import Explanation, Recommended
from llmrg.explanations.geometry import Layout, Link, Ray, Refusal, Row, Stop, Track
from llmrg.explanations.layout import lay_out
from llmrg.explanations.legend import legend_block
from llmrg.explanations.markup import badge, circle, cross, diamond, line, path, square, tag, text
from llmrg.explanations.templating import style
from llmrg.explanations.wording import clean

COLOURS = 8


def draw_svg(
    catalogue: Catalogue,
    history: History,
    graph: ReasoningGraph,
    recommendations: Sequence[Recommended] = (),
    *,
    title: str = "",
    simulated: bool = False,
    cut: int | None = None,
    verified: bool = False,
) -> str:
    """A user's picture with title and legend, in light and dark colours, details as tooltips.

    Args:
        recommendations: best first; their ranks mark the rows on the right.
        simulated: says so in the picture: this user was made by a simulator.
        cut: draw what was imagined from this cut; by default the latest one.
        verified: the steps were verified (`was_verified` tells): the legend calls them so.
    Raises: CallerError: the graph is another user's.
    """
    layout = lay_out(catalogue, history, graph, ranks_of(recommendations), cut, verified=verified, whys=whys_of(recommendations))
    heading = clean(title) or f"Reasoning graph of user {clean(history.user)}"
    return standalone(layout, heading, "This user is simulated." if simulated else "")


def ranks_of(recommendations: Sequence[Recommended]) -> dict[str, int]:
    """Item -> 1-based rank."""
    return {item: rank for rank, (item, _, _) in reversed(list(enumerate(recommendations, start=1)))}


def whys_of(recommendations: Sequence[Recommended]) -> dict[str, Explanation]:
    """Item -> its explanation, where a recommender told what the score is the sum of."""
    return {item: why for item, _, why in recommendations if why.attributed}


def standalone(layout: Layout, heading: str, remark: str) -> str:
    """The picture with its own style, title and legend."""
    head = 56.0
    legend, legend_height = legend_block(layout, 24.0, head + layout.height + 8)
    height = head + layout.height + legend_height + 16
    notes = "; ".join([remark.rstrip("."), *layout.notes]).strip("; ")
    return str(
        tag(
            "svg",
            tag("title", heading),
            tag("style", style()),
            tag("rect", width=layout.width, height=height, class_="lg-bg"),
            text(heading, 24.0, 28.0, "lg-heading"),
            text(notes, 24.0, 46.0, "lg-notes") if notes else Markup(""),
            tag("g", parts(layout), transform=f"translate(0 {head:g})"),
            legend,
            **_frame(layout.width, height, heading),
        )
    )


def inline(layout: Layout, heading: str) -> str:
    """The picture alone, for a page that brings style and legend."""
    return str(tag("svg", tag("desc", heading), parts(layout), **_frame(layout.width, layout.height, heading)))


def _frame(width: float, height: float, label: str) -> dict[str, str | float]:
    return {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {width:g} {height:g}",
        "width": width,
        "height": height,
        "role": "img",
        "aria_label": label,
        "class_": "lg",
    }


Numbers = dict[Step, int]


def numbered(layout: Layout) -> Numbers:
    """Accepted steps of the picture and the numbers (`data-step`) that its elements carry."""
    return {step: number for number, step in enumerate(layout.steps())}


def parts(layout: Layout) -> Markup:
    """From back to front."""
    numbers = numbered(layout)
    rays = [ray for row in layout.rows for ray in row.rays]
    layers = [
        _ground(layout),
        *(_drops(track, layout, numbers) for track in layout.tracks),
        *(_refusal(refusal, layout) for refusal in layout.refusals),
        *(_ray(ray, layout, numbers) for ray in rays),
        *(_link(track, link, numbers) for track in layout.tracks for link in track.links),
        *(_chip(track) for track in layout.tracks),
        *(_stop(stop, layout) for stop in layout.stops),
        *(_row(row, layout, numbers) for row in layout.rows),
    ]
    return Markup("").join(layers)


def colour(chain: int) -> str:
    return f"lg-c{chain % COLOURS}"


def _ground(layout: Layout) -> Markup:
    zone = tag(
        "rect", x=layout.gate, y=4.0, width=layout.width - layout.gate - 6, height=layout.spine_y + 8, rx=8, class_="lg-zone"
    )
    pieces = [zone] if layout.rows else []
    if layout.rows:
        pieces.append(text("what comes next", layout.column + 4, 20.0, "lg-caption"))
    if layout.cut is not None and layout.cut < len(layout.stops) and layout.stops[0].position == 0:
        x = layout.stops[layout.cut].x - (layout.stops[1].x - layout.stops[0].x) / 2 if layout.cut else layout.stops[0].x - 20
        pieces.append(line(x, 12.0, x, layout.spine_y + 8, "lg-cut"))
        pieces.append(text(f"cut {layout.cut}", x - 4, 20.0, "lg-caption", text_anchor="end"))
    if layout.stops:
        pieces.append(line(layout.stops[0].x - 14, layout.spine_y, layout.gate - 6, layout.spine_y, "lg-spine"))
        tip = layout.gate
        pieces.append(path(f"M{tip - 8:.1f} {layout.spine_y - 4:.1f}l8 4l-8 4z", "lg-tip"))
    return tag("g", *pieces) if pieces else Markup("")


def _drops(track: Track, layout: Layout, numbers: Numbers) -> Markup:
    """Thin lines from the steps of a strand down to their items, and the joint with the strand it leaves."""
    pieces = []
    for link in track.links:
        number = numbers[link.step]
        for x in sorted({link.x1, link.x2}):
            pieces.append(line(x, track.y, x, layout.spine_y, f"lg-drop {colour(track.chain)}", data_step=number))
    if track.branch_from is not None:
        x = track.links[0].x1 if track.links else track.left + 30
        first = numbers[track.links[0].step] if track.links else None
        pieces.append(line(x, track.branch_from, x, track.y, f"lg-joint {colour(track.chain)}", data_step=first))
    return tag("g", *pieces) if pieces else Markup("")


def _link(track: Track, link: Link, numbers: Numbers) -> Markup:
    step, y = link.step, track.y
    pieces = [tag("title", link.details)]
    if link.x1 < link.x2:
        pieces.append(line(link.x1, y, link.x2, y, "lg-hit"))
        first = link is track.links[0]
        start = link.x1 if first else link.x1 + 5.5
        pieces.append(line(start, y, link.x2, y, "lg-line", stroke_width=1.4 + 3.2 * step.score))
        if first:
            pieces.append(circle(link.x1, y, 3.2, "lg-cause"))
    if step.cause_kind == "attribute":
        pieces.append(square(link.x2, y, 4.6, "lg-node lg-open"))
    elif step.origin == "knowledge":
        pieces.append(diamond(link.x2, y, 6.0, "lg-node" + (" lg-open" if step.cause_kind == "root" else "")))
    else:
        pieces.append(circle(link.x2, y, 4.8, "lg-node" + (" lg-open" if step.cause_kind == "root" else "")))
    if link.label.text:
        pieces.append(text(link.label.text, link.label.x, link.label.y, "lg-reason"))
    stops = " ".join(str(p) for p in (step.cause_position, step.position) if p is not None)
    return tag(
        "g",
        *pieces,
        class_=f"lg-step {colour(step.chain)}",
        data_step=numbers[step],
        data_chain=step.chain,
        data_score=f"{step.score:.4f}",
        data_stops=stops,
    )


def _chip(track: Track) -> Markup:
    name = str(track.chain)
    half = 7.0 if len(name) < 3 else 11.0
    x = track.left + 12
    box = tag("rect", x=x - half, y=track.y - 7, width=2 * half, height=14.0, rx=4)
    return tag(
        "g", box, text(name, x, track.y + 3.6, "lg-number"), class_=f"lg-chip {colour(track.chain)}", data_chain=track.chain
    )


def _refusal(refusal: Refusal, layout: Layout) -> Markup:
    pieces = [tag("title", refusal.details), circle(refusal.x, refusal.y, 7.0, "lg-hit")]
    if refusal.cause_x is not None:
        low, x1, x2 = layout.spine_y - 5, refusal.cause_x, refusal.x
        pieces.append(path(f"M{x1:.1f} {low:.1f}Q{(x1 + x2) / 2:.1f} {refusal.y - 22:.1f} {x2:.1f} {refusal.y:.1f}", "lg-arc"))
    pieces.append(cross(refusal.x, refusal.y))
    return tag("g", *pieces, class_="lg-refused", data_stops=str(refusal.step.position))


def _ray(ray: Ray, layout: Layout, numbers: Numbers) -> Markup:
    gate, end, y = layout.gate, layout.column + 14, ray.label.y - 4
    middle = (gate + end) / 2
    start = f"M{ray.x1:.1f} {ray.y1:.1f}"
    run = f"H{gate:.1f}" if ray.x1 < gate else ""
    curve = f"{start}{run}C{middle:.1f} {ray.y1:.1f} {middle:.1f} {y:.1f} {end:.1f} {y:.1f}"
    pieces = [
        tag("title", ray.details),
        path(curve, "lg-hit"),
        path(curve, "lg-ray", stroke_width=1.2 + 1.6 * ray.step.score),
        path(f"M{end:.1f} {y - 3.5:.1f}l6 3.5l-6 3.5z", "lg-head"),
        tag(
            "text",
            tag("tspan", str(ray.step.chain), class_="lg-of"),
            f" {ray.label.text}",
            x=ray.label.x,
            y=ray.label.y,
            class_="lg-why",
        ),
    ]
    stops = None if ray.step.cause_position is None else str(ray.step.cause_position)
    return tag(
        "g",
        *pieces,
        class_=f"lg-step lg-imagined {colour(ray.step.chain)}",
        data_step=numbers[ray.step],
        data_chain=ray.step.chain,
        data_score=f"{ray.step.score:.4f}",
        data_stops=stops,
    )


def _row(row: Row, layout: Layout, numbers: Numbers) -> Markup:
    x = layout.column
    if row.refused:
        pieces = [tag("title", row.details), cross(x + 14, row.y - 4), text(row.title, x + 26, row.y, "lg-ghost")]
        return tag("g", *pieces, class_="lg-refused")
    pieces = [tag("title", row.details)]
    pieces.append(badge(x + 14, row.y - 5, row.rank) if row.rank else circle(x + 14, row.y - 4, 4.5, "lg-free"))
    pieces.append(text(row.title, x + 28, row.y, "lg-title" if row.rank else "lg-title lg-light"))
    if row.why:
        pieces.append(text(row.why, x + 28, row.y + 15, "lg-because" if row.has_reason else "lg-none"))
    elif not row.rays:
        pieces.append(text("no verified chain" if layout.verified else "no chain", x + 28, row.y + 15, "lg-none"))
    steps = " ".join(str(numbers[ray.step]) for ray in row.rays)
    return tag("g", *pieces, class_="lg-row", data_steps=steps)


def _stop(stop: Stop, layout: Layout) -> Markup:
    y = layout.spine_y
    pieces = [tag("title", stop.details), circle(stop.x, y, 3.6, "lg-dot"), circle(stop.x, y, 9.0, "lg-hit")]
    if layout.tilted:
        turn = f"rotate(50 {stop.x:.1f} {y + 16:.1f})"
        pieces.append(text(stop.lines[0], stop.x, y + 16, "lg-item", transform=turn))
    else:
        for number, words in enumerate(stop.lines):
            pieces.append(text(words, stop.x, y + 24 + 15 * number, "lg-item lg-middle"))
    return tag("g", *pieces, class_="lg-stop", data_position=stop.position)
