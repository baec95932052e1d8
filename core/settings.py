"""The one place where environment and files are read, and only when asked."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from llmrg.core.errors import ConfigError

PREFIX: Final = "LLMRG_"
FILE: Final = Path("llmrg.toml")
"""In the working folder."""
_SECRET: Final = ("password", "key", "options")
"""Parts of the names of settings whose values are never repeated."""


class Settings(BaseSettings):
    """Read from `LLMRG_...` variables first, then from `llmrg.toml` in the working folder, then these defaults."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True)

    data: str = "demo"
    """What commands without `--data` read: a known data set, a file or folder, or `store:NAME`."""
    load: Annotated[dict[str, Any], NoDecode] = {}
    """How it is read, arguments of `llmrg.load_data`: a table `[load]` with `separator`, `items`, ..., and `[load.columns]`."""
    home: Path = Path(".llmrg")
    """Folder of this project's store, trained recommenders and reports."""
    store: str = ""
    """`sqlite:///file` or `neo4j://host:port/database`; empty means `graphs.db` in `home`."""
    store_user: str = "neo4j"
    """Of a Neo4j server."""
    store_password: SecretStr = SecretStr("")
    """Empty means a server without authentication."""
    store_database: str = "neo4j"
    """Of a Neo4j server, where the URL names none; where both do, they must agree."""
    other_store_user: str = ""
    """Of the other end of `llmrg export URL` and `llmrg import URL`; empty means the same as `store_user`."""
    other_store_password: SecretStr | None = None
    """None means the same as `store_password`, empty a server without authentication."""
    store_timeout_s: float = Field(default=30.0, gt=0)
    """Longest wait for a connection or a lock, and longest run of one call, in seconds."""
    store_pool_size: int = Field(default=100, ge=1)
    """Neo4j: connections at once at most; further calls wait."""
    store_synchronous: Literal["normal", "full"] = "normal"
    """SQLite: with `full` what was acknowledged survives a power cut too, at the price of a disk flush a call."""
    store_allow_network_disk: bool = False
    """SQLite: open a file on a network disk; safe only where one machine alone ever opens it."""
    cache_dir: Path = Path("~/.cache/llmrg")
    """Converted models, theme profiles and downloaded data; shared by all projects. Where the user has no home folder (in many
    containers): `cache` in `home`."""
    data_dir: Path = Path("~/.cache/llmrg/data")
    """Where `llmrg data get` puts files and where the loaders look for a data set by name. Without a home folder: `cache/data` in
    `home`."""
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
    model_options: Annotated[dict[str, Any], NoDecode] = {}
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
    """The same for tokens."""
    in_flight: int = Field(default=32, ge=1)
    """Requests to one server under way at once at most."""
    call_cache: bool = True
    """Keep every reply of a chat model in `calls.db` of `home`, so that no request is paid twice."""
    prompts: Path | None = None
    """Folder of prompt files of one's own (`llmrg prompts write FOLDER`); None means those that come with the package."""
    deny_reasons: Path | None = None
    """File of words and phrases, one a line: reasons that hold one are neither built nor shown."""
    allow_reasons: Path | None = None
    """File of reasons, one a line: no others are built or shown."""
    deny_sensitive: bool = False
    """The same for the package's own list of sensitive words: health, religion, sexuality, grief, ..."""
    prices: Path = Path("prices.toml")
    """What tokens cost, by model (`llmrg estimate --help`)."""
    trace: str = ""
    """Where OpenTelemetry spans of builds go: a file, or `opentelemetry` for the tracer provider that is set up; empty: there are
    none."""
    ray_workers: int = Field(default=0, ge=0)
    """Worker processes of `--ray`; 0: one for each processor of the cluster."""
    threads: int = Field(default=0, ge=0)
    """CPU threads of the local model; 0 means all cores."""
    device: str = "cpu"
    """Where recommenders are trained: `cpu`, `cuda`, `cuda:1`, `mps`, or `auto` for a GPU where there is one."""
    backend: Literal["auto", "dgl", "torch"] = "auto"
    """Graph encoder backend; `auto` takes DGL where it is installed."""

    @field_validator("home", "cache_dir", "data_dir", "prompts", "prices", "deny_reasons", "allow_reasons")
    @classmethod
    def _expanded(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        """`~` is the user's home folder, which not every user has."""
        if path is None:
            return None
        try:
            return path.expanduser()
        except RuntimeError as error:
            cache = Path(info.data.get("home", ".llmrg")) / "cache"
            instead = {"cache_dir": cache, "data_dir": cache / "data"}.get(str(info.field_name))
            if instead and path == cls.model_fields[str(info.field_name)].default:
                return instead
            raise ValueError("this user has no home folder, so ~ means nothing; give a whole path, or set HOME") from error

    @field_validator("model_options", "load", mode="before")
    @classmethod
    def _decoded(cls, value: Any, info: ValidationInfo) -> Any:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            example = '{"temperature": 0}' if info.field_name == "model_options" else '{"name": "shop"}'
            raise ValueError(f"it must be JSON such as {example}; {error}") from error

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
        return init_settings, _Environment(settings_cls), InitSettingsSource(settings_cls, _settings_file())


class _Environment(EnvSettingsSource):
    """The variables, without blanks around their values; one that is empty is not set. Passwords and keys stay as they are."""

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, value in super().__call__().items():
            if isinstance(value, str) and not name.lower().endswith(("password", "key")):
                value = value.strip()
                if not value:
                    continue
            values[name] = value
        return values


def load_settings(**overrides: object) -> Settings:
    """Settings as they stand now; `overrides` that are None are left out.

    Raises:
        ConfigError: a value is off, or `llmrg.toml` cannot be read; the message names the variable or the file.
    """
    values = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        raise ConfigError(_problem(dict(error.errors()[0]), values)) from error


def proxy_variables() -> list[str]:
    """Names of the variables that tell programs of a proxy."""
    return sorted(name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"))


def _settings_file() -> dict[str, Any]:
    """What `llmrg.toml` holds. Raises: ConfigError: it cannot be read."""
    try:
        return tomllib.loads(FILE.read_bytes().decode("utf-8-sig"))  # editors on Windows begin a file with a byte-order mark
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        where = f"byte {error.object[error.start]:#04x} in line {line}"
        raise ConfigError(f"{FILE.absolute()} is not UTF-8 text ({where}); save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f'{FILE.absolute()} is not TOML: {error}; a setting is a line such as mind = "attributes"') from error
    except OSError as error:
        raise ConfigError(
            f"the settings file {FILE.absolute()} cannot be read: {error.strerror}; mend it or move it away"
        ) from error


def _problem(problem: Mapping[str, Any], overrides: Mapping[str, object]) -> str:
    """One line for the first problem that pydantic found: the setting, the value unless it may be secret, and where it stands."""
    name = str(problem["loc"][0])
    variable = name if name in _aliases() else PREFIX + name.upper()
    if name in overrides:
        place, mend = "given here", "give another value"
    elif variable in {name.upper() for name in os.environ}:
        place, mend = f"from the variable {variable}", f"mend or unset {variable}"
    else:
        place, mend = f"from {FILE.absolute()}", f"mend that line, or set {variable}"
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, Settings.model_fields, 1)
        further = (
            f"did you mean {near[0]!r}?" if near else "how data are read (name, columns, separator, ...) stands below [load]"
        )
        return f"there is no setting {name!r} ({place}); {further}; see docs/settings.md"
    value = "" if any(part in name.lower() for part in _SECRET) else f": {problem.get('input')!r}"
    within = ".".join(str(part) for part in problem["loc"])
    return f"setting {within!r} is off ({problem['msg'].removeprefix('Value error, ')}){value}, {place}; {mend}"


def _aliases() -> set[str]:
    return {str(field.validation_alias) for field in Settings.model_fields.values() if field.validation_alias}
