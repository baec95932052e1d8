"""Why an item: the reasons that took part in its score, or the news that none did.

An explanation shows stored steps and items of the history and nothing else, so every edge it shows is an edge of the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llmrg.core.contribution import Contribution
from llmrg.core.errors import CallerError
from llmrg.core.records import History, ReasoningGraph
from llmrg.core.themes import Themes
from llmrg.core.vetoes import Vetoes
from llmrg.data.dataset import Catalogue
from llmrg.explanations.chains import Chain, chain_at, chains_to, strength
from llmrg.explanations.reasons import Part, parts_of
from llmrg.explanations.telling import chain_lines, part_lines, taken_lines
from llmrg.explanations.wording import HIDDEN, title_of


@dataclass(frozen=True)
class Explanation:
    """What the score of a recommended item is the sum of; without a recommender, the chain that leads to the item."""

    user: str
    item: str
    steps: Chain = ()
    """All stored steps that are shown, those of the strongest reason first. Without a recommender: one chain, oldest first."""
    score: float = 0.0
    """Score of the weakest of these steps, in [0, 1]; 0 if there is none."""
    verified: bool = False
    """Whether the steps of the graph were verified (`explanations.verification`); their scores mean nothing else."""
    attributed: bool = False
    """Whether a recommender told what the score is the sum of. If not, nobody knows whether the chain took part in it."""
    parts: tuple[Part, ...] = ()
    """What the score is the sum of: reasons first, best first, then the rest."""

    taken: int | None = None
    """Position at which the item was taken already, the latest; None for an item that is new to the user."""
    taken_at: float | None = None
    """When that was (Unix seconds); None where the data has no clock."""

    def __repr__(self) -> str:
        taken = f", taken at {self.taken}" if self.taken is not None else ""
        checked = "" if self.verified else " not verified"
        return f"Explanation({self.user!r}, {self.item!r}: {len(self.reasons)} reasons, {len(self.steps)} steps{checked}{taken})"

    @property
    def reasons(self) -> tuple[Part, ...]:
        """Themes and imagined steps that speak for the item, best first; those next to nothing left out."""
        return tuple(part for part in self.parts if part.is_reason and part.counts)

    @property
    def found(self) -> bool:
        """Whether a reason took part in the score; without a recommender, whether a chain leads to the item."""
        return bool(self.reasons) if self.attributed else bool(self.steps)

    def lines(self, catalogue: Catalogue, most: int | None = None) -> tuple[str, ...]:
        """A summary, then the `most` strongest reasons and where the rest comes from; or the last `most` steps of the chain.

        By default 3 reasons, or 4 steps.
        """
        if self.taken is not None:
            return taken_lines(self.taken, self.taken_at, self.steps, catalogue, self.verified, 4 if most is None else most)
        if self.attributed:
            return part_lines(self.parts, self.reasons, catalogue, self.verified, 3 if most is None else most)
        return chain_lines(self.steps, catalogue, self.verified, 4 if most is None else most)

    def text(self, catalogue: Catalogue, most: int | None = None) -> str:
        """A few readable lines, most important first; `most` as in `lines`."""
        title = title_of(catalogue, self.item)
        first, *rest = self.lines(catalogue, most)
        if not self.attributed and not self.found and self.taken is None:
            return f"{first} to “{title}”"
        return "\n".join([f"“{title}”: {first}", *(f"  {line}" for line in rest)])

    def to_json(self, catalogue: Catalogue | None = None) -> dict[str, Any]:
        """Plain values only; with a catalogue the parts name the titles of their items."""
        plain = {"user": self.user, "item": self.item, "found": self.found, "verified": self.verified, "score": self.score}
        parts = [part.to_json(catalogue) for part in self.parts]
        steps = [step.to_json() for step in self.steps]
        taken = {"taken": self.taken, "taken_at": self.taken_at}
        return {**plain, "attributed": self.attributed, "parts": parts, "steps": steps, **taken}


Recommended = tuple[str, float, Explanation]
"""Item, the recommender's score of it (any scale, higher is better), and why."""


def explain(
    graph: ReasoningGraph,
    history: History,
    item: str,
    position: int | None = None,
    *,
    contributions: Sequence[Contribution] | None = None,
    themes: Themes | None = None,
    verified: bool = False,
    vetoes: Vetoes | None = None,
) -> Explanation:
    """What took part in the item's score.

    A theme is shown by the accepted steps that asked for it: those whose reason belongs to it, at the positions that the
    contribution names. Where the graph has none (a history given on the spot, a theme that only profiles name) it is told by the
    items at these positions. An imagined step is shown with the chain it was grown from. Only steps that a recommendation for
    `position` may use are looked at (`graph.before`), of the imagined ones those of the latest cut; steps that contradict the
    history (a graph built on other data) are not shown.

    Args:
        position: recommend for this position; by default the one after the last item.
        contributions: `recommender.contributions(query, item)` for the same position, an empty list included. Without them the
            best chain that leads to the item is shown (`chains_to`), and it is not known whether it took part; of an item that
            was taken already, when that was and the chain that led to it.
        themes: which theme a reason's text belongs to; by default each text is its own.
        verified: the steps of the graph were verified (`was_verified` tells): the explanation calls them so.
        vetoes: reasons that are not shown: their steps are left out, and what they added to the score is told as one sum without
            a name.
    Raises: CallerError: the graph is another user's, or the position is not in 0..len(history).
    """
    if graph.user != history.user:
        raise CallerError(f"the graph is of user {graph.user!r}, the history of user {history.user!r}: pass both of one user")
    if position is None:
        position = len(history)
    if not 0 <= position <= len(history):
        raise CallerError(f"position {position} is not in 0..{len(history)} (user {history.user!r})")
    if vetoes and contributions is not None:
        contributions = _without_names(contributions, graph, vetoes)
    visible, past = (vetoes or Vetoes()).shown(graph.before(position)), history.before(position)
    if contributions is None and item in past.items:
        taken = max(number for number, earlier in enumerate(past.items) if earlier == item)
        steps, at = chain_at(visible, past, taken), past.at[taken] if past.at else None
        weakest = min((step.score for step in steps), default=0.0)
        return Explanation(history.user, item, steps, weakest, verified, taken=taken, taken_at=at)
    if contributions is None:
        best = max(chains_to(visible, past, item), key=strength, default=())
        return Explanation(history.user, item, best, min((step.score for step in best), default=0.0), verified)
    parts = parts_of(contributions, visible, past, item, themes or Themes())
    shown = dict.fromkeys(step for part in parts if part.is_reason and part.counts for chain in part.chains for step in chain)
    weakest = min((step.score for step in shown), default=0.0)
    return Explanation(history.user, item, tuple(shown), weakest, verified, True, parts)


def _without_names(contributions: Sequence[Contribution], graph: ReasoningGraph, vetoes: Vetoes) -> list[Contribution]:
    """Those of refused reasons as a part of the base. (An imagined part of some recommenders has the recommender's name.)"""
    imagined = {step.reason for step in graph.imagined()}
    named = [
        contribution.kind == "theme" or (contribution.kind == "imagined" and contribution.name in imagined)
        for contribution in contributions
    ]
    return [
        Contribution("base", HIDDEN, contribution.value) if by_reason and vetoes.refuse(contribution.name) else contribution
        for contribution, by_reason in zip(contributions, named, strict=True)
    ]
