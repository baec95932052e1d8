"""What is known of a trained recommender, in a file of its folder: its figure, and which fit it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmrg.core.places import HOME, written
from llmrg.core.records import ReasoningGraph, stable_key

if TYPE_CHECKING:
    from llmrg.core.themes import Themes
    from llmrg.data.dataset import Dataset

FILE = "figures.json"


@dataclass(frozen=True, slots=True)
class Figures:
    """What validation says, and of what."""

    validation_ndcg: float
    """NDCG@10; of a final fit that of the validated fit before it."""
    final: bool = False
    """Whether it was trained on whole histories."""
    fit: str = ""
    """Names the data and settings of the training (`fit_mark`)."""
    run: str = ""
    """The run whose graphs were learnt from; "" where they were of several runs, or none."""


def read_figures(folder: Path) -> Figures | None:
    """None where there are none."""
    file = folder / FILE
    return Figures(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def write_figures(folder: Path, figures: Figures) -> None:
    """Raises: PlaceError: it cannot be written."""
    written(folder / FILE, json.dumps(asdict(figures)), HOME)


def fit_mark(dataset: Dataset, graphs: Mapping[str, ReasoningGraph], themes: Themes, *settings: Any) -> str:
    """A digest that two trainings share if they have the same data and settings."""
    from llmrg.core.graph_table import GraphTable

    table = GraphTable.of_users(graphs, graphs)
    data = [(user, history.items) for user, history in dataset.histories.items()]
    told = (table.users, table.offsets.tobytes(), table.steps.tobytes(), table.texts, themes.of_text)
    profiles = [(profile.source.name, profile.appeals) for profile in themes.profiles]
    return stable_key(*settings, data, list(dataset.catalogue), dataset.reason_attributes, *told, profiles)
