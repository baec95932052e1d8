"""A mind by its name."""

from __future__ import annotations

from typing import Any

from llmrg.core.errors import ConfigError, MissingPackageError
from llmrg.core.settings import Settings
from llmrg.data.dataset import Dataset

MINDS = ("likelihood", "attributes", "chat")
LOCAL_MODELS = ("gemma-3-270m", "smollm2-135m")


def open_mind(name: str, model: str, dataset: Dataset, settings: Settings) -> Any:
    """A mind that fills all three roles.

    Args:
        name: `likelihood` (small local model), `attributes` (no model) or `chat` (any LangChain chat model).
        model: for likelihood a local model's name or folder; for chat a name that LangChain's `init_chat_model` takes.
    Raises: ConfigError, MissingPackageError, ModelFileError.
    """
    match name:
        case "attributes":
            from llmrg.agents.minds.attributes import AttributesMind

            return AttributesMind(dataset)
        case "likelihood":
            from llmrg.agents.minds.likelihood import LikelihoodMind
            from llmrg.agents.minds.local_lm import LocalLM

            cache = settings.cache_dir.expanduser()
            return LikelihoodMind(dataset, LocalLM.load(model, cache, settings.threads or None), cache)
        case "chat":
            from llmrg.agents.minds.chat import ChatMind

            return ChatMind(_chat_model(model), dataset)
    raise ConfigError(f"no mind is named {name!r}; choose one of {', '.join(MINDS)}")


def _chat_model(model: str) -> Any:
    if ":" not in model or model in LOCAL_MODELS:
        raise ConfigError(
            f"the chat mind needs a model's name with its provider, not {model!r}; "
            "for instance --model ollama:llama3.2 or --model openai:YOUR_MODEL"
        )
    try:
        from langchain.chat_models import init_chat_model

        return init_chat_model(model)
    except ImportError as error:
        provider = model.partition(":")[0]
        raise MissingPackageError(f"langchain for {provider}", f"pip install 'llmrg[{provider}]'") from error
