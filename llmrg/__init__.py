"""LLMRG: reasoning graphs made by a language model that improve a recommender and explain it.

    import llmrg
    project = llmrg.Project("demo")
    project.build(mind="attributes")
    project.train()
    project.recommend("reader-001")

Names load when first used: `import llmrg` alone loads neither torch, dgl, neo4j nor langgraph.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmrg.agents.config import BuildConfig
    from llmrg.core.errors import LlmrgError
    from llmrg.core.records import History, Item, ReasoningGraph, Step
    from llmrg.core.settings import Settings
    from llmrg.data.registry import load_data
    from llmrg.graph_store.open_store import open_store
    from llmrg.sdk import Project

_WHERE = {
    "BuildConfig": "agents.config",
    "History": "core.records",
    "Item": "core.records",
    "LlmrgError": "core.errors",
    "Project": "sdk",
    "ReasoningGraph": "core.records",
    "Settings": "core.settings",
    "Step": "core.records",
    "load_data": "data.registry",
    "open_store": "graph_store.open_store",
}

__version__ = "0.1.0"
__all__ = [
    "BuildConfig",
    "History",
    "Item",
    "LlmrgError",
    "Project",
    "ReasoningGraph",
    "Settings",
    "Step",
    "load_data",
    "open_store",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'llmrg' has no attribute {name!r}")
    return getattr(importlib.import_module(f"llmrg.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
