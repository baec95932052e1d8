"""Proxies between us and a chat model's server: a server of this machine is asked directly, and a proxy that is none is named."""

from __future__ import annotations

from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from llmrg.core.errors import ConfigError
from llmrg.core.settings import proxy_variables


def connections(provider: str, url: str) -> dict[str, Any]:
    """Arguments of LangChain's class that say how its client connects."""
    direct: dict[str, Any] = {"trust_env": False} if _is_here(url or ("http://localhost" if provider == "ollama" else "")) else {}
    if provider == "openai":
        from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

        from llmrg.agents.chat.openai_chat import refuse_no_replies

        hooks = {"response": [refuse_no_replies]}
        ours: dict[str, Any] = {"http_async_client": DefaultAsyncHttpxClient(event_hooks=hooks, **direct)}
        return ours | ({"http_client": DefaultHttpxClient(**direct)} if direct else {})
    return {"client_kwargs": direct} if provider == "ollama" and direct else {}


def check_proxies() -> None:
    """Raises: ConfigError: no client can be made, since a proxy of the environment is off. Its address is not repeated, since it
    may hold a password."""
    names = proxy_variables()
    if not names or find_spec("httpx") is None:
        return
    import httpx

    try:
        httpx.Client().close()
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        way_out = "pip install 'httpx[socks]'" if isinstance(error, ImportError) else "write it as http://host:port"
        raise ConfigError(
            f"a proxy in {', '.join(names)} cannot be used ({type(error).__name__}); {way_out}, or unset it"
        ) from error


def _is_here(url: str) -> bool:
    """Whether the server runs on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
