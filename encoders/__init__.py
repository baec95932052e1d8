"""Encoders: steps to vectors. Names load when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmrg.encoders.arrays import GraphArrays
    from llmrg.encoders.backends import backend
    from llmrg.encoders.building import Texts, imagined_arrays, reasoned_arrays
    from llmrg.encoders.causal import CausalConfig, CausalGraphEncoder, ReadoutWeights
    from llmrg.encoders.graph_inputs import GraphInputs
    from llmrg.encoders.graph_vectors import GraphVectors, GraphVectorsConfig
    from llmrg.encoders.sr_gnn import SrGnn, SrGnnConfig
    from llmrg.encoders.text import HashedVectors, LangChainVectors, MiniLm

_WHERE = {
    "CausalConfig": "causal",
    "CausalGraphEncoder": "causal",
    "GraphArrays": "arrays",
    "GraphInputs": "graph_inputs",
    "GraphVectors": "graph_vectors",
    "GraphVectorsConfig": "graph_vectors",
    "HashedVectors": "text",
    "LangChainVectors": "text",
    "MiniLm": "text",
    "ReadoutWeights": "causal",
    "SrGnn": "sr_gnn",
    "SrGnnConfig": "sr_gnn",
    "Texts": "building",
    "backend": "backends",
    "imagined_arrays": "building",
    "reasoned_arrays": "building",
}

__all__ = [
    "CausalConfig",
    "CausalGraphEncoder",
    "GraphArrays",
    "GraphInputs",
    "GraphVectors",
    "GraphVectorsConfig",
    "HashedVectors",
    "LangChainVectors",
    "MiniLm",
    "ReadoutWeights",
    "SrGnn",
    "SrGnnConfig",
    "Texts",
    "backend",
    "imagined_arrays",
    "reasoned_arrays",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"llmrg.encoders.{_WHERE[name]}"), name)
