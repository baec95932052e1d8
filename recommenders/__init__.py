"""Recommenders: simple controls, sequential models, and any of them with reasoning graphs. Names load when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmrg.core.contribution import Contribution
    from llmrg.recommenders.base import BaseRecommender
    from llmrg.recommenders.best_of import BestOf
    from llmrg.recommenders.ease import Ease, EaseConfig
    from llmrg.recommenders.fusion.concat import ConcatConfig
    from llmrg.recommenders.fusion.themes import ThemesConfig
    from llmrg.recommenders.imagined_scores import ImaginedScores
    from llmrg.recommenders.item_knn import ItemKnn, ItemKnnConfig
    from llmrg.recommenders.loading import load_recommender
    from llmrg.recommenders.losses import LossConfig
    from llmrg.recommenders.making import GraphOptions, make_recommender, with_graphs
    from llmrg.recommenders.mix import Mix, MixConfig
    from llmrg.recommenders.models.bert4rec import Bert4RecConfig
    from llmrg.recommenders.models.bsarec import BsaRecConfig
    from llmrg.recommenders.models.cl4srec import Cl4SRecConfig
    from llmrg.recommenders.models.duorec import DuoRecConfig
    from llmrg.recommenders.models.fdsa import FdsaConfig
    from llmrg.recommenders.models.gru4rec import Gru4RecConfig
    from llmrg.recommenders.models.sasrec import SasRecConfig
    from llmrg.recommenders.objectives.cloze import ClozeConfig
    from llmrg.recommenders.objectives.contrastive import ContrastiveConfig
    from llmrg.recommenders.objectives.last_item import LastItemConfig
    from llmrg.recommenders.objectives.next_item import NextItemConfig
    from llmrg.recommenders.popularity import Popularity
    from llmrg.recommenders.protocol import Query, Recommender
    from llmrg.recommenders.recommend import Recommendation, recommend_batch, recommend_items, recommend_user
    from llmrg.recommenders.registry import model_config
    from llmrg.recommenders.sequential import SequentialRecommender
    from llmrg.recommenders.sequential_rules import SequentialRules, SequentialRulesConfig
    from llmrg.recommenders.text_cosine import TextCosine, TextCosineConfig
    from llmrg.recommenders.theme_scores import ThemeScores, ThemeScoresConfig
    from llmrg.recommenders.training import Epoch, RunOptions, TrainingConfig

_WHERE = {
    "BaseRecommender": "base",
    "Bert4RecConfig": "models.bert4rec",
    "BestOf": "best_of",
    "BsaRecConfig": "models.bsarec",
    "Cl4SRecConfig": "models.cl4srec",
    "ClozeConfig": "objectives.cloze",
    "ConcatConfig": "fusion.concat",
    "ContrastiveConfig": "objectives.contrastive",
    "Contribution": "base",
    "DuoRecConfig": "models.duorec",
    "Ease": "ease",
    "EaseConfig": "ease",
    "Epoch": "training",
    "FdsaConfig": "models.fdsa",
    "GraphOptions": "making",
    "Gru4RecConfig": "models.gru4rec",
    "ImaginedScores": "imagined_scores",
    "ItemKnn": "item_knn",
    "ItemKnnConfig": "item_knn",
    "LastItemConfig": "objectives.last_item",
    "LossConfig": "losses",
    "Mix": "mix",
    "MixConfig": "mix",
    "NextItemConfig": "objectives.next_item",
    "Popularity": "popularity",
    "Query": "protocol",
    "Recommendation": "recommend",
    "Recommender": "protocol",
    "RunOptions": "training",
    "SasRecConfig": "models.sasrec",
    "SequentialRecommender": "sequential",
    "SequentialRules": "sequential_rules",
    "SequentialRulesConfig": "sequential_rules",
    "TextCosine": "text_cosine",
    "TextCosineConfig": "text_cosine",
    "ThemeScores": "theme_scores",
    "ThemeScoresConfig": "theme_scores",
    "ThemesConfig": "fusion.themes",
    "TrainingConfig": "training",
    "load_recommender": "loading",
    "make_recommender": "making",
    "model_config": "registry",
    "recommend_batch": "recommend",
    "recommend_items": "recommend",
    "recommend_user": "recommend",
    "with_graphs": "making",
}

__all__ = [
    "BaseRecommender",
    "Bert4RecConfig",
    "BestOf",
    "BsaRecConfig",
    "Cl4SRecConfig",
    "ClozeConfig",
    "ConcatConfig",
    "ContrastiveConfig",
    "Contribution",
    "DuoRecConfig",
    "Ease",
    "EaseConfig",
    "Epoch",
    "FdsaConfig",
    "GraphOptions",
    "Gru4RecConfig",
    "ImaginedScores",
    "ItemKnn",
    "ItemKnnConfig",
    "LastItemConfig",
    "LossConfig",
    "Mix",
    "MixConfig",
    "NextItemConfig",
    "Popularity",
    "Query",
    "Recommendation",
    "Recommender",
    "RunOptions",
    "SasRecConfig",
    "SequentialRecommender",
    "SequentialRules",
    "SequentialRulesConfig",
    "TextCosine",
    "TextCosineConfig",
    "ThemeScores",
    "ThemeScoresConfig",
    "ThemesConfig",
    "TrainingConfig",
    "load_recommender",
    "make_recommender",
    "model_config",
    "recommend_batch",
    "recommend_items",
    "recommend_user",
    "with_graphs",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"llmrg.recommenders.{_WHERE[name]}"), name)
