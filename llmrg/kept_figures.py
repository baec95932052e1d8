"""What is known of a trained recommender, in a file of its folder: its figure, and which fit it comes from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from llmrg.core.places import HOME, written

FILE = "figures.json"
VALIDATED = "validated"
"""Folder in that of a final recommender: the fit before the final one, which a later training may start from."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What validation says, and of what."""

    validation_ndcg: float
    """NDCG@10; of a final fit that of the validated fit before it."""
    final: bool = False
    """Whether it was trained on whole histories."""
    fit: str = ""
    """Names the data and settings of the training (`llmrg.recommenders.marks.fit_mark`)."""
    run: str = ""
    """The run whose graphs were learnt from; "" where they were of several runs, or none."""


def read_figures(folder: Path) -> Figures | None:
    """None where there are none."""
    file = folder / FILE
    return Figures(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def write_figures(folder: Path, figures: Figures) -> None:
    """Raises: PlaceError: it cannot be written."""
    written(folder / FILE, json.dumps(asdict(figures)), HOME)
