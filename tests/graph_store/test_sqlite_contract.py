"""The SQLite store fulfils the contract of graph stores."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from llmrg.graph_store import GraphStore, open_store
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.store_machine import make_store_machine
from llmrg.testing.store_suite import GraphStoreContract
from llmrg.testing.store_suite_crashes import Reopen


class TestSqliteStore(GraphStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[GraphStore]:
        with open_store(f"sqlite:///{tmp_path}/graphs.db") as store:
            yield store

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Reopen:
        return partial(open_store, f"sqlite:///{tmp_path}/graphs.db")


class _OwnFolderStore(SqliteStore):
    """In a folder of its own that goes when the store is closed."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        super().__init__(Path(self._folder.name) / "graphs.db")
        self.open()

    def close(self) -> None:
        super().close()
        self._folder.cleanup()


TestSqliteMachine = make_store_machine(_OwnFolderStore).TestCase
TestSqliteMachine.settings = settings(
    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
