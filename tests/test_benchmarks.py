"""Benchmarks can be run: the quick form of those that need neither a server nor data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize(("name", "bars"), [("chat_calls", 4), ("item_calls", 2), ("verification_pays", 0), ("right_reasons", 0)])
def test_the_quick_form_runs(name: str, bars: int, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick", "--result", str(result)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(result.read_text())
    assert found["machine"]["cores"] >= 1
    assert sum(found.get("bars", {}).values()) == bars
