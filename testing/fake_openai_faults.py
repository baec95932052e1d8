"""What can go wrong with a request to a chat model, by name."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

Fault = Literal[
    "429 with Retry-After",
    "429",
    "500",
    "503",
    "401",
    "404",
    "stall",
    "cut connection",
    "garbage",
    "cut short",
    "refusal",
    "empty",
    "wrong language",
    "indexes out of range",
    "other items",
    "2 MB",
]
FAULTS: tuple[Fault, ...] = get_args(Fault)
OF_REPLIES: tuple[Fault, ...] = ("cut short", "refusal", "empty", "wrong language", "indexes out of range", "other items", "2 MB")
"""The request is answered, with something else than was asked for."""
PASSING: tuple[Fault, ...] = ("429 with Retry-After", "429", "500", "503", "cut connection", "garbage")
"""The same request may succeed when it is sent again."""


def every(fault: Fault, n: int) -> Callable[[int], Fault | None]:
    """The n-th, 2n-th, ... request."""
    return lambda number: fault if number % n == n - 1 else None


def by_chance(faults: Sequence[Fault], share: float, seed: int = 0) -> Callable[[int], Fault | None]:
    """This share of all requests, each with one of the faults; the same for the same number and seed."""

    def plan(number: int) -> Fault | None:
        dice = random.Random(f"{seed} {number}")
        return dice.choice(list(faults)) if dice.random() < share else None

    return plan


def broken_text(fault: Fault | None, text: str) -> str:
    """The reply's text under a fault of the reply; the text itself under any other."""
    match fault:
        case "cut short":
            return text[: len(text) * 2 // 3]
        case "refusal":
            return "I'm sorry, but I can't help with that."
        case "empty":
            return ""
        case "wrong language":
            return "Der Nutzer las dieses Buch vermutlich wegen seiner düsteren Stimmung, 理由は不明です。"
        case "2 MB":
            return "So let me think about this at length. " * 55_000 + text
        case "indexes out of range":
            return json.dumps(_shifted(json.loads(text), 10_000))
        case "other items":
            return json.dumps(_renamed(json.loads(text)))
    return text


def _shifted(value: Any, by: int) -> Any:
    if isinstance(value, dict):
        return {name: _shifted(part, by) for name, part in value.items()}
    if isinstance(value, list):
        return [_shifted(part, by) for part in value]
    return value + by if isinstance(value, int) and not isinstance(value, bool) else value


def _renamed(value: dict[str, Any]) -> dict[str, Any]:
    """Steps about items that were not asked for, continuations with titles nobody knows."""
    rows = next(iter(value.values()))
    for number, row in enumerate(rows):
        row.update({"title": f"Zzyzx Road {number}"} if "title" in row else {"position": -number - 1, "question": -number - 1})
    return value
