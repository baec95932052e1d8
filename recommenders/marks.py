"""Digests of what a training reads: equal where data, graphs and themes are equal, whatever process or store they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from llmrg.core.graph_table import GraphTable
from llmrg.core.records import ReasoningGraph, stable_key
from llmrg.core.themes import Themes
from llmrg.data.dataset import Dataset


def data_mark(dataset: Dataset) -> str:
    """Of the catalogue and of all that users took and said; the name does not count."""
    histories = ((h.user, h.items, h.at, h.attributes) for h in dataset.histories.values())
    items = ((item.id, item.title, item.attributes) for item in dataset.catalogue)
    return _digest([*histories, *items, dataset.reason_attributes, *dataset.opinions.items()])


def graphs_mark(graphs: Mapping[str, ReasoningGraph]) -> str:
    """Of the steps; runs and versions do not count."""
    table = GraphTable.of_mapping(graphs)
    digest = hashlib.sha256(table.steps.tobytes())
    digest.update(table.offsets.tobytes())
    return stable_key(digest.hexdigest(), _digest([tuple(table.users), tuple(table.texts)]))


def themes_mark(themes: Themes) -> str:
    """Of the themes of texts and of all item profiles."""
    profiles = ((profile.source.name, profile.appeals) for profile in themes.profiles)
    return _digest([*sorted(themes.of_text.items()), *profiles])


def fit_mark(dataset: Dataset, graphs: Mapping[str, ReasoningGraph], themes: Themes, *settings: object) -> str:
    """A digest that two trainings share if they have the same data and settings."""
    return stable_key(*settings, data_mark(dataset), graphs_mark(graphs), themes_mark(themes))


def _digest(parts: Iterable[object]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        text = repr(part).encode("utf-8", "surrogatepass")
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()[:32]
