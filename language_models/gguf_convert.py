"""A GGUF file made into a Hugging Face folder: config.json, model.safetensors, tokenizer.json.

Transformers reads GGUF too, but takes 30-90 s for these files, most of it in a general reader and in rebuilding the tokenizer's
merges. Only the two architectures of the bundled models are known here (`gemma3`, and `llama` without rope scaling); their
names and the small changes that the GGUF writer made to the weights are undone as transformers undoes them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file

from llmrg.core.errors import MissingPackageError, ModelFileError

Bytes = npt.NDArray[np.uint8]

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_BLOCK = {
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_k.weight": "self_attn.k_proj.weight",
    "attn_v.weight": "self_attn.v_proj.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "attn_q_norm.weight": "self_attn.q_norm.weight",
    "attn_k_norm.weight": "self_attn.k_norm.weight",
    "attn_norm.weight": "input_layernorm.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
    "post_ffw_norm.weight": "post_feedforward_layernorm.weight",
}
_FFN_NORM = {"gemma3": "pre_feedforward_layernorm.weight", "llama": "post_attention_layernorm.weight"}
_WHOLE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_ROWS = 16_384
"""Rows dequantized at a time: the float32 copy of a 262,144-row table would not fit the caches."""


@dataclass(frozen=True)
class GgufTensor:
    """Where one tensor lies. `shape` is in torch's order, `kind` the ggml type number, `start` counts from the file's start."""

    shape: tuple[int, ...]
    kind: int
    start: int


@dataclass(frozen=True)
class Gguf:
    """A parsed GGUF file: metadata, and tensors still packed in `data`."""

    data: Bytes
    fields: dict[str, Any]
    tensors: dict[str, GgufTensor]

    def dequantized(self, name: str, dtype: torch.dtype) -> torch.Tensor:
        """One tensor as `dtype`, in torch's order of axes.

        Raises: ModelFileError: the file ends before it does.
        """
        try:
            from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize
        except ImportError as error:
            raise MissingPackageError("gguf", "pip install 'llmrg[local]'") from error
        tensor = self.tensors[name]
        kind = GGMLQuantizationType(tensor.kind)
        block_items, block_bytes = GGML_QUANT_SIZES[kind]
        rows, width = int(np.prod(tensor.shape[:-1], dtype=np.int64)), tensor.shape[-1] // block_items * block_bytes
        packed = self.data[tensor.start : tensor.start + rows * width]
        if len(packed) < rows * width:
            raise ModelFileError(f"tensor {name!r} is cut short: {len(packed)} of {rows * width} bytes")
        packed = packed.reshape(rows, width)
        whole = torch.empty((rows, tensor.shape[-1]), dtype=dtype)
        for first in range(0, rows, _ROWS):
            part = dequantize(packed[first : first + _ROWS].view(), kind)
            whole[first : first + _ROWS] = torch.from_numpy(np.require(part, requirements=("C", "W")))
        return whole.reshape(tensor.shape)


def parse(data: Bytes) -> Gguf:
    """Read the header.

    Raises: ModelFileError: not a GGUF file, or one cut short.
    """
    view = data.data
    at = 0

    def number(code: str) -> Any:
        nonlocal at
        (value,) = struct.unpack_from(f"<{code}", view, at)
        at += struct.calcsize(code)
        return value

    def string() -> str:
        nonlocal at
        length = number("Q")
        at += length
        return bytes(view[at - length : at]).decode("utf-8")

    def value(kind: int) -> Any:
        nonlocal at
        if kind == _STRING:
            return string()
        if kind != _ARRAY:
            return number(_NUMBERS[kind])
        inner, count = number("I"), number("Q")
        if inner in (_STRING, _ARRAY):
            return [value(inner) for _ in range(count)]
        values = struct.unpack_from(f"<{count}{_NUMBERS[inner]}", view, at)
        at += count * struct.calcsize(_NUMBERS[inner])
        return values

    try:
        if bytes(view[:4]) != b"GGUF" or struct.unpack_from("<I", view, 4)[0] not in (2, 3):
            raise ModelFileError(f"no GGUF file of version 2 or 3: it starts with {bytes(view[:8])!r}")
        at = 8
        tensor_count, field_count = number("Q"), number("Q")
        fields = {string(): value(number("I")) for _ in range(field_count)}
        entries = []
        for _ in range(tensor_count):
            name = string()
            shape = tuple(reversed([number("Q") for _ in range(number("I"))]))
            entries.append((name, shape, number("I"), number("Q")))
    except (struct.error, UnicodeDecodeError, KeyError) as error:
        raise ModelFileError(f"the GGUF header is cut short or damaged near byte {at} of {len(data)}") from error
    align = int(fields.get("general.alignment", 32))
    start = -(-at // align) * align
    return Gguf(data, fields, {name: GgufTensor(shape, kind, start + offset) for name, shape, kind, offset in entries})


def hf_config(gguf: Gguf) -> dict[str, Any]:
    """The config.json of the model.

    Raises: ModelFileError: an architecture that is not known here.
    """
    fields = gguf.fields
    kind = fields.get("general.architecture")
    unknown_scaling = f"{kind}.rope.scaling.type" in fields or "rope_freqs.weight" in gguf.tensors
    if kind not in _FFN_NORM or unknown_scaling:
        what = f"{kind!r}" + (" with rope scaling" if unknown_scaling else "")
        raise ModelFileError(f"GGUF architecture {what} is not converted here; give a folder with safetensors and tokenizer.json")
    get = {key.removeprefix(f"{kind}."): value for key, value in fields.items()}
    heads = get["attention.head_count"]
    config = {
        "vocab_size": gguf.tensors["token_embd.weight"].shape[0],
        "hidden_size": get["embedding_length"],
        "intermediate_size": get["feed_forward_length"],
        "num_hidden_layers": get["block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": get.get("attention.head_count_kv", heads),
        "head_dim": get.get("attention.key_length", get["embedding_length"] // heads),
        "max_position_embeddings": get["context_length"],
        "rms_norm_eps": get["attention.layer_norm_rms_epsilon"],
        "rope_theta": get.get("rope.freq_base", 10_000.0),
        "tie_word_embeddings": "output.weight" not in gguf.tensors,
        "bos_token_id": fields.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": fields.get("tokenizer.ggml.eos_token_id"),
        "pad_token_id": fields.get("tokenizer.ggml.padding_token_id"),
        "dtype": "bfloat16",
    }
    if kind == "llama":
        return {"model_type": "llama", "architectures": ["LlamaForCausalLM"], **config}
    layers = range(config["num_hidden_layers"])
    return {
        "model_type": "gemma3_text",
        "architectures": ["Gemma3ForCausalLM"],
        **config,
        "rope_local_base_freq": 10_000.0,
        "sliding_window": get["attention.sliding_window"],
        "layer_types": ["full_attention" if (layer + 1) % 6 == 0 else "sliding_attention" for layer in layers],
        "query_pre_attn_scalar": config["head_dim"],
    }


def hf_weights(gguf: Gguf, dtype: torch.dtype = torch.bfloat16) -> dict[str, torch.Tensor]:
    """Weights under transformers' names; norm vectors stay float32 (they are small, and read more exactly so)."""
    kind = gguf.fields["general.architecture"]
    config = hf_config(gguf)
    weights = {}
    for name in gguf.tensors:
        is_norm = "norm" in name
        weight = gguf.dequantized(name, torch.float32 if is_norm else dtype)
        if kind == "gemma3" and is_norm:
            weight = weight - 1  # GGUF keeps 1 + w, transformers w
        if kind == "llama" and name.endswith(("attn_q.weight", "attn_k.weight")):
            heads = config["num_attention_heads" if name.endswith("q.weight") else "num_key_value_heads"]
            weight = _half_split(weight, heads)
        weights[_hf_name(name, kind)] = weight.contiguous()
    return weights


def _half_split(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """From llama.cpp's interleaved order of rotary pairs back to transformers' two halves."""
    dim = weight.shape[0] // heads // 2
    return weight.reshape(heads, dim, 2, -1).transpose(1, 2).reshape(weight.shape)


def _hf_name(name: str, kind: str) -> str:
    if name in _WHOLE:
        return _WHOLE[name]
    _, layer, rest = name.split(".", 2)
    special = {"ffn_norm.weight": _FFN_NORM[kind], "post_attention_norm.weight": "post_attention_layernorm.weight"}
    return f"model.layers.{layer}.{special.get(rest) or _BLOCK[rest]}"


def write_folder(data: Bytes, folder: Path, say: Callable[[str], None]) -> None:
    """Write the Hugging Face folder of a GGUF file.

    Raises: ModelFileError: not a GGUF file, damaged, or of an unknown architecture.
    """
    from llmrg.language_models.gguf_tokenizer import write_tokenizer

    gguf = parse(data)
    config = hf_config(gguf)
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    say("building the tokenizer")
    write_tokenizer(gguf.fields, folder)
    say("unpacking the weights")
    save_file(hf_weights(gguf), folder / "model.safetensors", metadata={"format": "pt"})
