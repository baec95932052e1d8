"""The tutorial, pasted block by block into an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """(block, what it printed), in the order of the page."""
    folder = tmp_path_factory.mktemp("bookshop")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "160"}
    outputs = []
    for language, code in re.findall(r"^```(python|sh)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S):
        command = [sys.executable, "-W", "ignore", "-c", code] if language == "python" else ["bash", "-e", "-c", code]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
        outputs.append((code, done.stdout))
    assert "<svg" in (folder / "reader-001.html").read_text(encoding="utf-8")
    return outputs


def test_every_block_does_what_the_page_says(shown: list[tuple[str, str]]) -> None:
    inspected, first_build, reasons, recommended, second_build = (text for code, text in shown if "llmrg " in code)
    assert "theme (items, reasons)" in inspected
    assert "60 built, 0 done before, 0 failed" in first_build
    assert "steps" in reasons
    assert recommended.count("of what reasons added") >= 4, "three books and one explanation, each with its reasons"
    assert "“Casino Royale”" in recommended
    assert "2 built, 58 done before, 0 failed" in second_build
