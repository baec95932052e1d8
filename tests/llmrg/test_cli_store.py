"""`llmrg store`, as its users meet it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from llmrg.graph_store.compare import differences
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.store_examples import NAMESPACE, fill, make_graph

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A working folder with a store at its default place."""
    with SqliteStore(tmp_path / ".llmrg" / "graphs.db") as store:
        fill(store)
        store.replace_graph(NAMESPACE, make_graph())
    return tmp_path


def test_backup_while_the_store_is_open(llmrg: Shell, home: Path) -> None:
    with SqliteStore(home / ".llmrg" / "graphs.db") as store:
        done = llmrg("store", "backup", "backups/monday.db", cwd=home)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "backups/monday.db\n"
        with SqliteStore(home / "backups" / "monday.db") as copy:
            assert list(differences(store, copy, NAMESPACE)) == []
    refused = llmrg("store", "backup", "backups/monday.db", cwd=home)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert llmrg("store", "backup", "backups/monday.db", "--force", cwd=home).returncode == 0


def test_compact_tells_the_sizes_and_refuses_a_store_in_use(llmrg: Shell, home: Path) -> None:
    path = home / ".llmrg" / "graphs.db"
    with SqliteStore(path):
        refused = llmrg("store", "compact", cwd=home)
    assert refused.returncode == 3
    assert "others have the store" in refused.stderr
    size = path.stat().st_size
    done = llmrg("store", "compact", cwd=home)
    assert done.returncode == 0, done.stderr
    assert f"{size:,} bytes before, {path.stat().st_size:,} after" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["backup", "copy.db", "--store", "neo4j://nowhere"], 2, ["neo4j-admin database dump", "llmrg export"]),
        (["compact", "--store", "bolt://nowhere"], 2, ["nothing to compact"]),
        (["compact", "--store", "sqlite:///none.db"], 3, ["none.db", "--store"]),
        (["backup", "copy.db", "--store", "none.db"], 2, ["sqlite:///none.db"]),
        (["compact", "--store", "redis://nowhere"], 2, ["redis://", "neo4j://host:port"]),
    ],
)
def test_what_cannot_be_done_says_what_to_do(llmrg: Shell, home: Path, arguments: list[str], code: int, words: list[str]) -> None:
    done = llmrg("store", *arguments, cwd=home)
    assert done.returncode == code, done.stderr
    for word in words:
        assert word in done.stderr
    assert not list(home.glob("*.db"))


def test_a_setting_that_is_no_choice_is_named(llmrg: Shell, home: Path) -> None:
    done = llmrg("store", "compact", cwd=home, LLMRG_STORE_SYNCHRONOUS="sometimes")
    assert done.returncode == 2
    assert "sometimes" in done.stderr
    assert "LLMRG_STORE_SYNCHRONOUS" in done.stderr
