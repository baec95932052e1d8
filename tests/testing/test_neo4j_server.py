"""The launcher of a true Neo4j server: what it says when something is missing, and that it leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from pathlib import Path

import pytest

from llmrg.core.errors import MissingPackageError, StoreError
from llmrg.graph_store.neo4j_migrations import CURRENT_VERSION
from llmrg.graph_store.neo4j_store import Neo4jStore
from llmrg.testing import neo4j_fixture, neo4j_java
from llmrg.testing.neo4j_fixture import Neo4jServer
from llmrg.testing.neo4j_java import DEFAULT_VERSION, LTS_VERSION, Java
from llmrg.testing.neo4j_ports import port_is_open
from llmrg.testing.neo4j_server import LocalNeo4j
from llmrg.testing.store_examples import NAMESPACE, fill_everything

FAKE_MAVEN = """#!/bin/sh
echo call >> {log}
for word in "$@"; do case $word in
  -DoutputDirectory=*) out=${{word#*=}};;
  -Dneo4j.version=*) version=${{word#*=}};;
esac; done
sleep 0.3
mkdir -p "$out" && touch "$out/neo4j-$version.jar"
"""


def only_java(monkeypatch: pytest.MonkeyPatch, *majors: int) -> None:
    monkeypatch.setattr(neo4j_java, "javas", lambda: tuple(Java(major, Path(f"/jdk/{major}/bin/java")) for major in majors))


def fake_maven(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str = FAKE_MAVEN) -> Path:
    log = folder / "calls"
    maven = folder / "mvn"
    maven.write_text(text.format(log=log))
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return log


@pytest.mark.parametrize(
    ("version", "majors", "taken"),
    [(DEFAULT_VERSION, (17, 21, 25), 25), (LTS_VERSION, (11, 17, 25), 17), (LTS_VERSION, (21, 25), 21)],
)
def test_the_java_that_fits_is_taken(monkeypatch: pytest.MonkeyPatch, version: str, majors: tuple[int, ...], taken: int) -> None:
    only_java(monkeypatch, *majors)
    assert neo4j_java.find_java(version).major == taken


def test_a_java_too_old_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    only_java(monkeypatch, 17)
    monkeypatch.setattr(neo4j_fixture, "docker_answers", lambda: False)
    with pytest.raises(MissingPackageError, match=r"Java 21 .*found: 17.*JDK 21 or newer"):
        neo4j_java.find_java(DEFAULT_VERSION)
    reason = neo4j_fixture.why_no_neo4j()
    assert "JDK 21 or newer" in reason
    assert "Docker" in reason


def test_without_maven_the_reason_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    only_java(monkeypatch, 25)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "Maven is not installed" in neo4j_java.why_no_java_server(DEFAULT_VERSION, tmp_path)
    with pytest.raises(MissingPackageError, match="Maven"):
        neo4j_java.resolve(DEFAULT_VERSION, tmp_path)


def test_jars_that_are_there_need_no_maven(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    only_java(monkeypatch, 25)
    monkeypatch.setenv("PATH", str(tmp_path))
    neo4j_java.jar_folder(DEFAULT_VERSION, tmp_path).mkdir(parents=True)
    assert neo4j_java.why_no_java_server(DEFAULT_VERSION, tmp_path) == ""
    assert neo4j_java.resolve(DEFAULT_VERSION, tmp_path).is_dir()


def test_two_who_ask_at_once_fetch_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = fake_maven(monkeypatch, tmp_path)
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: neo4j_java.resolve("5.26.30", tmp_path / "cache"), range(4)))
    assert [path.name for path in folders.pop().iterdir()] == ["neo4j-5.26.30.jar"]
    assert not folders
    assert log.read_text().splitlines() == ["call"]


def test_a_failed_fetch_leaves_nothing_and_shows_what_maven_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_maven(monkeypatch, tmp_path, "#!/bin/sh\necho no such version >&2\nexit 1\n")
    with pytest.raises(StoreError, match=r"(?s)Neo4j 9\.9.*no such version"):
        neo4j_java.resolve("9.9", tmp_path / "cache")
    assert not neo4j_java.is_resolved("9.9", tmp_path / "cache")
    assert {path.name for path in (tmp_path / "cache" / "9.9").iterdir()} == {"lock"}


@pytest.mark.neo4j
def test_a_bad_setting_shows_the_end_of_the_log() -> None:
    if reason := neo4j_java.why_no_java_server():
        pytest.skip(reason)
    server = LocalNeo4j(settings={"server.no.such.setting": "1"})
    with pytest.raises(StoreError, match=r"(?s)did not start.*server\.no\.such\.setting"):
        server.start()
    assert server.home is None


@pytest.mark.neo4j
def test_the_server_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    if reason := neo4j_java.why_no_java_server():
        pytest.skip(reason)
    code = (
        "import sys, time, pathlib\n"
        "from llmrg.testing.neo4j_server import LocalNeo4j\n"
        "server = LocalNeo4j(home=pathlib.Path(sys.argv[1]))\n"
        "server.start(); print(server.bolt_port, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        try:
            port = int(owner.stdout.readline())
            assert port_is_open(port)
        finally:
            owner.kill()
    end = time.monotonic() + 20
    while port_is_open(port) and time.monotonic() < end:
        time.sleep(0.1)
    assert not port_is_open(port)


@pytest.mark.neo4j
def test_who_asks_for_an_empty_server_finds_nothing_that_others_left(
    neo4j_server: Neo4jServer, request: pytest.FixtureRequest
) -> None:
    """Which tests come before on the same server depends on how fast they are: the lane runs in two processes."""
    with Neo4jStore(neo4j_server.url, neo4j_server.auth) as store:
        fill_everything(store)
        assert store.knowledge(NAMESPACE)
    server: Neo4jServer = request.getfixturevalue("empty_neo4j")
    with Neo4jStore(server.url, server.auth) as store:
        assert set(astuple(store.counts(NAMESPACE))) == {0}
        assert store.knowledge(NAMESPACE) == []
        assert store.health().schema_version == CURRENT_VERSION
