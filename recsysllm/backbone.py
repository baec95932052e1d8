"""The language model, its adapters, and the cut between what is frozen and what learns: the one file that knows
transformers and peft.

All that is learnt for single tokens (control tokens, intra positions, graph slots) is added at the input of the first layer that
has adapters. What lies below depends on the text alone and is computed once; with adapters in all layers it is the embedding.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from llmrg.core.errors import ConfigError, MissingPackageError
from llmrg.language_models.loading import LoadedModel, load_causal
from llmrg.recsysllm.layout import Control
from llmrg.recsysllm.masks import masks_for
from llmrg.recsysllm.pieces import PieceCoder

WORDS = {
    Control.NONE: ".",
    Control.MASK: " unknown",
    Control.SENTENCE_MASK: " unknown",
    Control.DOCUMENT_MASK: " unknown",
    Control.START: ":",
    Control.REASONED: " because",
    Control.IMAGINED: " perhaps",
}
"""The word that stands in for each control token: no word is added to the vocabulary."""
PROBE = "Taken so far, oldest first: one; two; three; next because perhaps:"
KNOWN_LAYERS = {"full_attention", "sliding_attention"}


class Backbone(nn.Module):
    """A causal language model in two parts: `lower` is frozen, `upper` has adapters."""

    def __init__(self, loaded: LoadedModel, train_layers: int | None = 10, rank: int = 16, seed: int = 0) -> None:
        """Args: train_layers: last layers that get adapters; None for all, 0 for none.

        Raises: ConfigError: an architecture whose tokens cannot be told what they may see.
        """
        super().__init__()
        self.name, self.weights = loaded.name, loaded.weights
        self.coder = PieceCoder(loaded.tokenizer)
        self.stand_ins = [self.coder.ids(WORDS[control])[0] for control in Control]
        causal = loaded.model
        base = _base(causal, loaded.name)
        layers = _layers(base)
        self.layer_count = len(layers)
        self.cut = self.layer_count - min(self.layer_count if train_layers is None else train_layers, self.layer_count)
        for weight in causal.parameters():
            weight.requires_grad_(False)
        if self.cut < self.layer_count:
            _adapt(causal, _linears(base, causal, self.cut), rank, seed)
        self.causal = causal
        self._parts = (_part(base, slice(0, self.cut), last=False), _part(base, slice(self.cut, self.layer_count), last=True))
        self._cache_name = "cache" if "cache" in signature(type(base).forward).parameters else "past_key_values"
        self.size = int(base.config.hidden_size)
        self.window = int(getattr(base.config, "max_position_embeddings", 0) or 1 << 30)
        self._probe()
        self.scale = self._scale()
        """Size of the states at the cut: what is added there counts in this unit, else no step would be felt."""

    @classmethod
    def load(
        cls,
        name: str | Path,
        cache_dir: Path,
        train_layers: int | None = 10,
        rank: int = 16,
        seed: int = 0,
        device: torch.device | str = "cpu",
        dtype: Literal["auto", "float32", "bfloat16"] = "float32",
    ) -> Backbone:
        """Args: dtype: in bfloat16 a score depends on what stands in its batch, and hardware that is faster with it would score
        otherwise than other hardware.

        Raises: MissingPackageError, ModelFileError, ConfigError: see `load_causal` and the constructor."""
        backbone = cls(load_causal(name, cache_dir, dtype, device, "eager"), train_layers, rank, seed).to(device)
        backbone.training_way(False)  # eager is known by all kinds; the fused one is taken where there is one
        return backbone

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.causal.get_input_embeddings().weight.dtype
        return dtype

    @property
    def device(self) -> torch.device:
        device: torch.device = self.causal.get_input_embeddings().weight.device
        return device

    def adapters(self) -> dict[str, nn.Parameter]:
        """Trainable weights by name."""
        return {name: weight for name, weight in self.causal.named_parameters() if weight.requires_grad}

    def training_way(self, training: bool) -> None:
        """Choose the attention: on a CPU the backward pass of the fused one, with a mask, is the slower."""
        wanted = "eager" if training and self.device.type == "cpu" else "sdpa"
        if self.causal.config._attn_implementation == wanted:
            return
        try:
            self.causal.set_attn_implementation(wanted)
        except (ValueError, ImportError):  # some kinds know eager alone
            self.causal.set_attn_implementation("eager")
        for part in self._parts:
            part.config._attn_implementation = self.causal.config._attn_implementation

    # -- states --------------------------------------------------------------------------------------------------------
    def below(self, ids: Tensor, inter: Tensor, allowed: Tensor, cache: Any = None, keys: Tensor | None = None) -> Tensor:
        """(B, L) -> (B, L, D): what the frozen layers make of the text; no gradient."""
        lower = self._parts[0]
        with torch.no_grad():
            return self._run(lower, {"input_ids": ids}, inter, allowed, cache, keys)

    def above(self, states: Tensor, inter: Tensor, allowed: Tensor, cache: Any = None, keys: Tensor | None = None) -> Tensor:
        """(B, L, D) -> (B, L, D): the layers with adapters and the last norm."""
        return self._run(self._parts[1], {"inputs_embeds": states.to(self.dtype)}, inter, allowed, cache, keys)

    def _run(
        self, part: Any, inputs: dict[str, Tensor], inter: Tensor, allowed: Tensor, cache: Any, keys: Tensor | None
    ) -> Tensor:
        mask = masks_for(part.config, allowed, inter, inter if keys is None else keys, self.dtype)
        caching = {} if cache is None else {self._cache_name: cache}
        outputs = part(**inputs, attention_mask=mask, position_ids=inter, use_cache=cache is not None, **caching)
        states: Tensor = outputs[0]
        return states

    def new_cache(self) -> Any:
        """Keys and values of a text that is read once. Never made from the model's config: windows would be cut from it."""
        from transformers import DynamicCache

        return DynamicCache()

    # -- words ---------------------------------------------------------------------------------------------------------
    def word_logits(self, states: Tensor) -> Tensor:
        """(T, D) -> (T, V) float32."""
        logits: Tensor = self.causal.get_output_embeddings()(states).float()
        return self._capped(logits)

    def some_logits(self, states: Tensor, words: np.ndarray) -> Tensor:
        """(T, D) and (U,) words -> (T, U) float32: a part of the vocabulary's head."""
        head = self.causal.get_output_embeddings()
        rows = torch.from_numpy(words).to(states.device)
        logits = states.to(head.weight.dtype) @ head.weight[rows].T
        if getattr(head, "bias", None) is not None:
            logits = logits + head.bias[rows]
        return self._capped(logits.float())

    def _capped(self, logits: Tensor) -> Tensor:
        cap = getattr(self.causal.config, "final_logit_softcapping", None)
        return logits if cap is None else torch.tanh(logits / cap) * cap

    @torch.no_grad()
    def _scale(self) -> float:
        """Root mean square of the states at the cut, 1 at least; the median over a sentence, whose first token may be a hundred
        times larger."""
        ids = torch.tensor([self.coder.ids(PROBE)], device=self.device)
        sight = torch.ones((1, ids.shape[1], ids.shape[1]), dtype=torch.bool, device=self.device).tril()
        states = self.below(ids, torch.arange(ids.shape[1], device=self.device)[None], sight)[0].float()
        return max(1.0, float(states.square().mean(dim=1).sqrt().median()))

    def _probe(self) -> None:
        """Three words tell what no config does: whether the two parts are the model, and whether tokens obey the mask.

        Raises: ConfigError: some models scale what enters their layers or their logits, or mask by themselves.
        """
        a, b, c = (self.coder.ids(word)[0] for word in (".", " because", ":"))
        texts = torch.tensor([[a, b, c], [a, b, c], [c, b, c], [a, b, c], [a, b, a]], device=self.device)
        sight = torch.ones((5, 3, 3), dtype=torch.bool, device=self.device)
        sight[0], sight[1:3] = sight[0].tril(), torch.eye(3, dtype=torch.bool)
        inter = torch.arange(3, device=self.device).expand(5, 3)
        states = self.above(self.below(texts, inter, sight), inter, sight)
        whole = self.causal(input_ids=texts[:1]).logits[0].float()
        if not _alike(self.word_logits(states[0]), whole, 1e-3 if self.dtype == torch.float32 else 0.05):
            raise _refusal(self.name, self.causal.config, "its parts do not give the logits of the whole")
        hidden, shown = (_alike(states[n, at], states[n + 1, at], 1e-3) for n, at in ((1, 2), (3, 0)))
        if not hidden or shown:
            raise _refusal(self.name, self.causal.config, "its tokens do not obey a mask that is given to it")


class _NoPositions(nn.Module):
    """In the place of learnt positions that the lower part has added already. Whole zeros leave the states their type."""

    def forward(self, positions: Tensor) -> Tensor:
        return positions.new_zeros((*positions.shape, 1))


def _base(causal: Any, name: str) -> Any:
    """The stack of layers. Raises: ConfigError: not one of those we know how to cut and to mask."""
    base = getattr(causal, "model", None) or getattr(causal, "transformer", None)
    config = causal.config
    llama_like = all(hasattr(base, part) for part in ("embed_tokens", "layers", "norm"))
    gpt_like = all(hasattr(base, part) for part in ("wte", "wpe", "h", "ln_f"))
    other = set(getattr(config, "layer_types", None) or ()) - KNOWN_LAYERS
    why = ""
    if other:
        why = f"it has layers of the kind {', '.join(sorted(other))}, which carry text past a mask"
    elif getattr(config, "hidden_size_per_layer_input", None):
        why = "it reads the words again in every layer"
    elif getattr(config, "alibi", False) or not (llama_like or gpt_like):
        why = "it is neither of Llama's form (Llama, Mistral, Qwen, Gemma 2 and 3, Phi-3, OLMo 2, SmolLM) nor of GPT-2's"
    if why:
        raise _refusal(name, config, why)
    return base


def _refusal(name: str, config: Any, why: str) -> ConfigError:
    kind = getattr(config, "model_type", type(config).__name__)
    return ConfigError(f"the model {name!r} ({kind}) cannot be made a recommender: {why}; choose another with `--set model=...`")


def _alike(first: Tensor, other: Tensor, share: float) -> bool:
    """Nowhere more apart than a share of the largest value."""
    return bool((first - other).abs().max() <= share * other.abs().max())


def _layers(base: Any) -> Any:
    return base.layers if hasattr(base, "layers") else base.h


def _linears(base: Any, causal: Any, cut: int) -> list[str]:
    """Names of all linear maps of the layers from `cut` on."""
    wanted = {id(module) for layer in list(_layers(base))[cut:] for module in layer.modules()}
    return [
        name
        for name, module in causal.named_modules()
        if id(module) in wanted and (isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D")
    ]


def _adapt(causal: Any, names: Sequence[str], rank: int, seed: int) -> None:
    """LoRA (Hu et al. 2021) beside each of these maps: W + 2 B A, with B = 0 at the start. Adapters are float32."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingPackageError("peft", "pip install 'llmrg[lm]'") from error
    conv = any(type(module).__name__ == "Conv1D" for module in causal.modules())
    settings = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=list(names), fan_in_fan_out=conv)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        inject_adapter_in_model(settings, causal)
    for name, weight in causal.named_parameters():
        weight.requires_grad_("lora_" in name)
        if "lora_" in name:
            weight.data = weight.data.float()


def _part(base: Any, layers: slice, last: bool) -> Any:
    """The stack with some of its layers alone, sharing their weights. Only the last part has the final norm, only the first reads
    words and adds learnt positions."""
    part, modules = copy.copy(base), dict(base._modules)
    stack, norm = ("layers", "norm") if hasattr(base, "layers") else ("h", "ln_f")
    modules[stack] = nn.ModuleList(list(_layers(base))[layers])
    if not last:
        modules[norm] = nn.Identity()
    elif stack == "h":
        modules["wpe"] = _NoPositions()
    part.__dict__ = {**base.__dict__, "_modules": modules}
    part.config = copy.copy(base.config)
    part.config.num_hidden_layers = len(modules[stack])
    if kinds := getattr(base.config, "layer_types", None):
        part.config.layer_types = list(kinds)[layers]
    return part
