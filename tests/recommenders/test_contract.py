"""Every recommender without graphs under the shipped suite, with settings small enough for a unit test."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import llmrg.recommenders
from llmrg.data.splits import Split
from llmrg.recommenders import (
    ClozeConfig,
    Ease,
    EaseConfig,
    ItemKnn,
    LossConfig,
    Popularity,
    Recommender,
    SequentialRecommender,
    SequentialRules,
    TextCosine,
    TrainingConfig,
    load_recommender,
    model_config,
    names,
)
from llmrg.recommenders.base import FitData
from llmrg.recommenders.making import simple_recommenders
from llmrg.recommenders.registry import MODELS
from llmrg.recommenders.sequences import Sequences
from llmrg.testing.recommender_suite import RecommenderSuite, cycle_world

QUICK = TrainingConfig(epochs=60, batch_size=32, learning_rate=0.01, patience=12)
PATIENT = TrainingConfig(epochs=80, batch_size=16, learning_rate=0.003, patience=20)


class _Loaded(RecommenderSuite):
    def load(self, folder: Path) -> Recommender:
        return load_recommender(folder)


class TestPopularity(_Loaded):
    learns_order = False

    def make(self) -> Recommender:
        return Popularity()


class TestSequentialRules(_Loaded):
    def make(self) -> Recommender:
        return SequentialRules()


class TestItemKnn(_Loaded):
    learns_order = False

    def make(self) -> Recommender:
        return ItemKnn()


class TestEase(_Loaded):
    learns_order = False

    def make(self) -> Recommender:
        return Ease(EaseConfig(ridge=5.0))


class TestTextCosine(_Loaded):
    learns_order = False

    def make(self) -> Recommender:
        return TextCosine()


def small(kind: str) -> Any:
    return model_config(kind, embedding_size=16, max_length=4, layers=1, dropout=0.1)


class _Sequential(_Loaded):
    kind = "sasrec"

    def make(self) -> Recommender:
        return SequentialRecommender(small(self.kind), training=QUICK)


class TestSasRec(_Sequential):
    pass


class TestGru4Rec(_Sequential):
    kind = "gru4rec"


class TestBert4Rec(_Sequential):
    kind = "bert4rec"

    def make(self) -> Recommender:
        return SequentialRecommender(small(self.kind), ClozeConfig(share=0.4, only_last=0.3), training=PATIENT)


class TestFdsa(_Sequential):
    kind = "fdsa"


class TestCl4SRec(_Sequential):
    kind = "cl4srec"


class TestDuoRec(_Sequential):
    kind = "duorec"


class TestBsaRec(_Sequential):
    kind = "bsarec"


class TestSasRecWithAttributesAndFewNegatives(_Loaded):
    def make(self) -> Recommender:
        loss = LossConfig(kind="sampled_softmax", negatives=10)
        return SequentialRecommender(small("sasrec"), loss=loss, attributes=True, training=QUICK)


class _Leaky(ItemKnn):
    """Learns from whole histories."""

    def _fit(self, data: FitData) -> None:
        super()._fit(replace(data, parts=Sequences.of(data.dataset, final=True)))


def test_the_suite_finds_a_recommender_that_leaks() -> None:
    class Suite(TestItemKnn):
        def make(self) -> Recommender:
            return _Leaky()

    suite, world = Suite(), cycle_world()
    with pytest.raises(AssertionError):
        suite.test_validation_items_are_not_trained_on(world)
    with pytest.raises(AssertionError):
        suite.test_test_items_are_never_read(suite.fitted(world), world)


def test_the_suite_finds_a_trained_model_that_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Split, "train_lengths", lambda split, lengths: lengths - 1)
    with pytest.raises(AssertionError):
        TestSasRec().test_validation_items_are_not_trained_on(cycle_world())


def test_every_base_model_runs_the_suite() -> None:
    tested = {found.kind for found in globals().values() if isinstance(found, type) and issubclass(found, _Sequential)}
    assert tested == set(MODELS)


def test_names_are_those_of_what_can_be_made() -> None:
    assert set(names.MODELS) == set(MODELS)
    assert set(names.SIMPLE) == set(simple_recommenders())


def test_public_names_exist() -> None:
    assert llmrg.recommenders.__all__ == sorted(llmrg.recommenders.__all__)
    for name in llmrg.recommenders.__all__:
        assert getattr(importlib.import_module("llmrg.recommenders"), name).__name__ == name
