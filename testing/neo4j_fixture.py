"""A Neo4j server for a test session: in a container where a Docker engine answers, else from Java and Maven.

@pytest.fixture(scope="session")
def neo4j_server():
    if reason := why_no_neo4j():
        pytest.skip(reason)
    with start_neo4j() as server:
        yield server
"""

from __future__ import annotations

import contextlib
import importlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from llmrg.testing.neo4j_java import DEFAULT_VERSION, why_no_java_server
from llmrg.testing.neo4j_server import USER, LocalNeo4j

TEST_PASSWORD: Final = "only-for-tests"


@dataclass(frozen=True)
class Neo4jServer:
    """A server that answers."""

    url: str
    auth: tuple[str, str] = field(repr=False)
    version: str
    by: str
    """`container` or `java`."""

    def empty(self) -> None:
        """Delete all nodes but the one that says which schema stands."""
        from neo4j import GraphDatabase

        with GraphDatabase.driver(self.url, auth=self.auth) as driver:
            driver.execute_query("MATCH (n) WHERE NOT n:LlmrgSchema DETACH DELETE n")

    def forget_schema(self) -> None:
        """Delete all nodes, constraints and indexes, as in a database that nobody has opened yet."""
        from neo4j import GraphDatabase

        with GraphDatabase.driver(self.url, auth=self.auth) as driver:
            driver.execute_query("MATCH (n) DETACH DELETE n")
            for kind, names in (
                ("CONSTRAINT", "SHOW CONSTRAINTS YIELD name"),
                ("INDEX", "SHOW INDEXES YIELD name, type WHERE type = 'RANGE'"),
            ):
                for row in driver.execute_query(names).records:
                    driver.execute_query(f"DROP {kind} {row['name']}")  # type: ignore[arg-type]


def why_no_neo4j(version: str = DEFAULT_VERSION) -> str:
    """Empty if a server can be started here, else what to install."""
    if docker_answers():
        return ""
    reason = why_no_java_server(version)
    return reason and f"no Neo4j server for this test: {reason}. Or start a Docker engine."


@contextlib.contextmanager
def start_neo4j(version: str = DEFAULT_VERSION) -> Iterator[Neo4jServer]:
    """Start a server with authentication on; it is gone at the end.

    Raises: MissingPackageError, StoreError: see `why_no_neo4j` for the reason beforehand.
    """
    if docker_answers():
        from testcontainers.community.neo4j import Neo4jContainer

        with Neo4jContainer(f"neo4j:{version}-community", username=USER, password=TEST_PASSWORD) as container:
            yield Neo4jServer(container.get_connection_url(), (USER, TEST_PASSWORD), version, "container")
        return
    with LocalNeo4j(version, password=TEST_PASSWORD) as server:
        yield Neo4jServer(server.get_connection_url(), (USER, TEST_PASSWORD), version, "java")


@cache
def docker_answers() -> bool:
    """Whether testcontainers is installed and a Docker engine answers it."""
    try:
        docker: Any = importlib.import_module("docker")
        importlib.import_module("testcontainers.community.neo4j")
    except ImportError:
        return False
    address = docker.utils.kwargs_from_env().get("base_url", docker.constants.DEFAULT_UNIX_SOCKET)
    path = address.removeprefix("http+").removeprefix("unix://")
    if path.startswith("/") and not _listens(path):
        return False  # asked first, because the client leaves its socket open when it cannot connect
    try:
        client = docker.from_env(timeout=5)
    except docker.errors.DockerException:
        return False
    try:
        return bool(client.ping())
    except (docker.errors.DockerException, OSError):
        return False
    finally:
        client.close()


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(path) == 0
