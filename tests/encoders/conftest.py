"""Random histories and graphs that use every liberty a graph has."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from llmrg.core.records import History, ReasoningGraph, Step, in_order

REASONS = ("ghosts", "submarine warfare", "cerebral science fiction", "", "poverty")


def random_graph(seed: int, length: int, items: int = 20) -> tuple[History, ReasoningGraph]:
    """Steps made late, causes of all kinds, rejected steps, several imagined cuts, some seen late."""
    dice = random.Random(seed)
    rows = dice.sample(range(1, items + 1), length)
    history = History("u", tuple(str(row) for row in rows))
    steps = []
    for _ in range(dice.randrange(3 * length)):
        kind = dice.choice(("reasoned", "reasoned", "imagined"))
        position = dice.randrange(length) if kind == "reasoned" else dice.randrange(length + 1)
        causes = ["attribute", "root"] + ["item"] * 3 * (position > 0)
        cause_kind = dice.choice(causes)
        at = dice.randrange(position) if cause_kind == "item" else None
        cause = history.items[at] if at is not None else dice.choice(("age=old", "job=cook")) if cause_kind == "attribute" else ""
        item = history.items[position] if kind == "reasoned" else str(dice.randrange(1, items + 1))
        seen = position + (kind == "reasoned") + dice.choice((0, 0, 0, 1, 3))
        score, accepted = dice.choice((0.0, 0.3, 0.9, 1.0)), dice.random() < 0.9
        steps.append(Step("u", position, kind, cause_kind, cause, at, dice.choice(REASONS), item, score, 0, seen, accepted))
    return history, ReasoningGraph("u", in_order(steps))


@pytest.fixture(scope="session")
def make_graph() -> Callable[..., tuple[History, ReasoningGraph]]:
    return random_graph
