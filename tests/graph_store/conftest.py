"""Filled and empty stores, and disks that are too small."""

from __future__ import annotations

from collections.abc import Iterator
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
