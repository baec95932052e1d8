"""The command as its users meet it: exit codes, JSON, help, clear errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def llmrg(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COLUMNS": "200", **environment}
    return subprocess.run(
        [sys.executable, "-m", "llmrg.cli", *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder in which a build has been done."""
    folder = tmp_path_factory.mktemp("cli")
    done = llmrg("build", "--users", "12", "--mind", "attributes", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["built"] == 12
    return folder


def test_train_recommend_explain_show(home: Path) -> None:
    assert llmrg("train", "popularity", cwd=home).returncode == 0
    done = llmrg("recommend", "reader-001", "--recommender", "popularity", "--json", "-k", "3", cwd=home)
    found = json.loads(done.stdout)
    assert [row["rank"] for row in found] == [1, 2, 3]
    why = json.loads(llmrg("explain", "reader-001", found[0]["item"], "--json", cwd=home).stdout)
    assert why["user"] == "reader-001"
    assert why["found"] == bool(why["steps"])
    page = Path(llmrg("show", "reader-001", cwd=home).stdout.strip())
    assert "<svg" in page.read_text()


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["build"],
        ["train"],
        ["evaluate"],
        ["recommend"],
        ["explain"],
        ["show"],
        ["data", "inspect"],
        ["export"],
        ["store", "backup"],
        ["store", "compact"],
        ["doctor"],
        ["demo"],
    ],
)
def test_help_says_what_and_how(command: list[str], tmp_path: Path) -> None:
    done = llmrg(*command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "llmrg" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["show", "nobody"], 2, ["nobody", "reader-001"]),
        (["show", "reader-299"], 3, ["reader-299", "llmrg build"]),
        (["explain", "reader-001", "no-such-book"], 2, ["no-such-book"]),
        (["recommend", "reader-001", "--recommender", "sasrec"], 5, ["llmrg train sasrec"]),
        (["build", "--data", "nowhere.csv"], 2, ["nowhere.csv"]),
        (["build", "--data", "empty.csv"], 2, ["empty.csv"]),
        (["build", "--mind", "chat", "--users", "1"], 2, ["provider", "ollama:"]),
        (["build", "--columns", "user", "--data", "x.csv"], 2, ["name=column"]),
        (["show", "reader-001", "--store", "sqlite:///empty.csv"], 3, ["llmrg build"]),
        (["show", "reader-001", "--store", "postgres://x"], 2, ["sqlite:///"]),
    ],
)
def test_bad_input_ends_with_one_clear_line_and_its_code(home: Path, arguments: list[str], code: int, words: list[str]) -> None:
    (home / "empty.csv").write_text("")
    done = llmrg(*arguments, cwd=home)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_inspect_counts_bad_rows_when_asked(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,time\na,x,1\na,y,2\nb,x,oops\nb,y,4\n")
    refused = llmrg("data", "inspect", "log.csv", cwd=tmp_path)
    assert refused.returncode == 2
    for word in ("log.csv", "line 4", "time", "oops"):
        assert word in refused.stderr
    skipped = llmrg("data", "inspect", "log.csv", "--on-bad-row", "skip", cwd=tmp_path)
    assert skipped.returncode == 0
    assert "oops" in skipped.stdout


def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "llmrg.cli", "build", "--mind", "attributes", "--json"]
    running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    store = tmp_path / ".llmrg" / "graphs.db"
    while time.monotonic() < end and not (store.exists() and store.stat().st_size > 50_000):
        time.sleep(0.1)
    time.sleep(1.0)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130, told
    assert "Traceback" not in told
    report = json.loads(llmrg(*command[3:], cwd=tmp_path).stdout)
    assert report["skipped"] > 0
    assert report["skipped"] + report["built"] == 300


def test_machine_as_mermaid(tmp_path: Path) -> None:
    text = llmrg("graph", "machine", cwd=tmp_path).stdout
    for node in ("plan", "recall", "reason", "verify", "commit", "diverge", "ground", "publish"):
        assert node in text


def test_export_copies_everything(home: Path) -> None:
    done = llmrg("export", "sqlite:///copy.db", cwd=home)
    assert done.returncode == 0, done.stderr
    assert "12 graphs" in done.stderr
