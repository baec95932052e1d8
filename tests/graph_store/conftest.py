"""Filled and empty stores, and disks that are too small."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llmrg.graph_store import GraphStore, open_store
from llmrg.testing.store_examples import SEVEN_USERS, fill_everything


@pytest.fixture
def source(tmp_path: Path) -> Iterator[GraphStore]:
    """Seven users, six graphs, five entries, two runs."""
    with open_store(f"sqlite:///{tmp_path}/source.db") as store:
        fill_everything(store, users=SEVEN_USERS)
        yield store


@pytest.fixture
def target(tmp_path: Path) -> Iterator[GraphStore]:
    with open_store(f"sqlite:///{tmp_path}/target.db") as store:
        yield store


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
