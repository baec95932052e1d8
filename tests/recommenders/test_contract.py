"""Every recommender under the shipped suite, with settings small enough for a unit test."""

from __future__ import annotations

from pathlib import Path

from llmrg.encoders.text import HashedVectors
from llmrg.recommenders.fusion import FusionConfig
from llmrg.recommenders.graph_recommender import GraphRecommender
from llmrg.recommenders.loading import load_recommender
from llmrg.recommenders.popularity import Popularity
from llmrg.recommenders.protocol import Recommender
from llmrg.recommenders.sasrec import SasRecConfig
from llmrg.recommenders.sasrec_recommender import SasRec
from llmrg.recommenders.skip_markov import SkipMarkov
from llmrg.recommenders.training import TrainingConfig
from llmrg.testing.recommender_suite import RecommenderSuite

SMALL = SasRecConfig(embedding_size=16, max_length=8, blocks=1, dropout=0.1)
QUICK = TrainingConfig(epochs=60, batch_size=32, learning_rate=0.01, patience=12)


class _Loaded(RecommenderSuite):
    def load(self, folder: Path) -> Recommender:
        return load_recommender(folder)


class TestPopularity(_Loaded):
    learns_order = False

    def make(self) -> Recommender:
        return Popularity()


class TestSkipMarkov(_Loaded):
    def make(self) -> Recommender:
        return SkipMarkov()


class TestSasRec(_Loaded):
    def make(self) -> Recommender:
        return SasRec(SMALL, QUICK)


class TestGraph(_Loaded):
    def make(self) -> Recommender:
        return GraphRecommender(HashedVectors(), SMALL, FusionConfig(), QUICK)


class TestGraphOnSrGnn(_Loaded):
    def make(self) -> Recommender:
        return GraphRecommender(HashedVectors(), SMALL, FusionConfig(encoder="sr_gnn", steps=1), QUICK)
