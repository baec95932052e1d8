"""Saved recommenders: what is wrong with a folder is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmrg.core.errors import ArtifactError
from llmrg.recommenders import Popularity, Query, SequentialRecommender, TrainingConfig, load_recommender, model_config
from llmrg.recommenders.objectives.contrastive import ContrastiveConfig
from llmrg.testing.recommender_suite import cycle_world

QUICK = TrainingConfig(epochs=1)


def small(kind: str = "sasrec") -> Any:
    return model_config(kind, embedding_size=8, layers=1, max_length=8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = SequentialRecommender(small(), training=QUICK)
    made.fit(cycle_world(6))
    made.save(tmp_path / "model")
    return tmp_path / "model"


def edit(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_model(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())["config"]
    config["parts"]["model"].update(changes)
    edit(folder, config=config)


def test_two_files_and_no_scratch(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    saved = json.loads((folder / "config.json").read_text())
    assert saved["type"] == "sequential"
    assert saved["config"]["parts"]["model"]["kind"] == "sasrec"
    assert saved["config"]["parts"]["objective"] == {"kind": "next_item"}


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no saved recommender at"):
        load_recommender(tmp_path / "nothing")


def test_missing_and_damaged_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-40])
    with pytest.raises(ArtifactError, match="damaged"):
        load_recommender(folder)
    weights.unlink()
    with pytest.raises(ArtifactError, match="no weights at"):
        load_recommender(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"type": "sequential"}'])
def test_damaged_config(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"is not JSON|lacks"):
        load_recommender(folder)


def test_newer_version_and_unknown_type(folder: Path) -> None:
    edit(folder, version=99)
    with pytest.raises(ArtifactError, match="version 99"):
        load_recommender(folder)
    edit(folder, version=1, type="oracle")
    with pytest.raises(ArtifactError, match="unknown type 'oracle'"):
        load_recommender(folder)


def test_another_type_than_asked_for(folder: Path) -> None:
    with pytest.raises(ArtifactError, match="holds a 'sequential', not a 'popularity'"):
        Popularity.load(folder)


def test_weights_that_do_not_fit(folder: Path) -> None:
    edit_model(folder, layers=2)
    with pytest.raises(ArtifactError, match=r"lack 'net\.model\.layers\.1"):
        load_recommender(folder)
    edit_model(folder, layers=1, max_length=9)
    with pytest.raises(ArtifactError, match="do not fit"):
        load_recommender(folder)
    edit_model(folder, max_length=8, surprise=1)
    with pytest.raises(ArtifactError, match="surprise"):
        load_recommender(folder)


def test_an_unknown_model_is_named(folder: Path) -> None:
    edit_model(folder, kind="oracle")
    with pytest.raises(ArtifactError, match="oracle"):
        load_recommender(folder)


@pytest.mark.parametrize(
    ("kind", "objective"),
    [("bert4rec", None), ("fdsa", None), ("gru4rec", ContrastiveConfig()), ("duorec", ContrastiveConfig(same_target=0.3))],
)
def test_a_saved_model_names_all_its_parts(kind: str, objective: Any, tmp_path: Path) -> None:
    data = cycle_world(6)
    made = SequentialRecommender(small(kind), objective, training=QUICK)
    made.fit(data)
    made.save(tmp_path / "model")
    again = load_recommender(tmp_path / "model")
    assert isinstance(again, SequentialRecommender)
    assert again.parts == made.parts
    queries = [Query.at(history, 5) for history in data.histories.values()]
    np.testing.assert_array_equal(again.scores(queries), made.scores(queries))


def test_attributes_in_the_item_vectors_are_saved_with_them(tmp_path: Path) -> None:
    data = cycle_world(6)
    made = SequentialRecommender(small(), attributes=True, training=QUICK)
    made.fit(data)
    made.save(tmp_path / "model")
    again = load_recommender(tmp_path / "model")
    assert again.name == made.name == "sasrec + attributes"
    queries = [Query.at(history, 5) for history in data.histories.values()]
    np.testing.assert_array_equal(again.scores(queries), made.scores(queries))
