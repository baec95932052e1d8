"""A trained RecSysLLM as other servers take it: merged weights and item vectors, or a plain word where they cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file

from llmrg.core.errors import ConfigError
from llmrg.core.places import writing, written
from llmrg.recsysllm.content import RECENT
from llmrg.recsysllm.item_head import RANK
from llmrg.recsysllm.making import language_model_of
from llmrg.recsysllm.recommender import RecSysLlm

READ_ME = """What is in this folder, and how to serve it.

model/            the base model with the adapters merged in, a Hugging Face folder: transformers and vLLM load it as any other
items.safetensors keys (N, 128) and bias (N,) of the item head, query (128, D) and norm_eps; rows are those of items.json.
                  For the content scores: weights (2,) of text and attributes; content.text (N, T) unit rows; content.data,
                  .indices, .indptr, a CSR matrix (N, A) of attributes, and content.idf (A,)
items.json        item ids and titles

Text (explanations, headlines, ratings): feed a prompt of the form of prompts.json, and read on. The learnt vectors for control
tokens and graph slots are NOT in the merged weights: they are added inside the network, at layer {cut}. A server that knows
the merged weights alone answers without them.

Next items: take the last hidden state z of the token [S] that ends a prompt (vLLM: `--runner pooling`, last token), rank by
    keys @ (query @ layer_norm(z)) / sqrt(128) + bias
plus weights[0] * text + weights[1] * attributes, the content scores, which need the history's items and no language model:
    text        mean of content.text over the last {recent} items, @ content.text.T
    attributes  cosine of the history's summed attributes with each item's, both times content.idf
(`llmrg.recsysllm.content.Content` is these lines.) Mask seen items yourself. The vector of [S] is one of those that are added
inside the network: without it, the ranking is near to the saved recommender's, not equal.
"""


def export_for_serving(trained: Any, folder: Path | str) -> Path:
    """Write merged weights, the tokenizer, the item head and what the content scores are made of; returns the folder.

    Args: trained: a RecSysLLM, or a mix or fusion with one in it, of which the language model alone is written.
    Raises: ConfigError: no language model in it, or what no server can do: blank infilling (masks of its own), or titles along
    the catalogue's trie.
    """
    recommender = language_model_of(trained)
    config, net = recommender.config, recommender.fitted_net()
    if config.layout == "blank":
        raise ConfigError(
            "layout='blank' needs a mask of its own and repeated positions, which vLLM and transformers' servers do not take; "
            "train with layout='causal' to export"
        )
    if net.head is None:
        raise ConfigError(
            "head='titles' ranks along the catalogue's trie, which vLLM's beams ignore; train with head='items' to export"
        )
    folder = Path(folder)
    with writing(folder / "model"):
        _save_merged(recommender, folder / "model")
    head = net.head
    with torch.no_grad():
        keys = head.key(head.text) + (head.offset if head.offset is not None else 0.0)
    content = {name: np.ascontiguousarray(value) for name, value in recommender.content_tensors().items()}
    tensors = {"keys": keys, "bias": head.bias.detach(), "query": head.query.weight.detach()}
    arrays = {name: np.ascontiguousarray(value.float().cpu().numpy()) for name, value in tensors.items()}
    assert arrays["keys"].shape[1] == RANK
    arrays["weights"] = np.asarray(head.weights, dtype=np.float32)
    save_file({**content, **arrays, "norm_eps": np.array([head.norm.eps], dtype=np.float32)}, folder / "items.safetensors")
    items = [[id, item.title] for id, item in zip(recommender.items.ids, recommender.catalogue, strict=True)]
    written(folder / "items.json", json.dumps(items, ensure_ascii=False))
    written(folder / "prompts.json", json.dumps(recommender.example_prompt(), ensure_ascii=False, indent=1))
    written(folder / "README.txt", READ_ME.format(cut=net.backbone.cut, recent=RECENT))
    return folder


def _save_merged(recommender: RecSysLlm, folder: Path) -> None:
    """The base model's own classes, with W + 2 B A in the place of W."""
    import copy

    from peft.tuners.lora import LoraLayer

    backbone = recommender.fitted_net().backbone
    merged = copy.deepcopy(backbone.causal)
    for name, module in list(merged.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()  # type: ignore[attr-defined]
            parent, _, last = name.rpartition(".")
            setattr(merged.get_submodule(parent), last, module.base_layer)
    merged.save_pretrained(folder)
    backbone.coder.save(folder / "tokenizer.json")
