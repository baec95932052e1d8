"""RecSysLLM: a pretrained language model turned recommender. Names load when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmrg.recsysllm.config import LlmTrainingConfig, RecSysLlmConfig
    from llmrg.recsysllm.making import language_model_of, make_recsysllm
    from llmrg.recsysllm.recommender import RecSysLlm
    from llmrg.recsysllm.serving import export_for_serving

_WHERE = {
    "LlmTrainingConfig": "config",
    "RecSysLlm": "recommender",
    "RecSysLlmConfig": "config",
    "export_for_serving": "serving",
    "language_model_of": "making",
    "make_recsysllm": "making",
}

__all__ = [
    "LlmTrainingConfig",
    "RecSysLlm",
    "RecSysLlmConfig",
    "export_for_serving",
    "language_model_of",
    "make_recsysllm",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"llmrg.recsysllm.{_WHERE[name]}"), name)
