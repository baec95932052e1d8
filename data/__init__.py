"""Sources of interactions, cleaning, splits, and the bundled demo set. Start with `load_data`."""

from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.data.demo_set import load_demo, load_truth
from llmrg.data.opinions import Opinion
from llmrg.data.registry import DatasetSummary, find, get, inspect, known_sets, load_data, terms
from llmrg.data.successors import Successors
from llmrg.data.truth import PlantedStep

__all__ = [
    "Catalogue",
    "Dataset",
    "DatasetSummary",
    "LoadReport",
    "Opinion",
    "PlantedStep",
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
