"""Saved recommenders: what is wrong with a folder is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from llmrg.core.errors import ArtifactError
from llmrg.encoders.text import CachedVectors, HashedVectors
from llmrg.recommenders import GraphRecommender, Popularity, Query, SasRec, SasRecConfig, TrainingConfig, load_recommender
from llmrg.testing.recommender_suite import cycle_graphs, cycle_world

SMALL, QUICK = SasRecConfig(embedding_size=8, blocks=1, max_length=8), TrainingConfig(epochs=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = SasRec(SMALL, QUICK)
    made.fit(cycle_world(6))
    made.save(tmp_path / "model")
    return tmp_path / "model"


def edit(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_two_files_and_no_scratch(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert json.loads((folder / "config.json").read_text())["type"] == "sasrec"


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


@pytest.mark.parametrize("text", ["{", "[]", '{"type": "sasrec"}'])
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
    with pytest.raises(ArtifactError, match="holds a 'sasrec', not a 'popularity'"):
        Popularity.load(folder)


def test_weights_that_do_not_fit(folder: Path) -> None:
    edit(folder, config={**SMALL.model_dump(), "blocks": 2})
    with pytest.raises(ArtifactError, match=r"lack 'net\.blocks\.1"):
        load_recommender(folder)
    edit(folder, config={**SMALL.model_dump(), "max_length": 9})
    with pytest.raises(ArtifactError, match="do not fit"):
        load_recommender(folder)
    edit(folder, config={**SMALL.model_dump(), "surprise": 1})
    with pytest.raises(ArtifactError, match="surprise"):
        load_recommender(folder)


def test_graph_recommenders_keep_their_text_vectors(tmp_path: Path) -> None:
    data, asked = cycle_world(6), []

    def ask(texts: list[str]) -> np.ndarray:
        asked.extend(texts)
        return HashedVectors(size=16).embed(texts)

    made = GraphRecommender(CachedVectors("mine", ask), SMALL, training=QUICK)
    made.fit(data, cycle_graphs(data))
    made.save(tmp_path / "graph")
    with pytest.raises(ArtifactError, match="'mine'"):
        load_recommender(tmp_path / "graph")
    with pytest.raises(ArtifactError, match=r"'mine', not 'hashed"):
        load_recommender(tmp_path / "graph", text=HashedVectors())
    asked.clear()
    again = load_recommender(tmp_path / "graph", text=CachedVectors("mine", ask))
    history = data.histories["u0"]
    query = Query.at(history, 7, cycle_graphs(data)["u0"])
    np.testing.assert_array_equal(again.scores([query]), made.scores([query]))
    assert asked == []  # known reasons come with the weights
