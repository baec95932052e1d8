"""The container files name what they should; the engine's own check runs where the client is there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmrg.core.settings import Settings
from llmrg.testing.neo4j_java import DEFAULT_VERSION

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker" / "compose.yaml"
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return found


def test_neo4j_is_the_tested_version_on_this_machine_only(services: dict[str, Any]) -> None:
    neo4j = services["neo4j"]
    assert neo4j["image"] == f"neo4j:${{NEO4J_VERSION:-{DEFAULT_VERSION}}}-community"
    assert all(port.startswith("127.0.0.1:") for port in neo4j["ports"])
    assert {port.rpartition(":")[2] for port in neo4j["ports"]} == {"7474", "7687"}
    assert neo4j["healthcheck"]["test"]


def test_data_outlive_the_containers(services: dict[str, Any]) -> None:
    volumes = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["volumes"]
    assert "neo4j-data:/data" in services["neo4j"]["volumes"]
    assert {line.partition(":")[0] for service in services.values() for line in service["volumes"]} == set(volumes)


def test_no_password_is_written_down(services: dict[str, Any]) -> None:
    assert services["neo4j"]["environment"]["NEO4J_AUTH"].startswith("neo4j/${NEO4J_PASSWORD:?")
    assert services["app"]["environment"]["LLMRG_STORE_PASSWORD"].startswith("${NEO4J_PASSWORD:?")


def test_the_app_waits_for_neo4j_and_knows_its_settings(services: dict[str, Any]) -> None:
    app = services["app"]
    assert app["depends_on"]["neo4j"]["condition"] == "service_healthy"
    assert (COMPOSE.parent / app["build"]["context"] / app["build"]["dockerfile"]).resolve() == ROOT / "docker" / "Dockerfile"
    known = {f"LLMRG_{name.upper()}" for name in Settings.model_fields}
    assert set(app["environment"]) <= known
    assert app["environment"]["LLMRG_STORE"] == "bolt://neo4j:7687"


def test_the_image_holds_every_room_and_runs_without_root() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    rooms = {folder.partition("/")[0] for folder in packages.values()}
    copied = set(re.findall(r"^COPY (\w+) \w+$", DOCKERFILE, re.MULTILINE))
    sent = set(re.findall(r"^!(\w+)$", (ROOT / "docker" / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    assert copied == rooms
    assert rooms <= sent
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001$", last_stage, re.MULTILINE)
    assert last_stage.index("USER 10001") < last_stage.index("ENTRYPOINT")


def test_the_linter_finds_nothing_in_the_dockerfile() -> None:
    linter = Path(sys.executable).with_name("hadolint")  # of the extra `dev`
    done = subprocess.run([linter, ROOT / "docker" / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_itself_accepts_the_file() -> None:
    client = shutil.which("docker")
    if client is None or subprocess.run([client, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("the Docker client with Compose is not installed")
    done = subprocess.run(
        [client, "compose", "-f", str(COMPOSE), "--profile", "app", "config", "--quiet"],
        env={"PATH": str(Path(client).parent), "NEO4J_PASSWORD": "only-for-tests", "HOME": str(Path.home())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
