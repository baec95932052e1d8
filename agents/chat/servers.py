"""Where a chat model is: two servers that know a model by one name are two models."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from langchain_core.language_models.chat_models import BaseChatModel

_CLIENTS = (("root_async_client", "base_url"), ("root_client", "base_url"), ("_async_client", "_client", "base_url"))
"""Of OpenAI's and Ollama's classes: where their clients really go, defaults and environment included."""
_FIELDS = (
    *("base_url", "openai_api_base", "api_base", "anthropic_api_url", "azure_endpoint", "endpoint_url", "endpoint"),
    *("server_url", "api_url", "inference_server_url"),
)
_OWN = ("https://api.openai.com/v1", "http://127.0.0.1:11434", "http://localhost:11434", "https://api.anthropic.com")
"""Of the providers themselves, or of Ollama on this machine: no part of a mind's name."""
_PORTS = {"http": 80, "https": 443}


def server_of(model: BaseChatModel) -> str:
    """Scheme, host, port and path; empty where a model's class does not say it."""
    for path in (*_CLIENTS, *((name,) for name in _FIELDS)):
        part: Any = model
        for name in path:
            part = getattr(part, name, None)
        if part is not None and (place := address(str(part))):
            return place
    return ""


def address(url: str) -> str:
    """The same text for the same server: lower case, no slash at the end, no standard port, and none of what may be secret."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not host:
        return ""
    host = f"[{host}]" if ":" in host else host
    shown_port = "" if port is None or port == _PORTS.get(parts.scheme) else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}{parts.path.rstrip('/')}"


def named_with(model_name: str, server: str) -> str:
    """`NAME`, or `NAME@host:port/path` on a server of one's own."""
    return model_name if not server or server in _OWN else f"{model_name}@{server.partition('://')[2]}"
