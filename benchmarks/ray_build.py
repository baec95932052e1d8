"""A build on Ray beside one process: equal graphs, how fast, how a rate limit is kept, what kills cost, what limits more workers.

    python benchmarks/ray_build.py [--users 48] [--quick]

A fake endpoint that answers at once stands in a process of its own; two workers, no text vectors, a SQLite store, one machine.

1. Speed: users a second between the first request and the last (the start of Ray and of its workers is told beside it), in turn
   in one process and on Ray, and the CPU time of each kind of process per request.
2. A limit of 600 requests a minute that is told: the share of it that is used.
3. Ten kills, in turn of a worker and of the driver: calls beyond those of an undisturbed build, beside those in flight at a kill.
4. A simulation of 1 to 100 workers from these constants and the Neo4j store's (`results/neo4j_store.json`): `ray_scale.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from machine import machine
from ray_scale import scales
from throughput import people

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.open_mind import OpenMinds
from llmrg.agents.run.build import BuildEvent, build
from llmrg.agents.run.build_report import BuildReport
from llmrg.agents.run.crew import this_process
from llmrg.core.settings import load_settings
from llmrg.data.dataset import Dataset
from llmrg.graph_store.open_store import open_store
from llmrg.on_ray.cluster import connected, settings_for
from llmrg.on_ray.crew import ray_crew
from llmrg.testing import child_build

HERE = Path(__file__).parent
RESULT = HERE / "results" / "ray_build.json"
WORKERS, PER_MINUTE, CONCURRENCY = 2, 600, 8
KINDS = {"BuildWorker": "workers", "Shared": "shared actor", "raylet": "Ray itself", "gcs_server": "Ray itself"}
SERVER = """
import sys, threading
from llmrg.agents.estimate.stand_in import StandInModel
from llmrg.testing.fake_openai import FakeOpenAI
model = StandInModel(steps_per_item=1.0)
limit = float(sys.argv[1]) or None
server = FakeOpenAI(lambda messages: model._generate(messages).generations[0].text, latency_s=float(sys.argv[2]),
                    requests_per_minute=limit, burst=5, port=int(sys.argv[3]))
server.start()
print(server.url, flush=True)
threading.Event().wait()
"""


@contextmanager
def endpoint(limit: float = 0, latency_s: float = 0.0, port: int = 0) -> Iterator[tuple[str, psutil.Process]]:
    arguments = [sys.executable, "-c", SERVER, str(limit), str(latency_s), str(port)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            yield server.stdout.readline().strip(), psutil.Process(server.pid)
        finally:
            server.terminate()


def seen(url: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(urllib.request.urlopen(url.removesuffix("/v1") + "/stats").read())
    return told


class CpuWatch:
    """CPU seconds by kind of process, from the first user that is done on."""

    def __init__(self, server: psutil.Process) -> None:
        self._server, self._first, self._last = server, dict[int, float](), dict[int, float]()
        self._kinds: dict[int, str] = {}

    def __call__(self, event: BuildEvent) -> None:
        if not event.finished:
            return
        me = psutil.Process()
        for process in (me, self._server, *me.children(recursive=True)):
            try:
                times = process.cpu_times()
                kind = "driver" if process == me else "endpoint" if process == self._server else _kind(process)
            except psutil.Error:
                continue
            if kind:
                self._kinds[process.pid] = kind
                self._last[process.pid] = times.user + times.system
                self._first.setdefault(process.pid, self._last[process.pid])

    def seconds(self) -> dict[str, float]:
        found: defaultdict[str, float] = defaultdict(float)
        for pid, kind in self._kinds.items():
            found[kind] += self._last[pid] - self._first[pid]
        return dict(found)


def _kind(process: psutil.Process) -> str:
    return next((kind for part, kind in KINDS.items() if part in process.name()), "")


def built(
    dataset: Dataset, url: str, home: Path, ray: bool, config: BuildConfig, watch: Any = None, **settings: Any
) -> tuple[BuildReport, Any]:
    """The report, and what the store holds then."""
    chosen = load_settings(home=home, model=f"openai:fake@{url}", ray_workers=WORKERS, **settings)
    minds = OpenMinds(dataset, chosen)
    mind = minds.get("chat")
    with open_store(chosen.store_url) as store, ExitStack() as opened:
        crew = this_process
        if ray:
            crew = ray_crew(opened.enter_context(connected("local", chosen)), settings_for(chosen), ("chat",) * 3)
        report = asyncio.run(build(dataset, store, Minds(mind, mind, mind), config, crew=crew, progress=watch))
        found = contents(store, dataset)
    minds.close()
    return report, found


def contents(store: Any, dataset: Dataset) -> Any:
    graphs = store.graphs(dataset.name, list(dataset.histories))
    return {user: graph.steps for user, graph in graphs.items()}, [(k.key, k.score) for k in store.knowledge(dataset.name)]


def speed(users: int, rounds: int) -> dict[str, Any]:
    """In turn, since other work on the machine changes its speed; medians."""
    dataset, config = people(users, 20), BuildConfig(concurrency=CONCURRENCY)
    rows: list[dict[str, Any]] = []
    port = 0  # the same server each time: its address is in what is known of whom
    for _ in range(rounds):
        left = []
        for ray in (False, True):
            with endpoint(port=port) as (url, server), tempfile.TemporaryDirectory() as folder:
                port = int(url.removesuffix("/v1").rpartition(":")[2])
                watch, started = CpuWatch(server), time.monotonic()
                report, found = built(dataset, url, Path(folder), ray, config, watch)
                wall, told = time.monotonic() - started, seen(url)
            span = told["times"][-1] - told["times"][0]
            spent, calls = watch.seconds(), told["answered"]
            left.append(found)
            rows.append(
                {
                    "ray": ray,
                    "users": report.built,
                    "calls": calls,
                    "seconds": span,
                    "users_a_second": report.built / span,
                    "start_seconds": wall - span,
                    "cpu_ms_a_call": {kind: 1000 * seconds / calls for kind, seconds in spent.items()},
                }
            )
            print(json.dumps(rows[-1]), flush=True)
        assert left[0] == left[1], "the graphs or the knowledge base differ"
    one, ray = ([row for row in rows if row["ray"] is which] for which in (False, True))
    ratios = [b["users_a_second"] / a["users_a_second"] for a, b in zip(one, ray, strict=True)]
    kinds = sorted({kind for row in rows for kind in row["cpu_ms_a_call"]})
    cpu = {
        name: {kind: median(row["cpu_ms_a_call"].get(kind, 0.0) for row in part) for kind in kinds}
        for name, part in (("one process", one), ("ray", ray))
    }
    return {"graphs_equal": True, "times_as_fast": median(ratios), "of_each_round": ratios, "cpu_ms_a_call": cpu, "rounds": rows}


def rate(users: int) -> dict[str, Any]:
    dataset = people(users, 4)
    config = BuildConfig(divergence=False, held_out=0, tries=0, concurrency=32, tau=0.0)
    with endpoint(PER_MINUTE, 0.3) as (url, _), tempfile.TemporaryDirectory() as folder:
        report, _ = built(dataset, url, Path(folder), True, config, requests_per_minute=float(PER_MINUTE))
        told = seen(url)
    span = told["times"][-1] - told["times"][0]
    share = (told["answered"] - 1) / span * 60 / PER_MINUTE
    return {"calls": report.total("calls"), "refused": told["refused"], "seconds": span, "share_of_the_limit": share}


def kills(users: int, count: int) -> dict[str, Any]:
    """Each time another driver goes on; in turn a worker is killed (the driver lives on) and the driver."""
    dataset, dice = people(users, 9), random.Random(3)
    with endpoint() as (url, _), tempfile.TemporaryDirectory() as folder:
        port = int(url.removesuffix("/v1").rpartition(":")[2])
        _, calm = built(dataset, url, Path(folder), False, child_build.CONFIG)
        calls = seen(url)["requests"]
    with endpoint(latency_s=0.05, port=port) as (url, _), tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        import ray

        opened.enter_context(connected("local", load_settings(ray_workers=WORKERS)))
        home, store = Path(folder), f"sqlite:///{folder}/graphs.db"
        (home / "dataset.pickle").write_bytes(pickle.dumps(dataset))
        command = [sys.executable, "-m", "llmrg.testing.child_build", folder, store, url, ray.get_runtime_context().gcs_address]
        rows: list[dict[str, Any]] = []
        driver = subprocess.Popen(command)
        while len(rows) < count:
            until = seen(url)["requests"] + dice.randint(1, calls // (count + 2))
            while driver.poll() is None and seen(url)["requests"] < until:
                time.sleep(0.02)
            if driver.poll() is not None:
                break
            whom = "driver" if len(rows) % 2 else "worker"
            workers = [one for one in psutil.Process().children(recursive=True) if "BuildWorker" in one.name()]
            os.kill(driver.pid if whom == "driver" else dice.choice(workers).pid, signal.SIGKILL)
            rows.append({"killed": whom, "after_calls": seen(url)["requests"]})
            if whom == "driver":
                driver.wait()
                driver = subprocess.Popen(command)
        assert driver.wait(300) == 0
        paid = seen(url)["requests"]
        with open_store(store) as opened_store:
            equal = contents(opened_store, dataset) == calm
    in_flight = child_build.CONFIG.concurrency * sum(WORKERS if row["killed"] == "driver" else 1 for row in rows)
    more = {"kills": rows, "calls_undisturbed": calls, "calls_paid": paid, "paid_twice": paid - calls}
    return {**more, "in_flight_at_kills_at_most": in_flight, "graphs_equal": equal}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--users", type=int, default=48)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--quick", action="store_true", help="few users; for tests")
    options.add_argument("--result", type=Path, default=RESULT)
    chosen = options.parse_args()
    few = chosen.quick
    parts = {
        "speed": lambda: speed(12 if few else chosen.users, 1 if few else chosen.rounds),
        "limit": lambda: rate(20 if few else 300),
        "kills": lambda: kills(8 if few else 24, 2 if few else 10),
    }
    result: dict[str, Any] = {"machine": machine(), "workers": WORKERS, "concurrency": CONCURRENCY}
    for name, measure in parts.items():
        result[name] = measure()
        print(name, json.dumps({k: v for k, v in result[name].items() if k != "rounds"}), flush=True)
        chosen.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    result["scale"] = scales(result)
    print(json.dumps(result["scale"], indent=1))
    chosen.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
