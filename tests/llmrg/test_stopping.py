"""Ctrl-C, SIGTERM and SIGHUP: told at once, ended soon, and recorded."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KEPT = "stopped; what was finished is kept"
SLOW = """
import sys, time
class Slow:  # a package whose import holds the main thread, and lets no exception through
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            end, told = time.monotonic() + 60, False
            while time.monotonic() < end:
                try:
                    told = told or print("loading", flush=True) or True
                    time.sleep(1)
                except KeyboardInterrupt:
                    pass
sys.meta_path.insert(0, Slow())
sys.argv = ["llmrg", *{command!r}]
from llmrg.cli.main import main
main()
"""
THREAD = """
import sys, time
from llmrg.core.text_vectors import TextVectors
import llmrg.wiring
class Slow:
    name = "slow"
    def embed(self, texts):
        print("loading", flush=True)
        time.sleep(60)
llmrg.wiring.text_vectors = lambda settings: Slow()
sys.argv = ["llmrg", "build", "--mind", "attributes", "--users", "3"]
from llmrg.cli.main import main
main()
"""


def started(code: str, folder: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=env, text=True, preexec_fn=hearing, **pipes)


def hearing() -> None:
    """A child ignores what its parent does: Ctrl-C in the background of a shell, a terminal's end under `nohup`."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("how", ["import", "thread"])
def test_it_is_told_at_once_and_slow_loading_is_not_waited_for(tmp_path: Path, number: signal.Signals, how: str) -> None:
    code = THREAD if how == "thread" else SLOW.format(name="rich.table", command=["data", "list"])
    running = started(code, tmp_path)
    assert running.stdout is not None
    assert running.stderr is not None
    assert "loading" in running.stdout.readline()
    running.send_signal(number)
    sent = time.monotonic()
    assert KEPT in running.stderr.readline()
    assert time.monotonic() - sent < 3
    _, rest = running.communicate(timeout=30)
    assert time.monotonic() - sent < 25
    assert running.returncode == 128 + number
    assert KEPT not in rest
    assert "Traceback" not in rest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_run_of_a_build_that_was_ended_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    code = "from llmrg.cli.main import main; import sys; sys.argv = ['llmrg', 'build', '--mind', 'attributes']; main()"
    running = started(code, tmp_path)
    end = time.monotonic() + 200
    while time.monotonic() < end and status(tmp_path) != "running":
        time.sleep(0.1)
    assert status(tmp_path) == "running"
    running.send_signal(number)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert told.count(KEPT) == 1
    assert status(tmp_path) == "stopped"


def test_a_terminal_that_is_gone_hears_nothing_and_the_command_ends_all_the_same(tmp_path: Path) -> None:
    ours, its = os.openpty()
    code = SLOW.format(name="rich.table", command=["data", "list"])
    running = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
        stderr=its, text=True, preexec_fn=hearing,
    )  # fmt: skip
    os.close(its)
    assert running.stdout is not None
    assert "loading" in running.stdout.readline()
    os.close(ours)
    running.send_signal(signal.SIGHUP)
    running.communicate(timeout=30)
    assert running.returncode == 128 + signal.SIGHUP


def status(folder: Path) -> str:
    try:
        db = sqlite3.connect(f"file:{folder / '.llmrg' / 'graphs.db'}?mode=ro", uri=True)
        try:
            row = db.execute("SELECT status FROM runs").fetchone()
        finally:
            db.close()
    except sqlite3.OperationalError:  # it is being made
        return ""
    return row[0] if row else ""


def test_a_program_that_uses_the_sdk_keeps_its_own_signals() -> None:
    code = "import signal, llmrg.sdk, llmrg.cli.commands; print(signal.getsignal(2) is signal.default_int_handler)"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, preexec_fn=hearing)
    assert done.stdout.strip() == "True"
