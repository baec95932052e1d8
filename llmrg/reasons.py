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
    pairs = np.stack([graphs.owners[accepted], graphs.steps["reason"][accepted].astype(np.int64)], axis=1)
    steps = np.bincount(pairs[:, 1], minlength=len(graphs.texts)).tolist()
    users = np.bincount(np.unique(pairs, axis=0)[:, 1], minlength=len(graphs.texts)).tolist()
    uses = [(graphs.texts[row], steps[row], users[row]) for row in np.unique(pairs[:, 1]).tolist() if graphs.texts[row].strip()]
    return [ReasonUse(*use, vetoes.refuse(use[0])) for use in sorted(uses, key=lambda use: (-use[1], use[0]))]
