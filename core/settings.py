"""The one place where environment and files are read, and only when asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from llmrg.core.errors import ConfigError


class Settings(BaseSettings):
    """Read from `LLMRG_...` variables first, then from `llmrg.toml` in the working folder, then these defaults."""

    model_config = SettingsConfigDict(env_prefix="LLMRG_", toml_file="llmrg.toml", extra="forbid", frozen=True)

    home: Path = Path(".llmrg")
    """Folder of this project's store, trained recommenders and reports."""
    store: str = ""
    """`sqlite:///file` or `neo4j://host:port`; empty means `graphs.db` in `home`."""
    store_user: str = "neo4j"
    store_password: SecretStr = SecretStr("")
    """Empty means a server without authentication."""
    store_database: str = "neo4j"
    other_store_user: str = ""
    """Of the other end of `llmrg export URL` and `llmrg import URL`; empty means the same as `store_user`."""
    other_store_password: SecretStr | None = None
    """None means the same as `store_password`, empty a server without authentication."""
    store_timeout_s: float = Field(default=30.0, gt=0)
    store_pool_size: int = Field(default=100, ge=1)
    """Neo4j: connections at once at most; further calls wait."""
    store_synchronous: Literal["normal", "full"] = "normal"
    """SQLite: with `full` what was acknowledged survives a power cut too, at the price of a disk flush a call."""
    store_allow_network_disk: bool = False
    """SQLite: open a file on a network disk; safe only where one machine alone ever opens it."""
    cache_dir: Path = Path("~/.cache/llmrg")
    """Converted models, theme profiles and downloaded data; shared by all projects."""
    data_dir: Path = Path("~/.cache/llmrg/data")
    """Where `llmrg data get` puts files and where the loaders look for a data set by name."""
    mind: str = "likelihood"
    """Who reasons: `likelihood` (local model), `attributes` (no model), `profiles` (recorded answers), or `chat`; with a model,
    or the name of a profile source, after a slash where wanted, such as `chat/ollama:llama3.2` or `profiles/films`."""
    model: str = "gemma-3-270m"
    """Model of a mind that is named without one. Local: `gemma-3-270m`, `smollm2-135m` or a folder; chat: a LangChain name such
    as `ollama:llama3.2`, or `openai:NAME@http://127.0.0.1:8000/v1` for any server that speaks OpenAI's protocol."""
    ask: Literal["user", "item"] = "user"
    """How the chat mind asks: about each user's items, or once about each item of the catalogue; then users cost no call."""
    model_url: str = ""
    """Address of the chat model's server where its name holds none; empty means the provider's own."""
    model_options: dict[str, Any] = {}
    """Further arguments of the chat model, JSON in the environment: `{"temperature": 0}`."""
    form: Literal["auto", "json_schema", "tools", "json", "text"] = "auto"
    """Form of structured output that a chat model is asked for; `auto` takes the best that the model and its server know."""
    model_timeout_s: float = Field(default=120.0, gt=0)
    """Seconds until a request to a chat model counts as failed."""
    openai_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="OPENAI_API_KEY")
    """Looked at only to see whether there is one."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """What the chat model's server allows; None: not known, found out from its refusals."""
    tokens_per_minute: float | None = Field(default=None, gt=0)
    in_flight: int = Field(default=32, ge=1)
    """Requests to one server under way at once at most."""
    call_cache: bool = True
    """Keep every reply of a chat model in `calls.db` of `home`, so that no request is paid twice."""
    prompts: Path | None = None
    """Folder of prompt files of one's own (`llmrg prompts write FOLDER`); None means those that come with the package."""
    prices: Path = Path("prices.toml")
    """What tokens cost, by model (`llmrg estimate --help`)."""
    trace: str = ""
    """Where OpenTelemetry spans of builds go: a file, or `opentelemetry` for the tracer provider that is set up; empty: there are
    none."""
    threads: int = Field(default=0, ge=0)
    """CPU threads of the local model; 0 means all cores."""
    device: str = "cpu"
    """Where recommenders are trained: `cpu`, `cuda`, `cuda:1`, `mps`, or `auto` for a GPU where there is one."""
    backend: Literal["auto", "dgl", "torch"] = "auto"
    """Graph encoder backend; `auto` takes DGL where it is installed."""

    @property
    def calls_path(self) -> Path:
        """The call cache."""
        return self.home / "calls.db"

    @property
    def store_url(self) -> str:
        return self.store or f"sqlite:///{self.home / 'graphs.db'}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**overrides: object) -> Settings:
    """Settings as they stand now; `overrides` that are None are left out.

    Raises:
        ConfigError: a value is off; the message names the setting and the value.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"setting {name!r} is off ({first['msg']}): {first.get('input')!r}; set LLMRG_{name.upper()} or mend llmrg.toml"
        ) from error
