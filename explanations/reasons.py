"""What an item's score is the sum of, and the steps and items that stand behind each part."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal

from llmrg.core.contribution import Contribution
from llmrg.core.records import History, ReasoningGraph, Step
from llmrg.core.themes import Themes
from llmrg.data.dataset import Catalogue
from llmrg.explanations.chains import Chain, chains_to, fits
from llmrg.explanations.lanes import strands
from llmrg.explanations.wording import title_of

LEAST = 0.01
"""A part below this share of all parts above 0 counts as nothing."""


@dataclass(frozen=True, slots=True)
class Part:
    """A summand of an item's score; contributions of one theme are added up."""

    kind: Literal["base", "theme", "imagined", "graph"]
    """See `Contribution.kind`."""
    name: str
    """Theme, reason, or recommender."""
    value: float
    """On the recommender's scale; below 0 it speaks against the item."""
    share: float | None = 0.0
    """Of the base together with all other parts above 0, in [0, 1]. None where the base as a whole is not above 0: scores such as
    logarithms have no zero to measure a whole from."""
    share_of_reasons: float = 0.0
    """Of the sum of all reasons above 0, in [0, 1]; 0 for the base."""
    counts: bool = False
    """Whether it speaks for the item, and is not next to nothing beside the other parts above 0."""
    positions: tuple[int, ...] = ()
    """Positions of the history that the reason comes from, ascending."""
    items: tuple[str, ...] = ()
    """The items at these positions."""
    steps: tuple[Step, ...] = ()
    """Stored steps that asked for the theme, or that imagined the item."""
    chains: tuple[Chain, ...] = ()
    """The steps joined end to end; behind an imagined step, the chain that it was grown from as well."""
    sources: tuple[str, ...] = ()
    """Whose profiles say that the item stands for the theme."""

    @property
    def is_reason(self) -> bool:
        return self.kind in ("theme", "imagined")

    def to_json(self, catalogue: Catalogue | None = None) -> dict[str, Any]:
        """Plain values only; `titles` of the items where a catalogue is given."""
        plain = ("kind", "name", "value", "share", "share_of_reasons")
        fields: dict[str, Any] = {name: getattr(self, name) for name in plain}
        fields |= {name: list(getattr(self, name)) for name in ("positions", "items", "sources")}
        if catalogue is not None:
            fields["titles"] = [title_of(catalogue, item) for item in self.items]
        return {**fields, "steps": [step.to_json() for step in self.steps]}


def parts_of(
    contributions: Sequence[Contribution], graph: ReasoningGraph, past: History, item: str, themes: Themes
) -> tuple[Part, ...]:
    """The contributions as parts: reasons first, each group by value. Their values sum to that of the contributions.

    Args: graph: the user's graph, cut at the question; past: the history before it; item: whose score it is.
    """
    chains = chains_to(graph, past, item)
    imagined = {step.reason for step in graph.imagined() if step.item == item}
    named = sorted(
        (_named(contribution, past, chains, imagined) for contribution in contributions),
        key=lambda contribution: (contribution.kind, contribution.name),
    )
    merged = [
        _merged(list(group)) for _, group in groupby(named, key=lambda contribution: (contribution.kind, contribution.name))
    ]
    parts = [_with_chains(part, graph, past, chains, themes) for part in _with_shares(merged)]
    return tuple(sorted(parts, key=lambda part: (not part.is_reason, -part.value, part.name)))


def _named(contribution: Contribution, past: History, chains: Sequence[Chain], reasons: Set[str]) -> Contribution:
    """Under the name that people are told. Args: reasons: of the imagined steps that end in the item."""
    if contribution.kind == "base" and not len(past):
        return replace(contribution, name="popularity")  # which is what every recommender answers an empty history with
    if contribution.kind == "imagined" and contribution.name not in reasons:
        return replace(
            contribution, name=_all_names(chains) or contribution.name
        )  # of a recommender that does not tell imagined steps apart
    return contribution


def _all_names(chains: Sequence[Chain]) -> str:
    return ", ".join(dict.fromkeys(chain[-1].reason for chain in chains))


def _merged(same: Sequence[Contribution]) -> Part:
    positions = tuple(sorted({position for contribution in same for position in contribution.positions}))
    sources = tuple(dict.fromkeys(contribution.source for contribution in same if contribution.source))
    return Part(
        same[0].kind, same[0].name, sum(contribution.value for contribution in same), positions=positions, sources=sources
    )


def _with_shares(parts: Sequence[Part]) -> list[Part]:
    above = [part for part in parts if part.value > 0]
    base = sum(part.value for part in parts if part.kind == "base")
    base_above = sum(part.value for part in above if part.kind == "base")
    reasons = sum(part.value for part in above if part.is_reason)
    whole = base + sum(part.value for part in above if part.kind != "base")
    measurable = base > 0 or not any(part.value for part in parts if part.kind == "base")
    least = LEAST * sum(part.value for part in above)
    shared = []
    for part in parts:
        value = max(part.value, 0.0)
        of_base = base / base_above if part.kind == "base" and base > 0 else 1.0
        share = (value * of_base / whole if whole else 0.0) if measurable else None
        of_reasons = value / reasons if reasons and part.is_reason else 0.0
        shared.append(replace(part, share=share, share_of_reasons=of_reasons, counts=value > 0 and value >= least))
    return shared


def _with_chains(part: Part, graph: ReasoningGraph, past: History, chains: Sequence[Chain], themes: Themes) -> Part:
    steps: tuple[Step, ...] = ()
    shown: tuple[Chain, ...] = ()
    if part.kind == "theme":
        at_positions = [step for step in graph.reasoned() if step.position in part.positions and fits(step, past)]
        steps = tuple(step for step in at_positions if themes.theme(step.reason) == part.name)
        shown = tuple(strand.steps for strand in strands(steps, ()))
    elif part.kind == "imagined":
        shown = tuple(chain for chain in chains if part.name in (chain[-1].reason, _all_names(chains)))
        steps = tuple(chain[-1] for chain in shown)
    positions = part.positions or tuple(sorted({s.cause_position for s in steps if s.cause_position is not None}))
    items = tuple(past.items[position] for position in positions if position < len(past))
    return replace(part, positions=positions, items=items, steps=steps, chains=shown)
