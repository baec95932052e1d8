"""What the driver of Neo4j Browser says when something is missing. What it does: `tests/graph_store/test_neo4j_browser.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrg.core.errors import CallerError
from llmrg.testing.neo4j_browser import open_browser, why_no_browser
from llmrg.testing.neo4j_server import LocalNeo4j


def test_without_chromium_the_reason_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "`chromium` on the PATH" in why_no_browser()


@pytest.mark.parametrize("server", [LocalNeo4j(http_port=7474), LocalNeo4j(password="only-for-tests")])
def test_a_server_without_password_or_http_is_refused(server: LocalNeo4j) -> None:
    with pytest.raises(CallerError, match="http_port=0"), open_browser(server):
        pass
