"""Who sees whom in the models themselves: noise in one token reaches the states of those that may see it, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from llmrg.core.errors import ConfigError
from llmrg.language_models.loading import LoadedModel
from llmrg.recsysllm.backbone import Backbone
from llmrg.recsysllm.batches import Batch
from llmrg.recsysllm.layout import Builder, Layout, Span, blank
from llmrg.recsysllm.masks import masks_for, visible_in
from llmrg.recsysllm.pieces import Tokens

KINDS = ("llama", "gemma3", "gpt2")
LAYERS = 3
STAND_INS = [8, 9, 10, 11, 12, 13, 14]
Tiny = Callable[..., LoadedModel]


def text(length: int, entities: bool = True) -> Tokens:
    dice = np.random.default_rng(length)
    return Tokens(dice.integers(1, 60, length), np.arange(length) // 3 * entities)


def layouts() -> dict[str, Layout]:
    """One of each form."""
    spans = [Span(3, 6), Span(9, 15), Span(18, 20)]
    made = Builder(STAND_INS)
    made.text(text(12))
    made.branch(3, text(2), text(3), end=7, slot_position=1)
    made.branch(11, text(0), text(2), end=7)
    made.branch(7, text(1), None, slot_position=2)
    return {
        "paper": blank(text(20), spans, "entity", "paper", 7, STAND_INS, slots_at=3),
        "running": blank(text(20), spans[::-1], "document", "running", 7, STAND_INS),
        "causal": made.build(),
    }


@contextmanager
def noise(backbone: Backbone) -> Iterator[Callable[[int, int], None]]:
    """The call `disturb(row, token)` puts noise on one token's embedding, (-1, -1) takes it away."""
    where = (-1, -1)
    table = backbone.causal.get_input_embeddings()
    much = torch.randn(table.weight.shape[1], generator=torch.Generator().manual_seed(3)) * 3 * table.weight.std()

    def added(module: Any, given: Any, found: torch.Tensor) -> torch.Tensor:
        if where[0] < 0:
            return found
        found = found.clone()
        found[where] += much
        return found

    def disturb(row: int, token: int) -> None:
        nonlocal where
        where = (row, token)

    hook = table.register_forward_hook(added)
    try:
        yield disturb
    finally:
        hook.remove()


def changed(backbone: Backbone, batch: Batch) -> np.ndarray:
    """(B, L, L) bool: does the state at q (row) of a line change with the embedding of k (column)?"""

    def states() -> torch.Tensor:
        with torch.no_grad():
            below = backbone.below(batch.ids, batch.inter, batch.allowed)
            return backbone.above(below, batch.inter, batch.allowed)

    lines, length = batch.ids.shape
    found = np.zeros((lines, length, length), dtype=bool)
    with noise(backbone) as disturb:
        before = states()
        for line in range(lines):
            for token in range(length):
                disturb(line, token)
                moved = (states() - before).abs().amax(dim=2) > 1e-6
                assert not moved[[n for n in range(lines) if n != line]].any()
                found[line, :, token] = moved[line].numpy()
    return found


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_noise_reaches_those_who_may_see_it(tiny: Tiny, kind: str, attention: str) -> None:
    for name, layout in layouts().items():
        for adapted in range(LAYERS + 1) if name == "paper" else (2,):
            backbone = Backbone(tiny(kind, layers=LAYERS), adapted, 4)
            backbone.training_way(attention == "eager")
            assert {part.config._attn_implementation for part in backbone._parts} == {attention}
            found = changed(backbone, Batch.of([layout], [[0]]))
            np.testing.assert_array_equal(found[0], visible_in(layout), err_msg=f"{name}, {adapted} layers with adapters")


@pytest.mark.parametrize("kind", KINDS)
def test_examples_of_one_row_do_not_see_each_other(tiny: Tiny, kind: str) -> None:
    """Two examples in one row, one beside them that is shorter: padding reaches nobody either."""
    made = layouts()
    examples = [made["causal"], made["paper"], made["running"]]
    backbone = Backbone(tiny(kind), 2, 4)
    batch = Batch.of(examples, [[0, 1], [2]])
    first, second, third = map(len, examples)
    expected = np.zeros((2, first + second, first + second), dtype=bool)
    expected[:] = np.eye(first + second, dtype=bool)
    expected[0, :first, :first] = visible_in(examples[0])
    expected[0, first:, first:] = visible_in(examples[1])
    expected[1, :third, :third] = visible_in(examples[2])
    np.testing.assert_array_equal(changed(backbone, batch), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("adapted", range(LAYERS + 1))
def test_the_parts_are_the_whole(tiny: Tiny, kind: str, adapted: int) -> None:
    """Cut anywhere, the logits of a plain text are those of the model itself."""
    loaded = tiny(kind, layers=LAYERS)
    ids = torch.from_numpy(text(90).ids)[None]
    with torch.no_grad():
        whole = loaded.model(input_ids=ids).logits[0]
    backbone = Backbone(loaded, adapted, 4)
    inter, allowed = torch.arange(90)[None], torch.ones(1, 90, 90, dtype=torch.bool).tril()
    with torch.no_grad():
        states = backbone.above(backbone.below(ids, inter, allowed), inter, allowed)[0]
        np.testing.assert_allclose(backbone.word_logits(states), whole, atol=2e-4)
        some = np.array([3, 60, 5])
        np.testing.assert_allclose(backbone.some_logits(states, some), whole[:, some], atol=2e-4)


# -- windows -------------------------------------------------------------------------------------------------------------
def reach(layout: Layout, windows: list[int | None]) -> np.ndarray:
    """Who is heard of through these layers, each of which sees so far."""
    near = np.abs(layout.inter[:, None] - layout.inter[None, :])
    seen = np.eye(len(layout), dtype=int)
    for window in windows:
        allowed = visible_in(layout) & (near < window if window else True)
        seen = (allowed.astype(int) @ seen > 0).astype(int)
    return seen > 0


@pytest.mark.parametrize("adapted", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "kinds",
    [("sliding", "sliding", "full"), ("full", "sliding", "sliding"), ("sliding", "full", "sliding"), ("full", "full", "full")],
)
def test_a_window_is_that_of_its_layers_wherever_the_model_is_cut(tiny: Tiny, kinds: tuple[str, ...], adapted: int) -> None:
    """Windows of 4 positions, text of 20: a part of full layers alone sees everything, a part of windows alone does not."""
    types = [f"{kind}_attention" for kind in kinds]
    for name, layout in layouts().items():
        backbone = Backbone(tiny("gemma3", layers=3, layer_types=types, sliding_window=4), adapted, 4)
        found = changed(backbone, Batch.of([layout], [[0]]))
        expected = reach(layout, [4 if kind == "sliding" else None for kind in kinds])
        np.testing.assert_array_equal(found[0], expected, err_msg=name)


def test_a_window_of_one_layer_is_a_distance_of_positions(tiny: Tiny) -> None:
    """Part B stands behind part A, but belongs into its middle."""
    backbone = Backbone(tiny("gemma3", layers=1, layer_types=["sliding_attention"], sliding_window=4), None, 4)
    layout = layouts()["paper"]
    near = np.abs(layout.inter[:, None] - layout.inter[None, :]) < 4
    assert (near != (np.abs(np.subtract.outer(np.arange(len(layout)), np.arange(len(layout)))) < 4)).any()
    np.testing.assert_array_equal(changed(backbone, Batch.of([layout], [[0]]))[0], visible_in(layout) & near)


def test_a_model_whose_layers_all_have_a_window(tiny: Tiny, letters: Any) -> None:
    """Mistral names no kinds of layers, and takes one mask."""
    sizes = {"vocab_size": 80, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    config = transformers.MistralConfig(**sizes, num_key_value_heads=2, sliding_window=4, initializer_range=0.3)
    loaded = LoadedModel(transformers.MistralForCausalLM(config).eval(), letters, "mistral", "none")
    ids = torch.from_numpy(text(20).ids)[None]
    with torch.no_grad():
        whole = loaded.model(input_ids=ids).logits[0]
    backbone = Backbone(loaded, 1, 4)
    for layout in layouts().values():
        np.testing.assert_array_equal(changed(backbone, Batch.of([layout], [[0]]))[0], reach(layout, [4, 4]))
    inter, allowed = torch.arange(20)[None], torch.ones(1, 20, 20, dtype=torch.bool).tril()
    with torch.no_grad():
        found = backbone.word_logits(backbone.above(backbone.below(ids, inter, allowed), inter, allowed)[0])
    np.testing.assert_allclose(found, whole, atol=2e-4)


def test_only_float_masks_leave(tiny: Tiny) -> None:
    """Some kinds of attention add a boolean mask as 0 and 1, which is silently wrong."""
    allowed = torch.from_numpy(visible_in(layouts()["paper"]))[None]
    inter = torch.from_numpy(layouts()["paper"].inter)[None]
    for kind in KINDS:
        config = tiny(kind, **({"sliding_window": 3} if kind == "gemma3" else {})).model.config
        for dtype in (torch.float32, torch.bfloat16):
            made = masks_for(config, allowed, inter, inter, dtype)
            assert isinstance(made, dict) == (kind == "gemma3")
            for mask in made.values() if isinstance(made, dict) else [made]:
                assert mask.dtype == dtype
                assert mask.shape == (1, 1, *allowed.shape[1:])
                assert set(mask.unique().tolist()) == {0.0, torch.finfo(dtype).min}


# -- number formats ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("adapted", [0, 2, None])
def test_half_precision_runs_and_keeps_its_type(tiny: Tiny, kind: str, adapted: int | None) -> None:
    loaded = tiny(kind)
    layout = layouts()["paper"]
    batch = Batch.of([layout], [[0]])
    exact = Backbone(tiny(kind), adapted, 4)
    backbone = Backbone(LoadedModel(loaded.model.bfloat16(), loaded.tokenizer, loaded.name, loaded.weights), adapted, 4)
    assert {weight.dtype for weight in backbone.adapters().values()} <= {torch.float32}
    with torch.no_grad():
        states, wanted = (
            part.above(part.below(batch.ids, batch.inter, batch.allowed), batch.inter, batch.allowed)
            for part in (backbone, exact)
        )
    assert states.dtype == torch.bfloat16
    assert float((states.float() - wanted).abs().mean() / wanted.abs().mean()) < 0.1


# -- what cannot be told what it may see ---------------------------------------------------------------------------------
SIZES = {"vocab_size": 80, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}


def odd_model(name: str) -> Any:
    """Tiny random models that are no stack of attention layers obeying one mask."""
    heads = {"num_key_value_heads": 2, "max_position_embeddings": 64}
    configs: dict[str, Callable[[], Any]] = {
        "bloom": lambda: transformers.BloomConfig(vocab_size=80, hidden_size=32, n_layer=2, n_head=4),
        "mamba": lambda: transformers.MambaConfig(vocab_size=80, hidden_size=32, num_hidden_layers=2, state_size=4),
        "lfm2": lambda: transformers.Lfm2Config(**SIZES, **heads, layer_types=["conv", "full_attention"]),
        "recurrent_gemma": lambda: transformers.RecurrentGemmaConfig(**SIZES, lru_width=32, attention_window_size=8),
        "gpt_neo": lambda: transformers.GPTNeoConfig(
            vocab_size=80, hidden_size=32, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]]
        ),
        "gptj": lambda: transformers.GPTJConfig(vocab_size=80, n_embd=32, n_layer=2, n_head=4, rotary_dim=4),
        "granite": lambda: transformers.GraniteConfig(**SIZES, **heads, initializer_range=0.3, embedding_multiplier=12.0),
        "cohere": lambda: transformers.CohereConfig(**SIZES, **heads, logit_scale=0.0625),
    }
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(configs[name]()).eval()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bloom", "neither of Llama's form"),
        ("mamba", "linear_attention"),
        ("lfm2", "conv"),
        ("recurrent_gemma", "neither of Llama's form|recurrent"),
        ("gpt_neo", "mask"),
        ("gptj", "neither of Llama's form"),
        ("granite", "parts"),
        ("cohere", "parts"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # kernels that some of them would like to have
def test_models_that_do_not_obey_a_mask_are_refused(letters: Any, name: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as error:
        Backbone(LoadedModel(odd_model(name), letters, "odd", "none"), 1, 4)
    assert "choose another" in str(error.value)


def test_a_kind_without_fused_attention_is_read(letters: Any, tmp_path: Path) -> None:
    """Gemma 2 knows eager attention alone; others get the fused one."""
    heads = {"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64, "sliding_window": 8}
    torch.manual_seed(0)
    config = transformers.Gemma2Config(**SIZES, **heads, initializer_range=0.3, pad_token_id=0, bos_token_id=0, eos_token_id=0)
    transformers.Gemma2ForCausalLM(config).save_pretrained(tmp_path)
    letters.save(str(tmp_path / "tokenizer.json"))
    backbone = Backbone.load(tmp_path, tmp_path, 1, 4, dtype="float32")
    layout = layouts()["paper"]
    for training in (False, True):
        backbone.training_way(training)
        assert backbone.causal.config._attn_implementation == "eager"
        np.testing.assert_array_equal(changed(backbone, Batch.of([layout], [[0]]))[0], reach(layout, [8, None]))


def test_a_saved_model_is_read_with_fused_attention(base_folder: Path) -> None:
    assert Backbone.load(base_folder, base_folder, 1, 4).causal.config._attn_implementation == "sdpa"
