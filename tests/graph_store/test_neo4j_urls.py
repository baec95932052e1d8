"""What a Neo4j URL means, and what is told of a place where none answers. Without a server, but for the last test."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrg.core.errors import ConfigError, StoreError, StoreUnreachableError
from llmrg.core.settings import load_settings
from llmrg.graph_store import open_store
from llmrg.graph_store.neo4j_store import Neo4jStore
from llmrg.graph_store.neo4j_url import SCHEMES, read_url
from llmrg.graph_store.open_store import configured_store
from llmrg.testing.neo4j_fixture import Neo4jServer
from llmrg.testing.neo4j_ports import HOST, free_port
from llmrg.testing.store_examples import NAMESPACE, fill


@pytest.mark.parametrize(
    ("url", "place", "database"),
    [
        ("neo4j://db.example", "neo4j://db.example", "neo4j"),
        ("neo4j://db.example:7688/", "neo4j://db.example:7688", "neo4j"),
        ("bolt+ssc://db.example/films", "bolt+ssc://db.example", "films"),
        ("NEO4J+S://DB.example:7687/films/", "neo4j+s://DB.example:7687", "films"),
        ("neo4j://[2001:db8::7]:7687/films-2.eu", "neo4j://[2001:db8::7]:7687", "films-2.eu"),
        ("neo4j://db.example/f%69lms?region=eu", "neo4j://db.example?region=eu", "films"),
        ("neo4j+ssc://[::1]?policy=a&region=b", "neo4j+ssc://[::1]?policy=a&region=b", "neo4j"),
    ],
)
def test_the_driver_gets_its_part_and_the_path_is_the_database(url: str, place: str, database: str) -> None:
    read = read_url(url)
    assert (read.place, read.chosen(None)) == (place, database)
    assert read_url(read.text) == read
    store = Neo4jStore(url)
    assert database in repr(store)
    assert store.url == read.text


HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,10}(\.[a-z]{2,5})?", fullmatch=True) | st.ip_addresses(v=6).map(lambda ip: f"[{ip}]")
NAMES = st.from_regex(r"[a-z][a-z0-9.-]{2,20}", fullmatch=True)


@settings(deadline=None)  # the first driver takes seconds to import
@given(st.sampled_from(SCHEMES), HOSTS, st.none() | st.integers(1, 65535), st.just("") | NAMES)
def test_what_is_read_is_what_the_driver_takes(scheme: str, host: str, port: int | None, database: str) -> None:
    from neo4j import GraphDatabase
    from neo4j.addressing import Address

    read = read_url(f"{scheme}://{host}{'' if port is None else f':{port}'}/{database}")
    assert (read.database, read.tls) == (database, "+" in scheme)
    taken = Address.parse(read.place.partition("://")[2], default_port=7687)
    assert (taken.host, taken.port) == (read.host, read.port)
    GraphDatabase.driver(read.place).close()


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("neo4j:///films", "names no host"),
        ("bolt://:7687", "names no host"),
        ("neo4j://host:bolt", r"host or port .* cannot be read"),
        ("neo4j://host:76870", r"host or port .* cannot be read"),
        ("neo4j://host:0", "not one host with its port"),
        ("neo4j://one:7687,two:7687", "cannot be read|not one host"),
        ("neo4j://my host", "not one host with its port"),
        ("neo4j://fe80::7:7687", "brackets"),
        ("neo4j://[fe80::7:7687", "brackets"),
        ("neo4j://host/films/2024", "the path .* 'films/2024'"),
        ("neo4j://host/a b", "the path .* 'a b'"),
        ("neo4j://host/films#top", "after #"),
        ("bolt://host?policy=eu", "bolt:// does not"),
        ("bolt+s://host/films?region=eu", r"bolt\+s:// does not"),
        ("neo4j://host?policy=a&policy=b", "once, with a value"),
        ("neo4j://host?policy", "once, with a value"),
        ("neo4j://host?database=films", "neo4j://host/database"),
        ("neo4j://host?password=hush", "LLMRG_STORE_PASSWORD"),
        ("bolt://host?encrypted=true", r"neo4j\+s://"),
        ("http://host:7474", "neo4j://host:7687"),
        ("https://host:7473/browser/", "neo4j://host:7687"),
        ("bolt+routing://host", "neo4j://host:7687"),
        ("neo4j+tls://host", r"neo4j\+s://"),
        ("neo4js://host", r"neo4j\+s://"),
        ("jdbc:neo4j://host:7687", "for Java programs"),
        ("neo4j:host", "two slashes are missing"),
        ("bolt:/host", "two slashes are missing"),
        ("localhost:7687", "write neo4j://localhost:7687"),
        ("sqlite:///graphs.db?mode=ro", "sqlite:///graphs.db$"),
    ],
)
def test_what_means_nothing_is_refused_before_anybody_is_asked(url: str, advice: str) -> None:
    with pytest.raises(ConfigError, match=advice) as caught:
        open_store(url)
    assert "hush" not in f"{caught.value!r} {caught.value.__cause__!r}"


@pytest.mark.parametrize("url", ["bolt://ann:hush@host", "neo4j+s://ann:hush@host/films", "neo4j://:hush@:1", "bolt://a@b@c"])
def test_the_class_too_refuses_passwords_in_its_url(url: str) -> None:
    with pytest.raises(ConfigError, match="LLMRG_STORE_PASSWORD") as caught:
        Neo4jStore(url)
    assert "hush" not in repr(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "neo4j://ann:hush/er@host", "neo4j://ann:1/hush@host", "neo4j://ann:1#hush@host", "neo4j://ann:1?hush@host",
        "neo4j://ann:hu%40sh@host", "neo4j:ann:hush@host", "ann:hush@host:7687", "jdbc:neo4j://ann:hush@host",
        "http://ann:hush@host:7474", "postgresql://ann:hush@host/films",
    ],
)  # fmt: skip
def test_a_password_of_any_letters_is_refused_and_never_repeated(url: str) -> None:
    for opened in (open_store, Neo4jStore):
        with pytest.raises(ConfigError, match="LLMRG_STORE_PASSWORD") as caught:
            opened(url)
        assert not any(part in f"{caught.value!r} {caught.value.__cause__!r}" for part in ("hush", "hu%", "ann"))


def test_path_and_setting_may_agree_but_not_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "'films'" in repr(configured_store(load_settings(store="neo4j://host/films")))
    assert "'films'" in repr(configured_store(load_settings(store="neo4j://host", store_database="films")))
    assert "'Films'" in repr(configured_store(load_settings(store="neo4j://host/Films", store_database="films")))
    monkeypatch.setenv("LLMRG_STORE_DATABASE", "neo4j")  # said, though it is the default
    with pytest.raises(ConfigError, match=r"'films'.*LLMRG_STORE_DATABASE 'neo4j'"):
        configured_store(load_settings(store="neo4j://host/films"))
    with pytest.raises(ConfigError, match="'films'"):
        open_store("neo4j://host/films", database="books")
    other = configured_store(load_settings(store="neo4j://host"), "neo4j://archive/films")  # the setting is not about this end
    assert "'films'" in repr(other)


# -- who listens -------------------------------------------------------------------------------------------------------------
Answer = Callable[[socket.socket], None]


def _web(client: socket.socket) -> None:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += client.recv(64) or b"\r\n\r\n"
    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def _bolt(client: socket.socket) -> None:
    if client.recv(4) == b"\x60\x60\xb0\x17":
        client.recv(16)
        client.sendall(b"\x00\x00\x04\x05")
        client.recv(64)


def _mail(client: socket.socket) -> None:
    client.sendall(b"220 mail.example ready\r\n")
    client.recv(64)


@pytest.fixture
def listen() -> Iterator[Callable[..., int]]:
    """Somebody who answers each connection in this way; returns the port."""
    opened: list[socket.socket] = []

    def start(answer: Answer, tls: ssl.SSLContext | None = None) -> int:
        listener = socket.create_server((HOST, 0))
        opened.append(listener)

        def serve(client: socket.socket) -> None:
            client.settimeout(10)
            with contextlib.suppress(OSError), client:
                if tls is None:
                    answer(client)
                    return
                with tls.wrap_socket(client, server_side=True) as secure:
                    answer(secure)

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in opened:
        listener.close()


def told(url: str) -> str:
    with pytest.raises(StoreUnreachableError) as caught:
        Neo4jStore(url, timeout_s=1).open()
    return str(caught.value)


@pytest.mark.parametrize("scheme", ["neo4j", "bolt", "neo4j+s", "bolt+ssc"])
def test_only_where_nobody_listens_a_server_is_to_be_started(listen: Callable[..., int], scheme: str) -> None:
    assert "start one" in told(f"{scheme}://{HOST}:{free_port()}/films")
    for answer, words in ((_web, "web server: give the Bolt port"), (_mail, "no Neo4j server; look at")):
        message = told(f"{scheme}://{HOST}:{listen(answer)}")
        assert words in message
        assert "start one" not in message


@pytest.mark.parametrize("scheme", ["neo4j+s", "bolt+ssc", "neo4j+ssc"])
def test_tls_against_a_plain_server(listen: Callable[..., int], scheme: str) -> None:
    assert f"without TLS: write {scheme.partition('+')[0]}://" in told(f"{scheme}://{HOST}:{listen(_bolt)}")


def test_a_plain_url_against_tls(listen: Callable[..., int], tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", tmp_path / "key", "-out", tmp_path / "crt"], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    for scheme in ("neo4j", "bolt"):
        assert f"TLS only: write {scheme}+s://" in told(f"{scheme}://{HOST}:{listen(_bolt, tls)}")
    assert "certificate" in told(f"bolt+s://{HOST}:{listen(_bolt, tls)}")
    assert "web server" in told(f"bolt://{HOST}:{listen(_web, tls)}")


def test_a_server_that_does_not_let_through_is_there(listen: Callable[..., int]) -> None:
    message = told(f"neo4j://{HOST}:{listen(_bolt)}")
    assert "a Neo4j server listens at" in message
    assert "bolt://" in message


@pytest.mark.parametrize("port", [7473, 7474])
def test_the_port_of_the_browser_is_told(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert f"{port} is the port of Neo4j Browser, Bolt's is 7687" in told(f"bolt://{HOST}:{port}")


def test_an_unknown_host_is_told() -> None:
    assert "no host of that name" in told("bolt://no-such-host.invalid")


@pytest.mark.neo4j
def test_the_database_in_the_path_is_the_one_that_is_written(empty_neo4j: Neo4jServer) -> None:
    with Neo4jStore(f"{empty_neo4j.url}/neo4j", empty_neo4j.auth) as store:
        fill(store)
        assert len(store.items(NAMESPACE)) == 12
    with pytest.raises(StoreError, match="there is no database 'films'"):
        Neo4jStore(f"{empty_neo4j.url}/films", empty_neo4j.auth, timeout_s=10).open()
