"""The pages in a real browser: the script runs under its content policy, and the picture is there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from llmrg.explanations.page import draw_page
from llmrg.testing.neo4j_browser import CHROMIUMS

BROWSER = next(filter(None, map(shutil.which, CHROMIUMS)), None)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium on the PATH: install `chromium` to look at pages in a browser"
)

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")


def browse(folder: Path, page: str, *flags: str) -> str:
    file = folder / "page.html"
    file.write_text(page, "utf-8")
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [str(BROWSER), *FLAGS, "--disable-component-update", "--disable-sync", profile, *flags, file.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout


def test_script_runs_and_takes_over_the_tooltips(nine, tmp_path) -> None:
    page = draw_page(nine.catalogue, nine.history, nine.graph, nine.recommendations)
    picture = browse(tmp_path, page, "--dump-dom").partition('class="scroll"')[2].partition("</svg>")[0]
    assert page.count('class="lg-step') == picture.count('class="lg-step') > 5
    assert "<title>" in page.partition('class="scroll"')[2]
    assert "<title>" not in picture


def test_screenshot(fifty, tmp_path) -> None:
    page = draw_page(fifty.catalogue, fifty.history, fifty.graph, fifty.recommendations)
    shot = tmp_path / "shot.png"
    browse(tmp_path, page, f"--screenshot={shot}", "--window-size=1280,900")
    assert shot.stat().st_size > 40_000
