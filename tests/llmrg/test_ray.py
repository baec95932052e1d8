"""Builds on a real Ray of two workers: what they leave equals what one process leaves, whatever is killed on the way."""

from __future__ import annotations

import importlib.util
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration

from llmrg.agents.accounting.usage import Usage
from llmrg.agents.chat.call_cache import SqliteCallCache
from llmrg.agents.chat.limiter import Limits
from llmrg.core.errors import BudgetSpentError, ConfigError, MissingPackageError
from llmrg.core.settings import load_settings
from llmrg.graph_store.open_store import open_store
from llmrg.on_ray.build_worker import About, check_same
from llmrg.on_ray.cluster import check_store, connected
from llmrg.on_ray.crew import _check_versions
from llmrg.on_ray.shared import Link, Shared, SharedCache
from llmrg.testing.child_build import CONFIG, run_build
from llmrg.testing.fake_openai import FakeOpenAI
from llmrg.testing.planted import PlantedWorld

WORKERS, SECRET = 2, "sk-never-shown"
pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed")


@pytest.fixture(scope="module")
def ray_address() -> Iterator[str]:
    """One Ray for all tests of this file; what builds on it finds it started."""
    import ray

    with connected("local", load_settings(ray_workers=WORKERS)):
        listening = [
            one.laddr.ip for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN and one.pid in family()
        ]
        assert listening
        assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}
        yield ray.get_runtime_context().gcs_address
    assert not list(Path("/tmp").glob(f"llmrg-ray-{os.getpid()}"))


@pytest.fixture(scope="module")
def calm(town, responder, tmp_path_factory) -> tuple[Any, int, int]:
    """What a build in one process leaves, its calls, and its server's port: on another one is another server."""
    home = tmp_path_factory.mktemp("calm")
    url = f"sqlite:///{home}/graphs.db"
    with FakeOpenAI(responder) as server:
        run_build(town.dataset, url, {}, home, server.url)
        return left(town, url, {}), server.seen.requests, server.port


def left(town: PlantedWorld, url: str, auth: dict[str, str]) -> Any:
    """Graphs, knowledge base, statuses, and costs without those that are times."""
    with open_store(url, **auth) as store:
        name = town.dataset.name
        (run,) = store.runs(name)
        graphs = {user: store.graph(name, user).steps for user in town.dataset.histories}
        knowledge = [(k.key, round(k.score, 9), k.source_user, k.source_position) for k in store.knowledge(name)]
        costs = {what: number for what, number in run.costs.items() if not what.endswith("seconds")}
        return graphs, knowledge, store.user_statuses(name, run.id), (run.status, run.settings, costs)


def family() -> set[int]:
    """This process and what it started."""
    return {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}


def workers_of_ray() -> list[psutil.Process]:
    """Processes of this test's Ray that build."""
    return [one for one in psutil.Process().children(recursive=True) if one.is_running() and "BuildWorker" in one.name()]


def when(condition: Callable[[], bool], act: Callable[[], None]) -> threading.Thread:
    def wait() -> None:
        deadline = time.monotonic() + 60
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.005)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_graphs_knowledge_statuses_and_costs_are_those_of_one_process(town, responder, calm, ray_address, tmp_path) -> None:
    found, calls, port = calm
    url = f"sqlite:///{tmp_path}/graphs.db"
    with FakeOpenAI(responder, port=port) as server:
        report = run_build(town.dataset, url, {}, tmp_path, server.url, "local")
        assert server.seen.requests == calls == report.total("calls")
        assert left(town, url, {}) == found
        again = run_build(town.dataset, url, {}, tmp_path, server.url, "local")
        assert (again.built, again.skipped, server.seen.requests) == (0, len(town.dataset.histories), calls)


def test_a_killed_worker_is_started_again_and_the_limit_is_kept(town, responder, calm, ray_address, tmp_path) -> None:
    found, calls, port = calm
    url, killed = f"sqlite:///{tmp_path}/graphs.db", list[int]()
    with FakeOpenAI(responder, latency_s=0.02, port=port, requests_per_minute=1500) as server:

        def kill() -> None:
            worker = workers_of_ray()[0]
            os.kill(worker.pid, signal.SIGKILL)
            killed.append(worker.pid)

        thread = when(lambda: server.seen.requests >= calls // 3, kill)
        report = run_build(town.dataset, url, {}, tmp_path, server.url, "local", requests_per_minute=1500)
        thread.join()
        assert killed
        assert report.counts["workers.lost"] == 1
        assert (report.built, report.failures) == (len(town.dataset.histories), 0)
        assert server.seen.refused < 0.1 * server.seen.requests  # two limiters would be refused every other request
        assert calls <= server.seen.answered <= calls + CONFIG.concurrency  # paid twice: those in flight
        assert calls - CONFIG.concurrency <= report.total("calls") <= server.seen.answered
    assert left(town, url, {})[:3] == found[:3]


def test_a_driver_that_is_interrupted_and_one_that_is_killed_go_on(town, responder, calm, ray_address, tmp_path) -> None:
    found, calls, port = calm
    url = f"sqlite:///{tmp_path}/graphs.db"
    (tmp_path / "dataset.pickle").write_bytes(pickle.dumps(town.dataset))
    command = [sys.executable, "-m", "llmrg.testing.child_build", str(tmp_path), url]
    with FakeOpenAI(responder, latency_s=0.1, port=port) as server:

        def start(until: float) -> subprocess.Popen[bytes]:
            driver = subprocess.Popen([*command, server.url, ray_address])
            when(lambda: server.seen.requests >= until * calls or driver.poll() is not None, lambda: None).join()
            assert driver.poll() is None
            return driver

        driver = start(0.3)
        driver.send_signal(signal.SIGINT)
        assert driver.wait(60) == 130
        with open_store(url) as store:
            assert store.runs(town.dataset.name)[0].status == "stopped"
        driver = start(0.6)
        driver.kill()
        driver.wait()
        server.latency_s = 0.0
        run_build(town.dataset, url, {}, tmp_path, server.url, "local")
        assert calls <= server.seen.requests <= calls + CONFIG.concurrency * WORKERS
    assert left(town, url, {})[:3] == found[:3]


def test_a_budget_of_calls_holds_for_all_workers(town, responder, calm, ray_address, tmp_path) -> None:
    _, calls, port = calm
    with FakeOpenAI(responder, latency_s=0.02, port=port) as server:
        few = CONFIG.model_copy(update={"max_calls": 9})
        with pytest.raises(BudgetSpentError, match="budget of 9 calls"):
            run_build(town.dataset, f"sqlite:///{tmp_path}/graphs.db", {}, tmp_path, server.url, "local", few)
        assert 9 <= server.seen.requests <= 9 + WORKERS * CONFIG.concurrency
    assert calls > 9


@pytest.mark.neo4j
def test_a_neo4j_store_is_left_as_one_process_leaves_sqlite(town, responder, calm, ray_address, empty_neo4j, tmp_path) -> None:
    found, calls, port = calm
    auth = {"user": empty_neo4j.auth[0], "password": empty_neo4j.auth[1]}
    with FakeOpenAI(responder, port=port) as server:
        run_build(town.dataset, empty_neo4j.url, auth, tmp_path, server.url, "local")
        assert server.seen.requests == calls
    assert left(town, empty_neo4j.url, auth) == found


async def test_the_call_cache_of_another_machine_is_that_of_the_driver(ray_address, tmp_path) -> None:
    import ray

    shared = ray.remote(Shared).options(num_cpus=0, max_concurrency=10).remote(tmp_path / "calls.db", Limits())
    message = AIMessage("a reply", usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5})
    there, here = SharedCache(Link(shared, 0, Usage())), SqliteCallCache(tmp_path / "calls.db")
    assert await there.alookup("asked", "model") is None
    await there.aupdate("asked", "model", [ChatGeneration(message=message)])
    for cache in (there, here):
        (kept,) = await cache.alookup("asked", "model")
        assert kept.message.text == "a reply"
    assert here.stats()[0].input_tokens == 3
    here.close()
    ray.kill(shared)


# -- what can go wrong with a cluster --------------------------------------------------------------------------------
def test_ray_that_is_not_installed_is_said(monkeypatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "ray" else there(name, *rest))
    with pytest.raises(MissingPackageError, match=r"pip install 'llmrg\[ray\]'"), connected("local", load_settings()):
        pass


def cli(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    light = ["--mind", "attributes", "--no-knowledge", "--no-divergence"]  # no text vectors, which take long to load
    command = [sys.executable, "-m", "llmrg.cli", "build", *light, "--users", "6", "--home", str(home), *words]
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as temporary:  # short, for Ray's sockets
        more = {"OPENAI_API_KEY": SECRET, "LLMRG_RAY_WORKERS": str(WORKERS), "TMPDIR": temporary}
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **more})
        assert not list(Path(temporary).glob("llmrg-ray-*"))
    assert SECRET not in done.stdout + done.stderr
    return done


def test_an_address_where_nothing_answers_is_named_within_seconds(tmp_path) -> None:
    started = time.monotonic()
    done = cli("--ray", "127.0.0.1:9", home=tmp_path)
    assert done.returncode == 2
    assert "no Ray cluster can be used at '127.0.0.1:9'" in done.stderr
    assert time.monotonic() - started < 30


def test_something_else_at_the_address_is_no_cluster(responder, tmp_path) -> None:
    with FakeOpenAI(responder) as server:
        done = cli("--ray", f"127.0.0.1:{server.port}", home=tmp_path)
    assert done.returncode == 2
    assert f"no Ray cluster can be used at '127.0.0.1:{server.port}'" in done.stderr


def test_a_file_is_no_store_for_several_machines(tmp_path) -> None:
    settings = load_settings(home=tmp_path)
    check_store(settings, 1)
    check_store(load_settings(store="neo4j://127.0.0.1:7687"), 2)
    with pytest.raises(ConfigError, match=r"has 2 machines.*--store neo4j://") as refused:
        check_store(settings, 2)
    assert settings.store_url in str(refused.value)


def test_another_release_or_another_run_on_a_machine_is_refused() -> None:
    here = About("a", 1, "3.11.7", "1.2.0")
    _check_versions(here, About("b", 2, "3.11.9", "1.2.0"))
    for there in (About("b", 2, "3.12.1", "1.2.0"), About("b", 2, "3.11.7", "1.1.0")):
        with pytest.raises(ConfigError, match=f"b has llmrg {there.llmrg} on Python {there.python}"):
            _check_versions(here, there)
    check_same({"prompts": {"reason": "1"}}, {"prompts": {"reason": "1"}})
    with pytest.raises(ConfigError, match="prompts are others there"):
        check_same({"prompts": {"reason": "1"}}, {"prompts": {"reason": "2"}})


def test_the_command_builds_on_ray_and_leaves_nothing_behind(tmp_path) -> None:
    done = cli("--ray", "--json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"built": 6' in done.stdout
    assert done.stdout.lstrip().startswith("{")


def test_lists_of_all_users_are_those_of_one_process(built, ray_address, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("llmrg.lists.BATCH", 16)
    here = built.recommend_all(tmp_path / "here.jsonl", k=3, why=True)
    there = built.recommend_all(tmp_path / "there.jsonl", k=3, why=True, ray="local")
    assert there.read_text() == here.read_text()
