"""How often each reason stands in the stored graphs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmrg.core.graph_table import GraphTable
from llmrg.core.vetoes import Vetoes


@dataclass(frozen=True, slots=True)
class ReasonUse:
    """One wording of a reason."""

    reason: str
    steps: int
    """Accepted steps that have it."""
    users: int
    vetoed: bool
    """Whether the lists of denied and allowed reasons refuse it."""


def uses_of(graphs: GraphTable, vetoes: Vetoes) -> list[ReasonUse]:
    """The most used first, then by the alphabet."""
    accepted = np.flatnonzero(graphs.steps["accepted"])
    reason, texts = graphs.steps["reason"][accepted].astype(np.int64), graphs.texts
    by_user = np.unique(graphs.owners[accepted] * len(texts) + reason) % max(len(texts), 1)
    steps, users = (np.bincount(rows, minlength=len(texts)).tolist() for rows in (reason, by_user))
    uses = [(text, steps[row], users[row]) for row, text in enumerate(texts) if steps[row] and text.strip()]
    return [ReasonUse(*use, vetoes.refuse(use[0])) for use in sorted(uses, key=lambda use: (-use[1], use[0]))]
