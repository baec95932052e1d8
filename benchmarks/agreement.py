"""Do the reasons agree with the planted ones: accepted steps, rejected steps, and reasons drawn at random from the same bank."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from llmrg.core.records import ReasoningGraph, Step
from llmrg.data.truth import PlantedStep
from llmrg.evaluation.statistics import bootstrap_mean
from llmrg.testing.graph_quality import is_right


def agreement(graphs: Mapping[str, ReasoningGraph], truth: Sequence[PlantedStep], bank: Sequence[str]) -> dict[str, Any]:
    """Share of steps whose reason is the planted one, among positions that have a planted reason.

    Each share is the mean over users of the user's own share, with a 95 % bootstrap interval over users.
    """
    planted = {(step.user, step.position): step for step in truth if step.reason is not None}
    generator = random.Random(0)
    steps = [s for g in graphs.values() for s in g.steps if s.kind == "reasoned" and (s.user, s.position) in planted]
    rows = {
        "accepted": [s for s in steps if s.accepted],
        "rejected": [s for s in steps if not s.accepted],
        "random reason from the bank": [replace(s, reason=generator.choice(list(bank))) for s in steps],
    }
    return {name: {**asdict(_share(chosen, planted)), "steps": len(chosen)} for name, chosen in rows.items()}


def _share(steps: Sequence[Step], planted: Mapping[tuple[str, int], PlantedStep]) -> Any:
    by_user: dict[str, list[bool]] = {}
    for step in steps:
        by_user.setdefault(step.user, []).append(is_right(step, planted[step.user, step.position]))
    return bootstrap_mean(np.array([np.mean(rights) for rights in by_user.values()] or [0.0]))
