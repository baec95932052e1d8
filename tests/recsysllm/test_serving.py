"""What is exported gives another server the ranking: weights, item vectors and content, without a line of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy.sparse import csr_matrix

from llmrg.core.errors import ConfigError
from llmrg.data.dataset import Dataset
from llmrg.recommenders.making import GraphOptions
from llmrg.recommenders.popularity import Popularity
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.training import RunOptions
from llmrg.recsysllm import LlmTrainingConfig, RecSysLlm, RecSysLlmConfig, export_for_serving
from llmrg.recsysllm.making import with_themes
from llmrg.testing.recommender_suite import cycle_graphs, cycle_world

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def world() -> Dataset:
    return cycle_world(12)


@pytest.fixture(scope="module")
def folder(save_tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("base") / "llama", layers=2)


def make(folder: Path, world: Dataset, **how: Any) -> RecSysLlm:
    config = RecSysLlmConfig(**{"model": str(folder), "train_layers": 1, "lora_rank": 4, **how})
    made = RecSysLlm(config, training=LlmTrainingConfig(epochs=3, learning_rate=1e-2), options=RunOptions(threads=1))
    made.fit(world)
    return made


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def ranked_elsewhere(folder: Path, prompt: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """By README.txt alone. Args: rows: catalogue rows of the history from 0, oldest first."""
    served = transformers.AutoModelForCausalLM.from_pretrained(folder / "model")
    with torch.no_grad():
        state = served(torch.from_numpy(prompt)[None], output_hidden_states=True).hidden_states[-1][0, -1].numpy()
    kept = load_file(folder / "items.safetensors")
    z = (state - state.mean()) / np.sqrt(state.var() + kept["norm_eps"][0])
    learnt = kept["keys"] @ (kept["query"] @ z) / np.sqrt(kept["keys"].shape[1]) + kept["bias"]
    text = kept["content.text"][rows[-20:]].mean(axis=0) @ kept["content.text"].T
    shape = (len(kept["keys"]), len(kept["content.idf"]))
    items = csr_matrix(tuple(kept[f"content.{name}"] for name in ("data", "indices", "indptr")), shape=shape).toarray()
    attributes = unit((items[rows].sum(axis=0) * kept["content.idf"])[None]) @ unit(items * kept["content.idf"]).T
    found: np.ndarray = learnt + kept["weights"][0] * text + kept["weights"][1] * attributes[0]
    return found


def test_another_server_ranks_as_we_do(folder: Path, world: Dataset, tmp_path: Path) -> None:
    """Exactly, where the vectors that are added inside the network are nothing; the adapters and the head are what was learnt."""
    made = make(folder, world)
    net = made.fitted_net()
    with torch.no_grad():
        net.control.weight.zero_()
        net.intra.weight.zero_()
    export_for_serving(made, tmp_path)
    for history in list(world.histories.values())[:4]:
        past = history.before(5)
        rows = made.items.rows(past.items)
        prompt = made.phase.question(past, rows, None, 0).ids
        found = ranked_elsewhere(tmp_path, prompt, rows - 1)
        np.testing.assert_allclose(found, made.scores([Query.at(history, 5)])[0], atol=2e-4)
    assert json.loads((tmp_path / "items.json").read_text())[0] == ["i0", "Item 0"]
    shown = json.loads((tmp_path / "prompts.json").read_text())
    assert "Item0;Item1" in shown["text"].replace(" ", "")
    assert shown["control_tokens"]
    assert "content.idf" in (tmp_path / "README.txt").read_text()


def test_the_language_model_of_a_mix_is_exported(folder: Path, world: Dataset, tmp_path: Path) -> None:
    """`llmrg train recsysllm` keeps a mix or a fusion."""
    made = with_themes(make(folder, world), GraphOptions(fit="late"))
    made.fit(world, cycle_graphs(world))
    assert (export_for_serving(made, tmp_path / "mix") / "model" / "model.safetensors").exists()
    bare = Popularity()
    bare.fit(world)
    with pytest.raises(ConfigError, match="no language model"):
        export_for_serving(bare, tmp_path / "bare")


@pytest.mark.parametrize(("how", "said"), [({"head": "titles"}, "trie"), ({"layout": "blank", "draws": 1}, "mask")])
def test_what_no_server_can_do_is_said(folder: Path, world: Dataset, tmp_path: Path, how: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        export_for_serving(make(folder, world, **how), tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
