"""Where everything stands: time runs left to right, the history is the spine, each chain a strand on a lane above it.

Pure: the same graph gives the same picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from llmrg.core.errors import CallerError
from llmrg.core.records import History, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue
from llmrg.explanations.chains import fits
from llmrg.explanations.explain import Explanation
from llmrg.explanations.geometry import Label, Layout, Link, Refusal, Stop, Track
from llmrg.explanations.lanes import Strand, assign, begin, strands
from llmrg.explanations.measure import shorten, width, wrap
from llmrg.explanations.rows import ROWS_WIDTH, place_rows, rows_height
from llmrg.explanations.wording import clean, item_details, reason_of, step_details, title_of

TARGET_WIDTH, LEAST_COLUMN, MOST_COLUMN = 880.0, 20.0, 118.0
TILT_BELOW = 86.0
"""Columns narrower than this get tilted titles."""
TITLE_SIZE, LABEL_SIZE = 12.0, 12.0
TITLE_ROOM = 200.0
LANE, MOST_LANE = 46.0, 58.0
GATE, FAN = 26.0, 84.0
CROSS = 13.0
LONG_HISTORY = 60
"""Longer histories lose the first items that no step speaks of."""


def lay_out(
    catalogue: Catalogue,
    history: History,
    graph: ReasoningGraph,
    ranks: Mapping[str, int] | None = None,
    cut: int | None = None,
    *,
    verified: bool = False,
    whys: Mapping[str, Explanation] | None = None,
) -> Layout:
    """Place the steps that a recommendation after this history may use.

    Args:
        ranks: item -> 1-based rank of the recommended items.
        cut: draw what was imagined from this cut; by default the latest one.
        verified: the steps were verified.
        whys: item -> what the score of a recommended item is the sum of, where a recommender told.
    Raises: CallerError: the graph is another user's.
    """
    if graph.user != history.user:
        raise CallerError(f"the graph is of user {graph.user!r}, the history of user {history.user!r}: pass both of one user")
    visible = graph.before(len(history))
    usable = [step for step in visible.steps if fits(step, history)]
    if cut is None:
        cut = max((s.position for s in usable if s.accepted and s.kind == "imagined"), default=None)
    reasoned = [s for s in usable if s.accepted and s.kind == "reasoned"]
    imagined = [s for s in usable if s.accepted and s.kind == "imagined" and s.position == cut]
    refused = [s for s in usable if not s.accepted and (s.kind == "reasoned" or s.position == cut)]
    first = _first_drawn(history, reasoned + imagined + refused)

    column = min(max(TARGET_WIDTH / max(len(history) - first, 1), LEAST_COLUMN), MOST_COLUMN)
    left = max(54.0, column / 2 + 8)
    xs = {p: left + column * (p - first) for p in range(first, len(history))}
    plan = strands(reasoned, imagined)
    ends = [_label_end(strand.steps[-1], xs, catalogue, 200.0) for strand in plan if strand.steps and strand.imagined]
    gate = max([max(xs.values(), default=left) + max(GATE, column / 2), *ends])
    x_rows = gate + FAN
    spans = [_span(strand, xs, gate, catalogue) for strand in plan]
    lanes = assign(spans, [_left_strand(strand, plan) for strand in plan])
    body = max((max(lanes, default=-1) + 1) * LANE, rows_height(imagined, refused, ranks or {}, whys or {}), 60.0)
    pitch = min(body / (max(lanes, default=0) + 1), MOST_LANE)
    stacks = Counter(step.position for step in refused if step.kind == "reasoned")
    band = 34 + CROSS * max(stacks.values()) if stacks else 14.0
    top = 34.0
    floor = top + body
    ys = [floor - pitch * (lane + 0.5) for lane in lanes]
    tracks = _tracks(plan, spans, lanes, ys, xs, gate, catalogue)
    starts = _ray_starts(plan, ys, xs, gate)
    rows = place_rows(catalogue, imagined, refused, ranks or {}, whys or {}, starts, x_rows, top, body)

    tilted = column < TILT_BELOW
    stops = tuple(_stop(history, p, x, column, tilted, catalogue) for p, x in xs.items())
    spine_y = floor + band
    return Layout(
        width=x_rows + ROWS_WIDTH,
        height=spine_y + _titles_height(stops, tilted),
        spine_y=spine_y,
        lanes_top=top,
        gate=gate,
        column=x_rows,
        tilted=tilted,
        stops=stops,
        tracks=tracks,
        refusals=_refusals(refused, xs, spine_y, catalogue),
        rows=rows,
        cut=cut,
        notes=_notes(history, graph, visible, usable, first, cut),
        verified=verified,
    )


def _first_drawn(history: History, steps: Sequence[Step]) -> int:
    """0, or in a long history the position from which steps speak of the items (one or two earlier)."""
    if len(history) <= LONG_HISTORY:
        return 0
    spoken = [begin(s) for s in steps]
    return max(0, min([*spoken, len(history) - LONG_HISTORY + 2]) - 2)


def _span(strand: Strand, xs: Mapping[int, float], gate: float, catalogue: Catalogue) -> tuple[float, float]:
    """The room a strand needs on its lane: the chain's number, the steps, a fair part of the last labels."""
    start = xs.get(strand.start, gate)
    if strand.imagined:
        return start - 30, gate + FAN
    return start - 30, max(xs[strand.end] + 10, _label_end(strand.steps[-1], xs, catalogue))


def _label_end(last: Step, xs: Mapping[int, float], catalogue: Catalogue, most: float = 150.0) -> float:
    """The least that the last label of a strand should reach to."""
    return _label_x(last, xs) + min(width(reason_of(last, catalogue), LABEL_SIZE) + 14, most)


def _tracks(
    plan: Sequence[Strand],
    spans: Sequence[tuple[float, float]],
    lanes: Sequence[int],
    ys: Sequence[float],
    xs: Mapping[int, float],
    gate: float,
    catalogue: Catalogue,
) -> tuple[Track, ...]:
    tracks: list[Track] = []
    for index, strand in enumerate(plan):
        left, right = spans[index]
        later = [spans[i][0] for i, lane in enumerate(lanes) if lane == lanes[index] and spans[i][0] > left]
        limit = gate if strand.imagined else min([*later, gate + FAN - 8])
        parent = _left_strand(strand, plan)
        branch = None if parent is None else ys[parent]
        links = _links(strand, ys[index], xs, limit - 6, catalogue)
        tracks.append(Track(strand.chain, lanes[index], ys[index], left, right, links, branch))
    return tuple(tracks)


def _left_strand(strand: Strand, plan: Sequence[Strand]) -> int | None:
    """Index of the strand of the same chain that explains the item at which this one begins."""
    first = (strand.steps or strand.imagined)[0]
    for index, other in enumerate(plan):
        if other is not strand and other.chain == strand.chain and first.cause_position in [s.position for s in other.steps]:
            return index
    return None


def _links(strand: Strand, y: float, xs: Mapping[int, float], limit: float, catalogue: Catalogue) -> tuple[Link, ...]:
    """Reasons stand above and below the line by turns, so that each has the room of two; a repeated one is not written again."""
    places: list[tuple[float, bool, bool]] = []
    above, before = False, ""
    for step in strand.steps:
        repeated = clean(step.reason) == before
        above, before = above if repeated else not above, clean(step.reason)
        places.append((_label_x(step, xs), above, repeated))
    links = []
    for index, (step, (x, side, repeated)) in enumerate(zip(strand.steps, places, strict=True)):
        following = [at for at, other, quiet in places[index + 1 :] if other == side and not quiet]
        room = min([*following, limit]) - x - (8 if following else 0)
        label = Label(x, y - 7 if side else y + 16, "" if repeated else _label(step, room, catalogue))
        links.append(Link(step, xs[begin(step)], xs[step.position], label, step_details(step, catalogue)))
    return tuple(links)


def _label_x(step: Step, xs: Mapping[int, float]) -> float:
    return xs[step.position] - 5 if step.cause_position is None else xs[begin(step)] + 7


def _label(step: Step, room: float, catalogue: Catalogue) -> str:
    """The reason; with the attribute it starts from where there is room for both."""
    reason = reason_of(step, catalogue)
    whole = f"{clean(step.cause)} → {reason}"
    if step.cause_kind == "attribute" and width(whole, LABEL_SIZE) <= room:
        return whole
    return shorten(reason, room, LABEL_SIZE)


def _ray_starts(
    plan: Sequence[Strand], ys: Sequence[float], xs: Mapping[int, float], gate: float
) -> dict[Step, tuple[float, float]]:
    """Imagined step -> where it leaves its strand."""
    return {step: (xs.get(s.end, gate), y) for s, y in zip(plan, ys, strict=True) for step in s.imagined}


def _refusals(refused: Sequence[Step], xs: Mapping[int, float], spine_y: float, catalogue: Catalogue) -> tuple[Refusal, ...]:
    heights: Counter[int] = Counter()
    refusals = []
    for step in refused:
        if step.kind == "reasoned":
            heights[step.position] += 1
            y = spine_y - 4 - CROSS * heights[step.position]
            cause_x = None if step.cause_position is None else xs[step.cause_position]
            refusals.append(Refusal(step, xs[step.position], y, cause_x, step_details(step, catalogue)))
    return tuple(refusals)


def _stop(history: History, position: int, x: float, column: float, tilted: bool, catalogue: Catalogue) -> Stop:
    title = title_of(catalogue, history.items[position])
    lines = (shorten(title, TITLE_ROOM, TITLE_SIZE),) if tilted else wrap(title, column - 10, TITLE_SIZE, 4)
    return Stop(position, history.items[position], x, lines, item_details(history, position, catalogue))


def _titles_height(stops: Sequence[Stop], tilted: bool) -> float:
    if tilted:
        return 30 + 0.78 * max(width(stop.lines[0], TITLE_SIZE) for stop in stops)
    return 30 + 15 * max((len(stop.lines) for stop in stops), default=1)


def _notes(
    history: History, graph: ReasoningGraph, visible: ReasoningGraph, usable: Sequence[Step], first: int, cut: int | None
) -> tuple[str, ...]:
    """What the picture leaves out."""
    later = len(graph.steps) - len(visible.steps)
    other = sum(1 for s in usable if s.accepted and s.kind == "imagined" and s.position != cut)
    misfit = len(visible.steps) - len(usable)
    notes = [
        f"{first} earlier items without steps are not drawn" if first else "",
        f"{other} imagined steps of other cuts are not drawn" if other else "",
        f"{later} steps made after position {len(history)} are not drawn" if later else "",
        f"{misfit} steps that do not fit this history are not drawn" if misfit else "",
    ]
    return tuple(note for note in notes if note)
