"""One user's page: the picture, the recommendations with their chains, every step in a table. Nothing is loaded from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from llmrg.core.records import History, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue
from llmrg.explanations.explain import Recommended
from llmrg.explanations.geometry import Layout
from llmrg.explanations.layout import lay_out
from llmrg.explanations.legend import legend_items
from llmrg.explanations.svg import Numbers, colour, inline, numbered, ranks_of
from llmrg.explanations.templating import render
from llmrg.explanations.wording import cause_of, clean, origin_of, title_of, verdict_of

OPEN_STEPS = 4
"""Steps of a chain that a card shows at once; the earlier ones open on demand."""


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
class _Card:
    """One recommendation."""

    rank: int
    title: str
    score: float
    found: bool
    verified: bool
    weakest: float
    chain: int
    steps: str
    earlier: tuple[_Pace, ...]
    paces: tuple[_Pace, ...]


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
    layout = lay_out(catalogue, history, graph, ranks_of(recommendations), cut, verified=verified)
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
    known = graph.before(len(history))
    reasoned, imagined, waiting = len(known.reasoned()), known.imagined(layout.cut), len(known.waiting())
    refused = len(known.rejected()) - waiting
    chains = len({step.chain for step in known.reasoned()})
    step, unchecked = ("verified step", "") if layout.verified else ("step", ", not verified")
    facts = [_count(len(history), noun), f"{_count(reasoned, step)} in {_count(chains, 'chain')}{unchecked}"]
    if layout.cut is not None:
        facts.append(f"{len(imagined)} imagined from cut {layout.cut}")
    if waiting:
        facts.append(f"{_count(waiting, 'step')} waiting for review")
    return [*facts, f"{refused} rejected"] if known.steps else [facts[0], "no steps yet"]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _card(rank: int, entry: Recommended, catalogue: Catalogue, numbers: Numbers) -> _Card:
    item, score, why = entry
    paces = tuple(_pace(step, catalogue) for step in why.steps)
    steps = " ".join(str(numbers[step]) for step in why.steps if step in numbers)
    chain = why.steps[-1].chain if why.found else -1
    early, late = paces[:-OPEN_STEPS], paces[-OPEN_STEPS:]
    return _Card(rank, title_of(catalogue, item), score, why.found, why.verified, why.score, chain, steps, early, late)


def _pace(step: Step, catalogue: Catalogue) -> _Pace:
    imagined, reason = step.kind == "imagined", clean(step.reason)
    return _Pace(cause_of(step, catalogue), reason, title_of(catalogue, step.item), step.score, imagined, colour(step.chain))


def _table_row(step: Step, catalogue: Catalogue) -> dict[str, str]:
    imagined = step.kind == "imagined"
    return {
        "place": f"cut {step.position}" if imagined else str(step.position),
        "chain": str(step.chain) if step.accepted else "–",
        "cause": cause_of(step, catalogue),
        "reason": clean(step.reason),
        "item": title_of(catalogue, step.item),
        "score": f"{step.score:.2f}",
        "kind": step.kind,
        "origin": origin_of(step),
        "verdict": verdict_of(step),
    }
