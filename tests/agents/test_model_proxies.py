"""Proxies of the environment and a chat model's server."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from llmrg.agents.chat.errors import as_model_error
from llmrg.agents.open_mind import chat_model
from llmrg.core.errors import ConfigError
from llmrg.core.settings import load_settings
from llmrg.testing.fake_openai import FakeOpenAI

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PROXY", "http://127.0.0.1:9"),
        ("http_proxy", "no-proxy-at-all"),
        ("ALL_PROXY", "socks5://127.0.0.1:1080"),
        ("HTTPS_PROXY", "gopher://proxy.example"),
        ("NO_PROXY", "127.0.0.1:x"),
    ],
)
async def test_a_server_on_this_machine_is_asked_directly(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with FakeOpenAI(lambda _: "hello") as server:
        monkeypatch.setenv(name, value)
        model: Any = chat_model(f"openai:fake@{server.url}", load_settings())
        assert (await model.ainvoke("hi")).text == "hello"
        await model.root_async_client.close()


@pytest.mark.parametrize(
    ("name", "value", "way_out"),
    [
        ("ALL_PROXY", "gopher://ann:hush@proxy.example", "http://host:port"),
        ("HTTPS_PROXY", "http://ann:hush@proxy.example:eighty", "http://host:port"),
        ("HTTP_PROXY", "socks9://ann:hush@proxy.example", "http://host:port"),
    ],
)
def test_a_proxy_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, way_out: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=name) as caught:
        chat_model("openai:x@http://models.example/v1", load_settings())
    assert way_out in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_socks_proxy_wants_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.example:1080")
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(ConfigError, match=r"ALL_PROXY.*pip install 'httpx\[socks\]'"):
        chat_model("openai:x@http://models.example/v1", load_settings())


async def test_a_proxy_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://ann:hush@127.0.0.1:9")
    model: Any = chat_model("openai:x@http://models.example/v1", load_settings())
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever the client raises
        await model.ainvoke("hi")
    await model.root_async_client.close()
    message = str(as_model_error(caught.value, 1.0))
    assert "the proxy in ALL_PROXY" in message
    assert "hush" not in message
