"""A user's page inside a notebook cell."""

from __future__ import annotations

import html
from collections.abc import Sequence

from llmrg.core.records import History, ReasoningGraph
from llmrg.data.dataset import Catalogue
from llmrg.explanations.explain import Recommended
from llmrg.explanations.layout import lay_out
from llmrg.explanations.page import draw_page
from llmrg.explanations.svg import ranks_of, whys_of

CONTROLS, TALLEST = 330, 900
"""px above and under the picture; the most that a cell takes before it scrolls."""


def notebook_html(
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
    """The page in a sandboxed frame, for `_repr_html_`: its script and style neither see nor touch the notebook.

    Raises: CallerError: the graph is another user's.
    """
    page = draw_page(catalogue, history, graph, recommendations, title=title, simulated=simulated, cut=cut, verified=verified)
    layout = lay_out(catalogue, history, graph, ranks_of(recommendations), cut, whys=whys_of(recommendations))
    height = min(layout.height + CONTROLS, TALLEST)
    return (
        f'<iframe srcdoc="{html.escape(page)}" sandbox="allow-scripts" title="Reasoning graph" '
        f'style="width:100%;height:{height:.0f}px;border:0"></iframe>'
    )
