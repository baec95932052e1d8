"""Sources of interactions, cleaning, splits, and the bundled demo set. Start with `load_data`. Names load when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmrg.data.dataset import Catalogue, Dataset, LoadReport
    from llmrg.data.demo_set import load_demo, load_truth
    from llmrg.data.opinions import Opinion
    from llmrg.data.registry import DatasetSummary, find, get, inspect, known_sets, load_data, terms
    from llmrg.data.splits import Split
    from llmrg.data.successors import Successors
    from llmrg.data.truth import PlantedStep

_WHERE = {
    "Catalogue": "dataset",
    "Dataset": "dataset",
    "DatasetSummary": "summary",
    "LoadReport": "dataset",
    "Opinion": "opinions",
    "PlantedStep": "truth",
    "Split": "splits",
    "Successors": "successors",
    "find": "registry",
    "get": "registry",
    "inspect": "summary",
    "known_sets": "registry",
    "load_data": "registry",
    "load_demo": "demo_set",
    "load_truth": "demo_set",
    "terms": "registry",
}

__all__ = [
    "Catalogue",
    "Dataset",
    "DatasetSummary",
    "LoadReport",
    "Opinion",
    "PlantedStep",
    "Split",
    "Successors",
    "find",
    "get",
    "inspect",
    "known_sets",
    "load_data",
    "load_demo",
    "load_truth",
    "terms",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'llmrg.data' has no attribute {name!r}")
    return getattr(importlib.import_module(f"llmrg.data.{_WHERE[name]}"), name)
