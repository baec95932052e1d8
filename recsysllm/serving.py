"""A trained RecSysLLM as other servers take it: merged weights and item vectors, or a plain word where they cannot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from llmrg.core.errors import ConfigError
from llmrg.recsysllm.item_head import RANK
from llmrg.recsysllm.recommender import RecSysLlm

READ_ME = """What is in this folder, and how to serve it.

model/            the base model with the adapters merged in, a Hugging Face folder: transformers and vLLM load it as any other
items.safetensors keys (N, 128) and bias (N,) of the item head, query (128, D) and norm_eps; rows are those of items.json
items.json        item ids and titles

Text (explanations, headlines, ratings): feed a prompt of the form of prompts.json, and read on. The learnt vectors for control
tokens and graph slots are NOT in the merged weights: they are added inside the network, at layer {cut}. A server that knows
the merged weights alone answers without them.

Next items: take the last hidden state z of the token [S] that ends a prompt (vLLM: `--runner pooling`, last token), rank by
    keys @ (query @ layer_norm(z)) / sqrt(128) + bias
plus the content scores, which need the history's items and not the language model. Mask seen items yourself.
"""


def export_for_serving(recommender: RecSysLlm, folder: Path | str) -> Path:
    """Write merged weights, the tokenizer and the item head; returns the folder.

    Raises: ConfigError: what no server can do: blank infilling (masks of its own), or titles along the catalogue's trie.
    """
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
    folder.mkdir(parents=True, exist_ok=True)
    _save_merged(recommender, folder / "model")
    head = net.head
    with torch.no_grad():
        keys = head.key(head.text) + (head.offset if head.offset is not None else 0.0)
    tensors = {"keys": keys, "bias": head.bias.detach(), "query": head.query.weight.detach()}
    arrays = {name: np.ascontiguousarray(value.float().cpu().numpy()) for name, value in tensors.items()}
    assert arrays["keys"].shape[1] == RANK
    save_file({**arrays, "norm_eps": np.array([head.norm.eps], dtype=np.float32)}, folder / "items.safetensors")
    items = [[id, item.title] for id, item in zip(recommender.items.ids, recommender.catalogue, strict=True)]
    (folder / "items.json").write_text(json.dumps(items, ensure_ascii=False), encoding="utf-8")
    (folder / "prompts.json").write_text(json.dumps(recommender.example_prompt(), ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / "README.txt").write_text(READ_ME.format(cut=net.backbone.cut), encoding="utf-8")
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
