from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmrg.sdk import Project

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with graphs of 60 demo readers and a recommender trained for a few epochs; tests only read it."""
    from llmrg.data.demo_set import load_demo
    from llmrg.recommenders import TrainingConfig

    demo = load_demo()
    home: Path = tmp_path_factory.mktemp("home")
    with Project(demo.only(list(demo.histories)[:60]), home=home) as project:
        project.build(mind="attributes")
        project.train(config=TrainingConfig(epochs=3))
        yield project


class Shell:
    """`llmrg` as a shell runs it, in a process of its own each time: see `warm_shell.py`."""

    def __init__(self, outputs: Path) -> None:
        self._outputs = outputs
        command = [sys.executable, str(Path(__file__).parent / "warm_shell.py")]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def __call__(self, *arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Args: environment: variables beside those of this process."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        words = [str(argument) for argument in arguments]
        files = {stream: self._outputs / stream for stream in ("stdout", "stderr")}
        for file in files.values():
            file.unlink(missing_ok=True)
        env = {**os.environ, "COLUMNS": "200", **environment}
        job = {"arguments": words, "cwd": str(cwd or Path.cwd()), "env": env, **{name: str(path) for name, path in files.items()}}
        self._server.stdin.write(json.dumps(job) + "\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        return subprocess.CompletedProcess(words, code, *(file.read_text() for file in files.values()))

    def close(self) -> None:
        self._server.communicate()


@pytest.fixture(scope="session")
def llmrg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    shell = Shell(tmp_path_factory.mktemp("shell"))
    yield shell
    shell.close()
