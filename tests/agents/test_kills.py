"""Builds that are killed or interrupted: nothing is lost, and nothing but the calls in flight is paid twice."""

from __future__ import annotations

import pickle
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from llmrg.data.dataset import Dataset
from llmrg.graph_store.open_store import open_store
from llmrg.testing.child_build import CONFIG, run_build
from llmrg.testing.fake_openai import FakeOpenAI

KILLS = 10


@pytest.fixture
def child(forkserver: Any) -> Callable[..., BaseProcess]:
    def start(*arguments: Any) -> BaseProcess:
        process = forkserver.Process(target=run_build, args=arguments)
        process.start()
        return process

    return start


@pytest.fixture(params=["sqlite", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, str]]:
    """(store URL, user and password)."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/graphs.db", {}
    server = request.getfixturevalue("empty_neo4j")
    return server.url, {"user": server.auth[0], "password": server.auth[1]}


@pytest.fixture
def kept(town, contents) -> Callable[..., Any]:
    """Graphs, knowledge and user statuses of a store."""

    def read(url: str, auth: dict[str, str]) -> Any:
        with open_store(url, **auth) as store:
            run = store.runs(town.dataset.name)[0].id
            return contents(store, town.dataset), store.user_statuses(town.dataset.name, run)

    return read


@pytest.fixture(scope="module")
def calm(town, responder, contents, tmp_path_factory) -> tuple[Any, int, int]:
    """What an undisturbed build leaves, the calls that it makes, and its server's port: on another one is another server."""
    home = tmp_path_factory.mktemp("calm")
    with FakeOpenAI(responder) as server:
        run_build(town.dataset, f"sqlite:///{home}/graphs.db", {}, home, server.url)
        with open_store(f"sqlite:///{home}/graphs.db") as store:
            found = contents(store, town.dataset), server.seen.requests, server.port
    return found


def test_killed_at_random_moments_it_ends_with_the_same_and_pays_only_what_was_in_flight(
    town, responder, calm, place, kept, child, tmp_path
) -> None:
    url, auth = place
    graphs, calls, port = calm
    dice, kills = random.Random(11), 0
    with FakeOpenAI(responder, latency_s=0.01, port=port) as server:
        while kills < KILLS:
            seen = server.seen.requests
            process = child(town.dataset, url, auth, tmp_path, server.url)
            until = seen + dice.randint(1, max(2, 2 * calls // KILLS))
            while process.is_alive() and server.seen.requests < until:
                time.sleep(0.002)
            time.sleep(dice.random() * 0.05)
            if not process.is_alive():
                break
            process.kill()
            process.join()
            kills += 1
        process = child(town.dataset, url, auth, tmp_path, server.url)
        process.join(120)
        assert process.exitcode == 0
    assert kills >= KILLS // 2, "the build was over too soon to be killed often"
    found, statuses = kept(url, auth)
    assert found == graphs
    assert {status for status, _ in statuses.values()} == {"done"}
    assert calls <= server.seen.requests <= calls + kills * CONFIG.concurrency


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_two_processes_on_one_run_leave_what_one_leaves(town, responder, calm, kept, child, tmp_path, share) -> None:
    """The second one begins when the first has made that share of the calls."""
    url = f"sqlite:///{tmp_path}/graphs.db"
    graphs, calls, port = calm
    with FakeOpenAI(responder, latency_s=0.01, port=port) as server:
        first = child(town.dataset, url, {}, tmp_path, server.url)
        wait_for(lambda: server.seen.requests >= share * calls)
        second = child(town.dataset, url, {}, tmp_path, server.url)
        for process in (first, second):
            process.join(120)
        assert (first.exitcode, second.exitcode) == (0, 0)
    found, statuses = kept(url, {})
    assert found == graphs
    assert {status for status, _ in statuses.values()} == {"done"}


def test_one_interrupt_keeps_the_replies_in_flight_and_a_second_one_ends_at_once(town, responder, calm, child, tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/graphs.db"
    with FakeOpenAI(responder, latency_s=0.4) as server:
        process = interruptible(town.dataset, url, tmp_path, server.url)
        wait_for(lambda: server.seen.requests >= 4)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        seen = server.seen.requests
        server.latency_s = 0.0
        child(town.dataset, url, {}, tmp_path, server.url).join(120)
        assert server.seen.requests == calm[1], "a reply that was paid for was lost"
    with open_store(url) as store:
        assert seen < calm[1]
        assert store.runs(town.dataset.name)[0].status == "done"


def test_two_interrupts_do_not_wait_for_replies(town, responder, tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/graphs.db"
    with FakeOpenAI(responder, latency_s=60) as server:
        process = interruptible(town.dataset, url, tmp_path, server.url)
        wait_for(lambda: server.seen.requests >= 3)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 130
    with open_store(url) as store:
        assert store.runs(town.dataset.name)[0].status == "stopped"


def interruptible(dataset: Dataset, url: str, home: Path, model_url: str) -> subprocess.Popen[bytes]:
    """The same build as a program of its own."""
    (home / "dataset.pickle").write_bytes(pickle.dumps(dataset))
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background would have it ignored
    return subprocess.Popen([sys.executable, "-m", "llmrg.testing.child_build", str(home), url, model_url], preexec_fn=heard)


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)
