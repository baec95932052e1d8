"""Recommenders: simple controls, SASRec, and any of its kind with reasoning graphs. Names load when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmrg.recommenders.fusion import FusionConfig, GraphFusion
    from llmrg.recommenders.graph_recommender import GraphRecommender
    from llmrg.recommenders.loading import load_recommender
    from llmrg.recommenders.popularity import Popularity
    from llmrg.recommenders.protocol import Query, Recommender
    from llmrg.recommenders.recommend import Recommendation, recommend_batch, recommend_items, recommend_user
    from llmrg.recommenders.sasrec import SasRecConfig
    from llmrg.recommenders.sasrec_recommender import SasRec
    from llmrg.recommenders.skip_markov import SkipMarkov, SkipMarkovConfig
    from llmrg.recommenders.training import Epoch, RunOptions, TrainingConfig

_WHERE = {
    "Epoch": "training",
    "FusionConfig": "fusion",
    "GraphFusion": "fusion",
    "GraphRecommender": "graph_recommender",
    "Popularity": "popularity",
    "Query": "protocol",
    "Recommendation": "recommend",
    "Recommender": "protocol",
    "RunOptions": "training",
    "SasRec": "sasrec_recommender",
    "SasRecConfig": "sasrec",
    "SkipMarkov": "skip_markov",
    "SkipMarkovConfig": "skip_markov",
    "TrainingConfig": "training",
    "load_recommender": "loading",
    "recommend_batch": "recommend",
    "recommend_items": "recommend",
    "recommend_user": "recommend",
}

__all__ = [
    "Epoch",
    "FusionConfig",
    "GraphFusion",
    "GraphRecommender",
    "Popularity",
    "Query",
    "Recommendation",
    "Recommender",
    "RunOptions",
    "SasRec",
    "SasRecConfig",
    "SkipMarkov",
    "SkipMarkovConfig",
    "TrainingConfig",
    "load_recommender",
    "recommend_batch",
    "recommend_items",
    "recommend_user",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"llmrg.recommenders.{_WHERE[name]}"), name)
