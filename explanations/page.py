"""One user's page: the picture, the recommendations with their reasons, every step in a table. Nothing is loaded from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from llmrg.core.records import History, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue
from llmrg.explanations.explain import Explanation, Recommended
from llmrg.explanations.geometry import Layout
from llmrg.explanations.layout import lay_out
from llmrg.explanations.legend import legend_items
from llmrg.explanations.reasons import Part
from llmrg.explanations.svg import Numbers, colour, inline, numbered, ranks_of, whys_of
from llmrg.explanations.telling import checked, name_of, rest_of, shares_of, shown, steps_of
from llmrg.explanations.templating import render
from llmrg.explanations.wording import cause_of, clean, count_of, origin_of, reason_of, title_of, verdict_of

OPEN_STEPS = 4
"""Steps of a chain that a card shows at once; the earlier ones open on demand."""
MOST_REASONS = 4
"""Reasons that a card shows."""


@dataclass(frozen=True)
class _Pace:
    """One step on a card."""

    cause: str
    reason: str
    item: str
    score: float
    imagined: bool
    colour: str


@dataclass(frozen=True)
class _Run:
    """Steps joined end to end; on a card only the last ones are open."""

    earlier: tuple[_Pace, ...]
    late: tuple[_Pace, ...]


@dataclass(frozen=True)
class _Reason:
    """One part of a score that reasons added."""

    name: str
    shares: str
    checked: str
    sources: str
    items: str
    steps: str
    runs: tuple[_Run, ...]


@dataclass(frozen=True)
class _Card:
    """One recommendation."""

    rank: int
    title: str
    score: float
    found: bool
    verified: bool
    attributed: bool
    summary: str
    checked: str
    chain: int
    steps: str
    run: _Run
    reasons: tuple[_Reason, ...]
    more: int
    rest: tuple[str, ...]


def draw_page(
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
    """A whole HTML page in one text.

    Args:
        recommendations: best first, each with its explanation.
        simulated: says on the page that this user was made by a simulator.
        cut: draw what was imagined from this cut; by default the latest one.
        verified: the steps were verified (`was_verified` tells): the page calls them so.
    Raises: CallerError: the graph is another user's.
    """
    whys = whys_of(recommendations)
    layout = lay_out(catalogue, history, graph, ranks_of(recommendations), cut, verified=verified, whys=whys)
    heading = clean(title) or f"Reasoning graph of user {clean(history.user)}"
    numbers = numbered(layout)
    chains = sorted({step.chain for step in numbers})
    return render(
        "page.html",
        heading=heading,
        simulated=simulated,
        noun=catalogue.noun,
        attributes=[(clean(name), clean(value)) for name, value in history.attributes],
        facts=_facts(layout, history, graph, catalogue.noun),
        chains=[(chain, colour(chain), sum(step.chain == chain for step in numbers)) for chain in chains],
        picture=Markup(inline(layout, heading)),
        least=round(0.82 * layout.width),
        natural=round(layout.width),
        legend=legend_items(layout),
        notes=layout.notes,
        refused=any(row.refused for row in layout.rows) or bool(layout.refusals),
        cards=[_card(rank, entry, catalogue, numbers) for rank, entry in enumerate(recommendations, start=1)],
        table=[_table_row(step, catalogue) for step in graph.before(len(history)).steps],
        run=clean(graph.run),
        version=graph.version,
    )


def _facts(layout: Layout, history: History, graph: ReasoningGraph, noun: str) -> list[str]:
    visible = graph.before(len(history))
    reasoned, imagined, waiting = len(visible.reasoned()), visible.imagined(layout.cut), len(visible.waiting())
    refused = len(visible.rejected()) - waiting
    chains = len({step.chain for step in visible.reasoned()})
    step, unchecked = ("verified step", "") if layout.verified else ("step", ", not verified")
    facts = [count_of(len(history), noun), f"{count_of(reasoned, step)} in {count_of(chains, 'chain')}{unchecked}"]
    if layout.cut is not None:
        facts.append(f"{len(imagined)} imagined from cut {layout.cut}")
    if waiting:
        facts.append(f"{count_of(waiting, 'step')} waiting for review")
    return [*facts, f"{refused} rejected"] if visible.steps else [facts[0], "no steps yet"]


def _card(rank: int, entry: Recommended, catalogue: Catalogue, numbers: Numbers) -> _Card:
    item, score, why = entry
    reasons = why.reasons if why.attributed else ()
    return _Card(
        rank,
        title_of(catalogue, item),
        score,
        why.found,
        why.verified,
        why.attributed,
        why.lines(catalogue, 0)[0],
        checked(why.steps, why.verified),
        why.steps[-1].chain if why.steps else -1,
        _numbers(why.steps, numbers),
        _run(why.steps, catalogue),
        tuple(_reason(part, why, catalogue, numbers) for part in reasons[:MOST_REASONS]),
        len(reasons[MOST_REASONS:]),
        rest_of(why.parts, reasons, catalogue),
    )


def _reason(part: Part, why: Explanation, catalogue: Catalogue, numbers: Numbers) -> _Reason:
    steps = steps_of(part)
    runs = tuple(_run(chain, catalogue) for chain in part.chains)
    items, sources = "" if steps else shown(part, catalogue), ", ".join(clean(name) for name in part.sources)
    return _Reason(
        name_of(part, catalogue), shares_of(part), checked(steps, why.verified), sources, items, _numbers(steps, numbers), runs
    )


def _numbers(steps: Sequence[Step], numbers: Numbers) -> str:
    return " ".join(str(numbers[step]) for step in steps if step in numbers)


def _run(chain: Sequence[Step], catalogue: Catalogue) -> _Run:
    paces = tuple(_pace(step, catalogue) for step in chain)
    return _Run(paces[:-OPEN_STEPS], paces[-OPEN_STEPS:])


def _pace(step: Step, catalogue: Catalogue) -> _Pace:
    imagined, reason = step.kind == "imagined", reason_of(step, catalogue)
    return _Pace(cause_of(step, catalogue), reason, title_of(catalogue, step.item), step.score, imagined, colour(step.chain))


def _table_row(step: Step, catalogue: Catalogue) -> dict[str, str]:
    imagined = step.kind == "imagined"
    return {
        "place": f"cut {step.position}" if imagined else str(step.position),
        "chain": str(step.chain) if step.accepted else "–",
        "cause": cause_of(step, catalogue),
        "reason": reason_of(step, catalogue),
        "item": title_of(catalogue, step.item),
        "score": f"{step.score:.2f}",
        "kind": step.kind,
        "origin": origin_of(step),
        "verdict": verdict_of(step),
    }
