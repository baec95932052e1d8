"""Why an item: the chain of accepted steps that leads from the history to it, or the news that there is none.

An explanation is a list of stored steps and nothing else, so every edge it shows is an edge of the store.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from llmrg.core.errors import CallerError
from llmrg.core.records import History, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue
from llmrg.explanations.wording import cause_of, title_of

Chain = tuple[Step, ...]


@dataclass(frozen=True)
class Explanation:
    """The chain that leads to a recommended item, oldest step first; the last step is the imagined one."""

    user: str
    item: str
    steps: Chain = ()
    score: float = 0.0
    """Score of the weakest step, in [0, 1]; 0 if there is no chain."""
    verified: bool = False
    """Whether the steps of the graph were verified (`explanations.verification`); their scores mean nothing else."""

    @property
    def found(self) -> bool:
        """Whether a chain of accepted steps leads to the item."""
        return bool(self.steps)

    def text(self, catalogue: Catalogue, most: int = 4) -> str:
        """A few readable lines: the last `most` steps, and how many came before them."""
        title = title_of(catalogue, self.item)
        if not self.found:
            return f"no {'verified ' if self.verified else ''}chain leads to “{title}”"
        count = len(self.steps)
        steps = "step" if count == 1 else "steps"
        checked = f"{count} verified {steps}, the weakest with score {self.score:.2f}"
        lines = [f"“{title}”: {checked if self.verified else f'{count} {steps}, not verified'}"]
        shown = self.steps[-most:] if most > 0 else ()
        if len(shown) < count:
            lines.append(f"  ({count - len(shown)} earlier)")
        return "\n".join(lines + [f"  {_line(step, catalogue, self.verified)}" for step in shown])

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        steps = [step.to_json() for step in self.steps]
        told = {"user": self.user, "item": self.item, "found": self.found, "verified": self.verified, "score": self.score}
        return {**told, "steps": steps}


Recommended = tuple[str, float, Explanation]
"""Item, the recommender's score of it (any scale, higher is better), and why."""


def _line(step: Step, catalogue: Catalogue, verified: bool) -> str:
    notes = [f"{step.score:.2f}"] if verified else []
    if step.kind == "imagined":
        notes.append("imagined")
    if step.origin == "knowledge":
        notes.append("knowledge base")
    told = f" ({', '.join(notes)})" if notes else ""
    return f"{cause_of(step, catalogue)} → {step.reason} → “{title_of(catalogue, step.item)}”{told}"


def explain(
    graph: ReasoningGraph, history: History, item: str, position: int | None = None, *, verified: bool = False
) -> Explanation:
    """The best chain of accepted steps from the history to `item`.

    Only steps that a recommendation for `position` may use are looked at (`graph.before`), of the imagined ones those of the
    latest cut. A chain is followed back from the imagined step along its causes, within one chain number, to a root or to the
    item it started from. Of several chains the one whose weakest step is strongest wins; among equals the one with the higher
    product. Steps that contradict the history (a graph built on other data) are not used.

    Args:
        position: recommend for this position; by default the one after the last item.
        verified: the steps of the graph were verified (`was_verified` tells): the explanation calls them so.
    Raises: CallerError: the graph is another user's, or the position is not in 0..len(history).
    """
    if graph.user != history.user:
        raise CallerError(f"the graph is of user {graph.user!r}, the history of user {history.user!r}: pass both of one user")
    if position is None:
        position = len(history)
    if not 0 <= position <= len(history):
        raise CallerError(f"position {position} is not in 0..{len(history)} (user {history.user!r})")
    known, past = graph.before(position), history.before(position)
    cut = max(known.cuts(), default=None)
    ends = [step for step in known.imagined(cut) if step.item == item and fits(step, past)] if cut is not None else []
    if not ends:
        return Explanation(history.user, item, verified=verified)
    paths = _paths(step for step in known.reasoned() if fits(step, past))
    best = max(((*_best(paths, end), end) for end in ends), key=_strength)
    return Explanation(history.user, item, best, min(step.score for step in best), verified)


def fits(step: Step, history: History) -> bool:
    """Whether the step speaks of the items that stand in this history at its positions."""
    if step.cause_position is not None and history.items[step.cause_position : step.cause_position + 1] != (step.cause,):
        return False
    return step.kind == "imagined" or history.items[step.position : step.position + 1] == (step.item,)


Paths = dict[tuple[int, int], list[Chain]]


def _paths(steps: Iterable[Step]) -> Paths:
    """(chain number, position) -> for each step that ends there, the best way to it."""
    paths: Paths = defaultdict(list)
    for step in sorted(steps, key=lambda s: s.position):
        paths[step.chain, step.position].append((*_best(paths, step), step))
    return paths


def _best(paths: Paths, step: Step) -> Chain:
    """The best way to the cause of the step; empty where the step is the first of its chain."""
    if step.cause_position is None:
        return ()
    return max(paths.get((step.chain, step.cause_position), []), key=_strength, default=())


def _strength(chain: Chain) -> tuple[float, float, int]:
    scores = [step.score for step in chain]
    return min(scores), math.prod(scores), -len(chain)
