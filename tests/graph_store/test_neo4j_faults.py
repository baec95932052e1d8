"""What befalls a Neo4j store while it is used: a connection that is cut, a server that is killed, a full disk."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest

from llmrg.core.errors import StoreError, StoreUnreachableError
from llmrg.core.records import ReasoningGraph
from llmrg.graph_store.neo4j_store import Neo4jStore
from llmrg.testing.neo4j_fixture import Neo4jServer
from llmrg.testing.neo4j_java import why_no_java_server
from llmrg.testing.neo4j_ports import HOST, free_port
from llmrg.testing.neo4j_server import LocalNeo4j
from llmrg.testing.store_examples import NAMESPACE, fill, make_graph, make_knowledge, make_step

pytestmark = pytest.mark.neo4j

FILLER = """
import shutil, sys
from pathlib import Path
from llmrg.core.errors import StoreError, StoreFullError
from llmrg.core.records import ReasoningGraph
from llmrg.graph_store.neo4j_store import Neo4jStore
from llmrg.testing.neo4j_ports import free_port
from llmrg.testing.neo4j_server import LocalNeo4j
from llmrg.testing.store_examples import NAMESPACE, fill, make_step
disk, version = Path(sys.argv[1]), sys.argv[2]
ballast, users = disk / "ballast", tuple(f"user {n}" for n in range(400))
def graph(user):
    return ReasoningGraph(user, tuple(make_step(user, reason=f"{user} {n} " * 5, chain=n) for n in range(100)), "run 1")
def check(store):
    found = store.graphs(NAMESPACE, users)
    assert sorted(found) == sorted(kept), (len(found), len(kept))
    assert all(found[user].steps == graph(user).steps for user in kept)
server = LocalNeo4j(version, home=disk / "home", bolt_port=free_port())
with server, Neo4jStore(server.get_connection_url()) as store:
    fill(store, users=users)
    ballast.write_bytes(b"x" * (shutil.disk_usage(disk).free - 4_000_000))
    kept = []
    try:
        for user in users:
            store.replace_graph(NAMESPACE, graph(user))
            kept.append(user)
    except StoreFullError as error:
        print(error)
    else:
        sys.exit("the disk was never full")
    assert len(kept) > 3, kept
    try:
        store.graph(NAMESPACE, users[0])
    except StoreError as error:
        print(error)
    ballast.unlink()
    server.stop(clean=False)
    server.start()
    check(store)
    kept.append(users[len(kept)])
    store.replace_graph(NAMESPACE, graph(kept[-1]))
    check(store)
print("whole")
"""

Way = Literal["to server", "to client"]
POINTS = (0.02, 0.5, 0.9, 0.99, 1.0)
"""Where a connection is cut, as a share of the bytes of the whole call."""


class Wire:
    """A way to the server that can be cut."""

    def __init__(self, port: int) -> None:
        self.carried: dict[Way, int] = {"to server": 0, "to client": 0}
        self._left: tuple[Way, int] | None = None
        self._port, self._open = port, True
        self._listener = socket.create_server((HOST, 0))
        self._ends: list[socket.socket] = []
        self.url = f"bolt://{HOST}:{self._listener.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def cut_after(self, way: Way, size: int) -> None:
        """Cut one connection, once, when so many more bytes have come; the last of them are lost."""
        self._left = way, self.carried[way] + size

    def close(self) -> None:
        """No connection gets through any more."""
        self._open = False
        _hang_up(self._listener)
        self._accepting.join()
        for end in self._ends:
            _hang_up(end)

    def _accept(self) -> None:
        while self._open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((HOST, self._port))
            self._ends += [client, server]
            for source, sink, way in ((client, server, "to server"), (server, client, "to client")):
                threading.Thread(target=self._carry, args=(source, sink, way), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, way: Way) -> None:
        with contextlib.suppress(OSError):
            while self._open and (data := source.recv(4096)):
                self.carried[way] += len(data)
                if self._left and self._left[0] == way and self.carried[way] >= self._left[1]:
                    self._left = None
                    break
                sink.sendall(data)
        _hang_up(source)
        _hang_up(sink)


def _hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@pytest.fixture
def wire(neo4j_server: Neo4jServer) -> Iterator[Wire]:
    opened = Wire(urlsplit(neo4j_server.url).port or 7687)
    yield opened
    opened.close()


@pytest.fixture
def store(wire: Wire, neo4j_server: Neo4jServer, tmp_path: Path) -> Iterator[Neo4jStore]:
    with Neo4jStore(wire.url, neo4j_server.auth, timeout_s=20) as opened:
        opened.forget_user(NAMESPACE, "ann")
        fill(opened)
        yield opened


def _graph(mark: str) -> ReasoningGraph:
    return ReasoningGraph("ann", tuple(make_step(reason=f"{mark}: {n}", chain=n) for n in range(120)), mark)


@pytest.mark.parametrize("way", ["to server", "to client"])
def test_a_cut_connection_leaves_the_old_graph_or_the_new_one(store: Neo4jStore, wire: Wire, way: Way) -> None:
    store.replace_graph(NAMESPACE, _graph("warm up"))
    before = wire.carried[way]
    store.replace_graph(NAMESPACE, _graph("first"))
    size, old = wire.carried[way] - before, "first"
    problems: list[str] = []
    for point in POINTS:
        new, version = f"cut at {point}", store.graph(NAMESPACE, "ann").version
        wire.cut_after(way, int(point * size))
        try:
            told = store.replace_graph(NAMESPACE, _graph(new))
        except StoreError as error:
            told = None
            problems.append(str(error))
        found = store.graph(NAMESPACE, "ann")
        assert found.steps == _graph(found.run).steps
        assert (found.run, found.version) in ([(new, told)] if told else [(old, version), (new, version + 1)])
        assert told in (None, version + 1), "written once"
        old = found.run
    assert len(problems) < len(POINTS) / 2, "most cuts are healed by the driver"
    assert all("may have been made or not" in problem for problem in problems), problems


def test_a_use_is_never_counted_twice(store: Neo4jStore, wire: Wire) -> None:
    entry = make_knowledge()
    store.put_knowledge(NAMESPACE, [entry])
    store.count_uses(NAMESPACE, {entry.key: 1})
    before, uses = wire.carried["to client"], _uses(store)
    store.count_uses(NAMESPACE, {entry.key: 1})
    size = wire.carried["to client"] - before
    assert _uses(store) == uses + 1
    for point in POINTS:
        uses = _uses(store)
        wire.cut_after("to client", int(point * size))
        try:
            store.count_uses(NAMESPACE, {entry.key: 1})
            assert _uses(store) == uses + 1
        except StoreError:
            assert _uses(store) in (uses, uses + 1)


def _uses(store: Neo4jStore) -> int:
    (entry,) = store.knowledge_for(NAMESPACE, [(make_knowledge().from_item, make_knowledge().to_item)])
    return entry.uses


def test_a_server_that_stays_away_is_told(wire: Wire, neo4j_server: Neo4jServer) -> None:
    with Neo4jStore(wire.url, neo4j_server.auth, timeout_s=1) as store:
        fill(store)
        wire.close()
        began = time.monotonic()
        with pytest.raises(StoreUnreachableError, match="no Neo4j server answers"):
            store.replace_graph(NAMESPACE, make_graph())
        assert time.monotonic() - began < 30


def test_a_killed_server_loses_nothing_and_a_read_only_one_says_so(tmp_path: Path, neo4j_version: str) -> None:
    if reason := why_no_java_server(neo4j_version):
        pytest.skip(reason)
    server = LocalNeo4j(neo4j_version, home=tmp_path, bolt_port=free_port())
    with server, Neo4jStore(server.get_connection_url(), timeout_s=240) as store:
        fill(store)
        store.replace_graph(NAMESPACE, make_graph())
        graph = store.graph(NAMESPACE, "ann")
        server.stop(clean=False)
        with ThreadPoolExecutor(1) as pool:
            read = pool.submit(store.graph, NAMESPACE, "ann")  # waits for the server to come back
            server.start()
            assert read.result() == graph
        server.stop(clean=True)  # after a kill indexes may have to be built again, which a read-only database refuses to do
        server.settings["server.databases.default_to_read_only"] = "true"
        server.start()
        with pytest.raises(StoreError, match="read-only"):
            store.forget_run(NAMESPACE, graph.run)
        assert store.graph(NAMESPACE, "ann") == graph


def test_tls_with_a_certificate_of_its_own(tmp_path: Path, neo4j_version: str) -> None:
    """`+ssc` trusts it; `+s` wants one that an authority signed, and says so."""
    if reason := why_no_java_server(neo4j_version) or ("" if shutil.which("openssl") else "openssl is not installed"):
        pytest.skip(reason)
    keys = tmp_path / "keys"
    keys.mkdir()
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", keys / "private.key", "-out", keys / "public.crt"], check=True, capture_output=True)
    tls = {
        "server.bolt.tls_level": "OPTIONAL",
        "dbms.ssl.policy.bolt.enabled": "true",
        "dbms.ssl.policy.bolt.base_directory": str(keys),
        "dbms.ssl.policy.bolt.private_key": "private.key",
        "dbms.ssl.policy.bolt.public_certificate": "public.crt",
    }
    with LocalNeo4j(neo4j_version, settings=tls) as server:
        place = server.get_connection_url().removeprefix("bolt://")
        with Neo4jStore(f"bolt+ssc://{place}", pool_size=1) as store:
            fill(store)
            assert len(store.users(NAMESPACE)) == 2
        with pytest.raises(StoreUnreachableError, match="certificate"):
            Neo4jStore(f"bolt+s://{place}").open()


def test_a_full_disk_loses_nothing(tmp_path: Path, neo4j_version: str, small_disk: Callable[[Path, str], list[str]]) -> None:
    """A disk of 80 MB of our own. The server stops serving the database for good; it goes on once restarted with space."""
    if reason := why_no_java_server(neo4j_version):
        pytest.skip(reason)
    command = [*small_disk(tmp_path, "80m"), sys.executable, "-c", FILLER, str(tmp_path), neo4j_version]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    full, standing, whole = done.stdout.splitlines()
    assert "disk is full" in full
    assert "restart" in standing
    assert whole == "whole"
