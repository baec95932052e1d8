"""Store URLs."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from llmrg.core.errors import ConfigError, MissingPackageError, NotAStoreError
from llmrg.graph_store import open_store
from llmrg.testing.store_examples import NAMESPACE, fill


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_store("sqlite:///here/graphs.db") as store:
        fill(store)
        assert store.url == "sqlite:///here/graphs.db"
    assert (tmp_path / "here" / "graphs.db").exists()


def test_an_absolute_path(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/graphs.db"
    assert url.startswith("sqlite:////")
    with open_store(url) as store:
        fill(store)
        assert store.url == url
        assert store.health().url == url
    with open_store(store.url) as again:
        assert len(again.items(NAMESPACE)) == 12


def test_a_store_that_cannot_be_opened_is_closed_again(tmp_path: Path) -> None:
    with pytest.raises(NotAStoreError):
        open_store(f"sqlite:///{tmp_path}")


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("graphs.db", "sqlite:///graphs.db"),
        ("/data/graphs.db", "sqlite:////data/graphs.db"),
        ("sqlite:graphs.db", "sqlite:///"),
        ("sqlite://graphs.db", "sqlite:///graphs.db"),
        ("sqlite://", "sqlite:///graphs.db"),
        ("sqlite:///", "sqlite:///graphs.db"),
        ("sqlite:///:memory:", "sqlite:///graphs.db"),
        ("postgres://me:hush@host/db", "neo4j://host:port"),
        ("neo4j://", "neo4j://host:port"),
        ("", "sqlite:///"),
    ],
)
def test_other_forms_are_refused_with_the_right_one(url: str, advice: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(url)
    assert advice in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["neo4j", "bolt", "neo4j+s", "bolt+ssc"])
def test_credentials_in_a_url_are_refused_and_not_repeated(scheme: str) -> None:
    with pytest.raises(ConfigError, match="LLMRG_STORE_PASSWORD") as caught:
        open_store(f"{scheme}://alice:hush@host:7687")
    assert "hush" not in repr(caught.value)
    assert "alice" not in repr(caught.value)


def test_without_the_driver_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "neo4j" else found(name, *rest))
    with pytest.raises(MissingPackageError, match=r"pip install 'llmrg\[neo4j\]'"):
        open_store("neo4j://localhost:7687", password="hush")


def test_an_embedded_store_loads_no_driver(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/graphs.db"
    code = f"import sys; from llmrg.graph_store import open_store; open_store({url!r}).close(); sys.exit('neo4j' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
