"""Planted truth: why a simulated reader took each item. One record a step, kept as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from llmrg.core.errors import DataError

PlantedKind = Literal["reason", "root", "noise"]


@dataclass(frozen=True, slots=True)
class PlantedStep:
    """What the simulator did at one position of one history."""

    user: str
    position: int
    """0-based position in the history."""
    cause_position: int | None
    """Position of the earlier item that led here; None for a root and for noise."""
    reason: str | None
    """The theme that cause and item share (of a root: the taste it starts); None for noise."""
    item: str
    kind: PlantedKind


def write_truth(path: Path, steps: Iterable[PlantedStep]) -> None:
    """One JSON object a line, in the order given."""
    lines = [json.dumps(asdict(step), ensure_ascii=False, separators=(", ", ": ")) + "\n" for step in steps]
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def read_truth(path: Path) -> tuple[PlantedStep, ...]:
    """The steps of a truth file, in file order.

    Raises:
        DataError: the file is missing, or a line is not a planted step.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise DataError(f"no truth file {path}; `python -m llmrg.testing.planted --write FOLDER` makes one") from None
    steps = []
    for number, line in enumerate(lines, start=1):
        try:
            steps.append(PlantedStep(**json.loads(line)))
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}, line {number}: not a planted step ({error}): {line[:80]!r}") from error
    return tuple(steps)
