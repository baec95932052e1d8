"""One Neo4j server for the whole session, and a small town that a scripted server of chat models knows.

`LLMRG_REQUIRE_NEO4J=1` makes a missing server a failure; `LLMRG_TEST_NEO4J_VERSION=5.26.30` runs the lane on another release.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("llmrg.testing")  # before anything imports the shipped suites, so that they show their values

from llmrg.testing.neo4j_fixture import Neo4jServer, start_neo4j, why_no_neo4j  # noqa: E402
from llmrg.testing.neo4j_java import DEFAULT_VERSION  # noqa: E402
from llmrg.testing.planted import PlantedConfig, PlantedWorld, random_catalogue, simulate  # noqa: E402
from llmrg.testing.planted_responder import planted_responder  # noqa: E402


@pytest.fixture(scope="session")
def neo4j_version() -> str:
    return os.environ.get("LLMRG_TEST_NEO4J_VERSION", DEFAULT_VERSION)


@pytest.fixture(scope="session")
def neo4j_server(neo4j_version: str) -> Iterator[Neo4jServer]:
    reason = why_no_neo4j(neo4j_version)
    if reason and os.environ.get("LLMRG_REQUIRE_NEO4J") == "1":
        pytest.fail(f"LLMRG_REQUIRE_NEO4J is set, but: {reason}")
    if reason:
        pytest.skip(reason)
    with start_neo4j(neo4j_version) as server:
        yield server


@pytest.fixture
def empty_neo4j(neo4j_server: Neo4jServer) -> Neo4jServer:
    """The server without what earlier tests left there, for tests whose namespace others use too."""
    neo4j_server.empty()
    return neo4j_server


@pytest.fixture(scope="session")
def town() -> PlantedWorld:
    """A few readers with short histories: a build of all is seconds. Files that need another one have their own."""
    return simulate(random_catalogue(80, 24, seed=1), PlantedConfig(readers=8, min_length=6, max_length=9, seed=5))


@pytest.fixture(scope="session")
def responder(town: PlantedWorld) -> Callable[..., Any]:
    """What a fake server of chat models answers about the town: one step in five is wrong."""
    return planted_responder(town.dataset, town.truth, 0.2)


@pytest.fixture
def small_disk() -> Callable[[Path, str], list[str]]:
    """What to put before a command, so that a folder is a disk of its own for it: (folder, size as `2m`) -> arguments.

    In a mount namespace that ends with the command.
    """

    def command(folder: Path, size: str) -> list[str]:
        unshare = shutil.which("unshare")
        ours = [unshare or "unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
        mount = f'mount -t tmpfs -o size={size} tmpfs "$1" && shift && exec "$@"'
        shell = [*ours, "sh", "-c", mount, "sh", str(folder)]
        if unshare is None or subprocess.run([*shell, "true"], capture_output=True).returncode:
            pytest.skip("a small disk cannot be mounted here: needs Linux with `unshare` and user namespaces, or root")
        return shell

    return command
