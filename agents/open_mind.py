"""A mind by its name: `attributes`, `likelihood`, `likelihood/smollm2-135m`, `profiles/films`, `chat/ollama:llama3.2`,
`chat/openai:my-model@http://127.0.0.1:8000/v1`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from llmrg.agents.chat.proxies import check_proxies, connections
from llmrg.core.errors import ConfigError, MissingPackageError
from llmrg.core.settings import Settings
from llmrg.core.vetoes import Vetoes, load_vetoes
from llmrg.data.dataset import Dataset

if TYPE_CHECKING:
    from langchain_core.caches import BaseCache
    from langchain_core.language_models.chat_models import BaseChatModel

    from llmrg.agents.chat.limiter import Limiter, Limits
    from llmrg.core.themes import Themes

MINDS = ("likelihood", "attributes", "profiles", "chat")
LOCAL_MODELS = ("gemma-3-270m", "smollm2-135m")
_NO_KEY = "none"
"""Sent to an endpoint of one's own where no key is set; OpenAI's client wants one."""


class OpenMinds:
    """Opens minds for one project, each once: roles of the same name share a mind, its limiter and its cache."""

    def __init__(
        self,
        dataset: Dataset,
        settings: Settings,
        themes: Callable[[], Themes] | None = None,
        *,
        vetoes: Vetoes | None = None,
        cache: BaseCache | None = None,
        limiter: Callable[[str], Limiter] | None = None,
    ) -> None:
        """Args:
        themes: reads what the store knows of items, for `profiles`; without it there is nothing known.
        vetoes: by default those of the files that the settings name.
        cache: in place of the call cache of the project's folder.
        limiter: gives the limiter of an endpoint; by default each gets one of its own here.
        """
        if vetoes is not None:
            self.vetoes = vetoes
        if cache is not None:
            self.cache = cache
        self._limiter = limiter or (lambda _: _own_limiter(settings))
        self._dataset, self._settings, self._themes = dataset, settings, themes
        self._opened: dict[tuple[str, str], Any] = {}
        self._limiters: dict[str, Limiter] = {}

    @cached_property
    def cache(self) -> BaseCache | None:
        """The call cache of the project's folder; None where it is switched off."""
        from llmrg.agents.chat.call_cache import SqliteCallCache

        return SqliteCallCache(self._settings.calls_path) if self._settings.call_cache else None

    @cached_property
    def vetoes(self) -> Vetoes:
        return load_vetoes(self._settings)

    def close(self) -> None:
        if hasattr(cache := self.__dict__.pop("cache", None), "close"):
            cache.close()
        self._opened.clear()

    def get(self, name: str) -> Any:
        """A mind that can fill all three roles.

        Raises: ConfigError, MissingPackageError, ModelFileError.
        """
        kind, _, model = name.partition("/")
        makers: dict[str, Callable[[str], Any]] = {
            "attributes": self._attributes,
            "likelihood": self._likelihood,
            "chat": self._chat_by_item if self._settings.ask == "item" else self._chat,
        }
        if kind == "profiles":
            return self._profiles(model)
        if kind not in makers:
            raise ConfigError(
                f"no mind is named {name!r}; choose one of {', '.join(MINDS)}, with a model where wanted: "
                "likelihood/smollm2-135m, profiles/films, chat/ollama:llama3.2"
            )
        model = model or self._default_model(kind)
        if (kind, model) not in self._opened:
            self._opened[kind, model] = makers[kind](model)
        return self._opened[kind, model]

    def _default_model(self, kind: str) -> str:
        """The model of the settings, as far as it is of this kind: `--mind chat --model x --verifier likelihood` wants two."""
        model = self._settings.model
        if kind == "likelihood" and _is_chat_model(model):
            return LOCAL_MODELS[0]
        return model if kind != "attributes" else ""

    def _attributes(self, _: str) -> Any:
        from llmrg.agents.minds.attributes import AttributesMind

        return AttributesMind(self._dataset, vetoes=self.vetoes)

    def _likelihood(self, model: str) -> Any:
        from llmrg.agents.minds.likelihood import LikelihoodMind
        from llmrg.agents.minds.local_lm import LocalLM

        cache = self._settings.cache_dir.expanduser()
        lm = LocalLM.load(model, cache, self._settings.threads or None)
        return LikelihoodMind(self._dataset, lm, cache, vetoes=self.vetoes)

    def _profiles(self, source: str) -> Any:
        """Opened anew where the stored profile has changed."""
        from llmrg.agents.minds.profiles import ProfilesMind
        from llmrg.core.themes import Themes

        known = (self._themes() if self._themes else Themes()).profiles
        chosen = [profile for profile in known if profile.source.name == source] if source else list(known)
        if len(chosen) != 1:
            names = ", ".join(profile.source.name for profile in known)
            there = f"this data set has {names}" if names else "this data set has none: `llmrg profiles import` puts one there"
            what = f"no profile source is named {source!r}" if source else "the mind `profiles` needs the name of a source"
            raise ConfigError(f"{what}; {there}. Name one as in `--mind profiles/NAME`")
        (profile,) = chosen
        key = ("profiles", profile.source.name)
        if key not in self._opened or self._opened[key].profile != profile:
            self._opened[key] = ProfilesMind(self._dataset, profile, vetoes=self.vetoes)
        return self._opened[key]

    def _chat(self, name: str) -> Any:
        from llmrg.agents.chat.prompts import FOLDER
        from llmrg.agents.minds.chat import ChatConfig, ChatMind

        config = ChatConfig(**self._how(), prompts=self._settings.prompts or FOLDER)
        return ChatMind(chat_model(name, self._settings), self._dataset, config, **self._reached(name))

    def _chat_by_item(self, name: str) -> Any:
        from llmrg.agents.chat.prompts import FOLDER
        from llmrg.agents.minds.item_chat import ItemChatConfig, ItemChatMind

        config = ItemChatConfig(**self._how(), prompts=self._settings.prompts or FOLDER)
        return ItemChatMind(chat_model(name, self._settings), self._dataset, config, **self._reached(name), vetoes=self.vetoes)

    def _how(self) -> dict[str, Any]:
        return {"timeout_s": self._settings.model_timeout_s, "form": self._settings.form}

    def _reached(self, name: str) -> dict[str, Any]:
        """How a chat model is reached: its cache, the limiter of its server, and how it is opened again."""
        from llmrg.agents.chat.servers import address

        endpoint = address(_url(name, self._settings)) or name.partition(":")[0]
        if endpoint not in self._limiters:
            self._limiters[endpoint] = self._limiter(endpoint)
        return {"cache": self.cache, "limiter": self._limiters[endpoint], "reopen": lambda: chat_model(name, self._settings)}


def limits_of(settings: Settings) -> Limits:
    """What the settings say of each endpoint's limits."""
    from llmrg.agents.chat.limiter import Limits

    names = ("requests_per_minute", "tokens_per_minute", "in_flight")
    return Limits(**{name: getattr(settings, name) for name in names})


def _own_limiter(settings: Settings) -> Limiter:
    from llmrg.agents.chat.limiter import Limiter

    return Limiter(limits_of(settings))


def _is_chat_model(model: str) -> bool:
    provider, colon, _ = model.partition(":")
    return bool(colon) and provider.isidentifier()


def _url(name: str, settings: Settings) -> str:
    """Of the model's server; empty where the provider's own is meant."""
    _, _, rest = name.partition("@http")
    return f"http{rest}" if rest else settings.model_url


def chat_model(name: str, settings: Settings) -> BaseChatModel:
    """A LangChain chat model by `provider:model` or `provider:model@URL`.

    Retries are ours, so that calls are counted and limits are kept: the provider's client makes none. OpenAI's gets connections
    of its own, which are closed when a build ends; else they outlive its event loop.

    Raises: ConfigError: not such a name, an address with a password, or LangChain refuses it; MissingPackageError: the provider's
    package is not installed.
    """
    model, url = name.partition("@http")[0], _url(name, settings)
    provider = model.partition(":")[0]
    if not _is_chat_model(model):
        raise ConfigError(
            f"the chat mind needs a model's name with its provider, not {name!r}; for instance --model ollama:llama3.2, "
            "--model openai:YOUR_MODEL, or --model openai:YOUR_MODEL@http://127.0.0.1:8000/v1 for a server of your own"
        )
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise ConfigError(
            f"the address of {model!r} holds a user or a password, which would stand in commands and records; leave them "
            "out, and put the key into OPENAI_API_KEY, or a header into LLMRG_MODEL_OPTIONS"
        )
    options: dict[str, Any] = dict(settings.model_options)
    if url:
        options["base_url"] = url
        if provider == "openai" and not settings.openai_api_key:
            options["api_key"] = _NO_KEY
    if provider == "openai" and settings.openai_api_key:  # the client would read it where it runs, which may be another machine
        options.setdefault("api_key", settings.openai_api_key)
    try:
        options = {**connections(provider, url), **options}
        if provider == "openai":
            from llmrg.agents.chat.openai_chat import LenientChatOpenAI

            return LenientChatOpenAI(**{"max_retries": 0, **options, "model": model.partition(":")[2]})
        from langchain.chat_models import init_chat_model

        opened: BaseChatModel = init_chat_model(model, **options)
        if "max_retries" in type(opened).model_fields:
            opened = init_chat_model(model, **options, max_retries=0)
    except ImportError as error:
        check_proxies()
        raise MissingPackageError(f"langchain for {provider}", f"pip install 'llmrg[{provider}]'") from error
    except Exception as error:  # each provider's class has its own kinds: no key, unknown provider, unknown option
        check_proxies()
        problem = " ".join(str(error).split())[:300]
        raise ConfigError(f"the chat model {name!r} cannot be opened ({type(error).__name__}: {problem})") from error
    return opened
