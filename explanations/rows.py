"""The right side of the picture: what was imagined beyond the history, and what is recommended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from llmrg.core.records import Step
from llmrg.data.dataset import Catalogue
from llmrg.explanations.explain import Explanation
from llmrg.explanations.geometry import Label, Ray, Row
from llmrg.explanations.measure import shorten, width
from llmrg.explanations.telling import main_reason
from llmrg.explanations.wording import reason_of, step_details, title_of

ROWS_WIDTH = 300.0
ROW, RAY, REFUSED, HEADING, GAP = 18.0, 16.0, 18.0, 24.0, 9.0
BOLD = 14.6
"""Size to measure bold titles of 13 px with."""
MOST_REFUSED = 8
"""Rejected continuations that are listed; the table under the picture has all."""


def rows_height(
    imagined: Sequence[Step], refused: Sequence[Step], ranks: Mapping[str, int], whys: Mapping[str, Explanation]
) -> float:
    """Height of all rows in px."""
    reached = {step.item for step in imagined}
    lone = [item for item in ranks if item not in reached]
    ghosts = min(sum(1 for step in refused if step.kind == "imagined"), MOST_REFUSED)
    return (
        len(reached) * (ROW + GAP)
        + (len(imagined) + len(reached & set(whys))) * RAY
        + len(lone) * (ROW + RAY + GAP)
        + (HEADING + ghosts * REFUSED if ghosts else 0.0)
    )


def place_rows(
    catalogue: Catalogue,
    imagined: Sequence[Step],
    refused: Sequence[Step],
    ranks: Mapping[str, int],
    whys: Mapping[str, Explanation],
    starts: Mapping[Step, tuple[float, float]],
    x: float,
    top: float,
    body: float,
) -> tuple[Row, ...]:
    """Rows in the order of the strands that lead to them, so that few lines cross; then the recommended items that no chain
    leads to; then the rejected continuations."""
    by_item: defaultdict[str, list[Step]] = defaultdict(list)
    for step in imagined:
        by_item[step.item].append(step)

    def height_of(item: str) -> tuple[float, float]:
        ys = [starts[step][1] for step in by_item[item]]
        return sum(ys) / len(ys), ranks.get(item, 10**6)

    y = top + (body - rows_height(imagined, refused, ranks, whys)) / 2 + 12
    rows = []
    for item in [*sorted(by_item, key=height_of), *sorted(set(ranks) - set(by_item), key=lambda i: ranks[i])]:
        title = shorten(title_of(catalogue, item), ROWS_WIDTH - 44, BOLD)
        steps = sorted(by_item.get(item, []), key=lambda s: starts[s][1])
        why, first = whys.get(item), 2 if item in whys else 1
        rays = tuple(_ray(step, starts[step], x, y + RAY * (n + first), catalogue) for n, step in enumerate(steps))
        why_text = _why(why, catalogue) if why is not None else ""
        details = "\n".join([title_of(catalogue, item), *(why.lines(catalogue) if why is not None else ())])
        rows.append(Row(item, title, y, ranks.get(item), rays, (), details, why_text, why is not None and why.found))
        y += ROW + RAY * max(len(rays) + first - 1, 1) + GAP
    ghosts = [step for step in refused if step.kind == "imagined"][:MOST_REFUSED]
    y += HEADING - GAP
    for step in ghosts:
        text = shorten(f"{title_of(catalogue, step.item)}: {reason_of(step, catalogue)}", ROWS_WIDTH - 44, 12)
        rows.append(Row(step.item, text, y, None, (), (step,), step_details(step, catalogue)))
        y += REFUSED
    return tuple(rows)


def _why(why: Explanation, catalogue: Catalogue) -> str:
    name, share = main_reason(why.parts, why.reasons, catalogue)
    room = ROWS_WIDTH - 44 - width(f": {share}", 12)
    return f"{shorten(name, room, 12)}: {share}" if share else name


def _ray(step: Step, start: tuple[float, float], x: float, y: float, catalogue: Catalogue) -> Ray:
    text = shorten(reason_of(step, catalogue), ROWS_WIDTH - 64, 12)
    return Ray(step, *start, Label(x + 24, y, text), step_details(step, catalogue))
