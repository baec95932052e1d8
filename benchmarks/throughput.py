"""A build against a rate limit, its own overhead, and its memory.

    python benchmarks/throughput.py [--users 2000] [--parts overhead whose] [--quick]

1. A fake endpoint in a process of its own, 500 ms latency, 600 requests a minute (a burst of 5): the share of the limit that is
   used by a build over many users, once with the limit told and once to be found out from the refusals.
2. CPU time of this process for each block, with a scripted model that answers at once (its own time and the rendering of prompts
   are in it); beside it what LangGraph and LangChain take alone for as many supersteps and requests, in turn with it. Then whose
   code is under way, sampled every 2 ms of CPU time: the innermost frame that belongs to one of `PARTS`.
3. Resident memory while more and more users are built, the data set loaded before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any

import psutil
from langchain_core.messages import HumanMessage
from langgraph.graph import END, START, StateGraph
from machine import machine

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.estimate.stand_in import StandInModel
from llmrg.agents.machine.nodes.plan import blocks_of
from llmrg.agents.machine.state import State
from llmrg.agents.minds.chat import ChatMind
from llmrg.agents.open_mind import OpenMinds
from llmrg.agents.run.build import BuildEvent, build
from llmrg.core.records import History
from llmrg.core.settings import load_settings
from llmrg.data.dataset import Dataset
from llmrg.data.demo_set import load_demo
from llmrg.graph_store.sqlite_store import SqliteStore

HERE = Path(__file__).parent
RESULT = HERE / "results" / "throughput.json"
FIGURE = HERE.parent / "docs" / "images" / "fleet_memory.svg"
LATENCY_S, PER_MINUTE = 0.5, 600
PARTS = {
    "/estimate/stand_in": "the stand-in for the model",
    "/graph_store/": "store",
    "/langgraph/": "LangGraph",
    "/langchain_core/": "LangChain",
    "/agents/chat/": "prompts and replies",
    "/agents/minds/": "prompts and replies",
    "/agents/": "nodes and accounting",
    "/data/": "nodes and accounting",
    "/core/": "nodes and accounting",
    "/asyncio/": "asyncio and threads",
    "/concurrent/": "asyncio and threads",
    "selectors.py": "store, in threads",
}
"""Part of a file's name -> whose work it is. While the event loop waits (`selectors.py`) it is threads that work: the store's."""
SERVER = f"""
from langchain_core.messages import HumanMessage
from llmrg.agents.estimate.stand_in import StandInModel
from llmrg.testing.fake_openai import FakeOpenAI
import threading
model = StandInModel(steps_per_item=1.0)
server = FakeOpenAI(lambda messages: model._generate(messages).generations[0].text, latency_s={LATENCY_S},
                    requests_per_minute={PER_MINUTE}, burst=5)
server.start()
print(server.url, flush=True)
threading.Event().wait()
"""


def people(count: int, length: int) -> Dataset:
    """Made-up users over the demo's catalogue, with histories of one length."""
    demo = load_demo()
    ids = demo.catalogue.ids
    users = {
        f"user-{n:05}": History(f"user-{n:05}", tuple(ids[(n * 7 + k * (1 + n % 11)) % len(ids)] for k in range(length)))
        for n in range(count)
    }
    return replace(demo, name="people", histories=users)


def against_a_limit(users: int, told: bool) -> dict[str, Any]:
    """Single-block users, two requests each."""
    dataset = people(users, 4)
    config = BuildConfig(divergence=False, held_out=0, tries=0, concurrency=64, tau=0.0)
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            url = server.stdout.readline().strip()
            with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "graphs.db") as store:
                limits = {"requests_per_minute": PER_MINUTE} if told else {}
                minds = OpenMinds(dataset, load_settings(home=Path(folder), model=f"openai:fake@{url}", **limits))
                mind = minds.get("chat")
                started, cpu = time.monotonic(), time.process_time()
                report = asyncio.run(build(dataset, store, Minds(mind, mind, mind), config))
                took, cpu = time.monotonic() - started, time.process_time() - cpu
                minds.close()
            seen = json.loads(urllib.request.urlopen(url.removesuffix("/v1") + "/stats").read())
        finally:
            server.terminate()
    span = seen["times"][-1] - seen["times"][0]
    return {
        "limit_told": told,
        "users": report.built,
        "calls": report.total("calls"),
        "answered": seen["answered"],
        "refused": seen["refused"],
        "seconds": took,
        "share_of_the_limit": (seen["answered"] - 1) / span * 60 / PER_MINUTE,
        "cpu_seconds": cpu,
    }


def overhead(users: int) -> dict[str, float]:
    """CPU a block: the machine, the prompts, a SQLite store; the model answers at once."""
    dataset = people(users, 30)
    mind = ChatMind(StandInModel(), dataset)
    blocks = sum(len(blocks_of(len(h), 0, mind.block_size, 2)) for h in dataset.histories.values())
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "graphs.db") as store:
        spent = time.process_time()
        asyncio.run(build(dataset, store, Minds(mind, mind, mind), BuildConfig()))
        spent = time.process_time() - spent
    return {"users": users, "blocks": blocks, "cpu_ms_a_block": 1000 * spent / blocks}


def frameworks(blocks: int) -> float:
    """CPU ms a block of LangGraph and LangChain alone: nodes that do nothing, and the same model asked as often."""
    supersteps, requests, model = 10, 5, StandInModel()
    asked = [HumanMessage("EXPLAIN\n" + " ".join(f"[{n}]" for n in range(2, 26)))]

    async def node(state: State) -> State:
        return {"next_chain": state["next_chain"] + 1}

    graph: Any = StateGraph(State)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_conditional_edges(
        "node", lambda state: END if state["next_chain"] == supersteps * blocks else "node", [END, "node"]
    )
    compiled = graph.compile()

    async def run() -> None:
        await compiled.ainvoke({"next_chain": 0}, {"recursion_limit": supersteps * blocks + 5})
        for _ in range(requests * blocks):
            await model.ainvoke(asked)

    spent = time.process_time()
    asyncio.run(run())
    return 1000 * (time.process_time() - spent) / blocks


def overheads(users: int, rounds: int) -> dict[str, Any]:
    """Both in turn, since machines change their speed; medians."""
    overhead(users // 5)  # imports, compiled graphs, prompts
    pairs = [(overhead(users), frameworks(100)) for _ in range(rounds)]
    ours, alone = ([p[0]["cpu_ms_a_block"] for p in pairs], [p[1] for p in pairs])
    return {
        **pairs[0][0],
        "cpu_ms_a_block": median(ours),
        "frameworks_alone_ms_a_block": median(alone),
        "all": [list(pair) for pair in zip(ours, alone, strict=True)],
    }


def whose(users: int) -> dict[str, float]:
    """Share of the CPU time of `overhead` by part."""
    samples: Counter[str] = Counter()

    def sample(_: int, frame: FrameType | None) -> None:
        while frame is not None:
            file = frame.f_code.co_filename
            if part := next((part for name, part in PARTS.items() if name in file), ""):
                samples[part] += 1
                return
            frame = frame.f_back

    before = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, 0.002, 0.002)
    try:
        overhead(users)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return {part: count / samples.total() for part, count in samples.most_common()}


def memory(users: int) -> list[dict[str, float]]:
    """Resident memory in MiB while users are finished; one block each."""
    dataset, process, points = people(users, 4), psutil.Process(), []
    mind = ChatMind(StandInModel(), dataset)
    marks = {n for n in (0, 100, 300, 1_000, 2_000, 3_000, 5_000, 7_000, 10_000) if n <= users}

    def note(event: BuildEvent) -> None:
        if event.done in marks:
            points.append({"users": event.done, "mib": process.memory_info().rss / 2**20})

    config = BuildConfig(divergence=False, held_out=0, tries=0)
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "graphs.db") as store:
        asyncio.run(build(dataset, store, Minds(mind, mind, mind), config, progress=note))
    return points


def draw(points: list[dict[str, float]]) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "llmrg"
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(5, 3.2), layout="constrained")
    axis.plot([p["users"] for p in points], [p["mib"] for p in points], marker="o", color="#0069a8")
    axis.set(xlabel="users built", ylabel="resident memory, MiB", ylim=(0, 1.1 * max(p["mib"] for p in points)))
    figure.savefig(FIGURE, metadata={"Date": None})


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--users", type=int, default=2000)
    options.add_argument("--quick", action="store_true", help="few users, no figure; for tests")
    options.add_argument(
        "--parts", nargs="+", choices=("overhead", "whose", "memory", "limit"), help="these anew, the rest as kept"
    )
    options.add_argument("--result", type=Path, default=RESULT)
    chosen = options.parse_args()
    few = chosen.quick
    parts: dict[str, Callable[[], Any]] = {
        "overhead": lambda: {**(overheads(5, 1) if few else overheads(100, 7)), "machine": machine()},
        "whose": lambda: whose(5 if few else 100),
        "memory": lambda: memory(100 if few else 10_000),
        "limit": lambda: [against_a_limit(10 if few else chosen.users, told) for told in (True, False)],
    }
    result: dict[str, Any] = json.loads(chosen.result.read_text()) if chosen.parts and chosen.result.exists() else {}
    result |= {"endpoint": {"latency_s": LATENCY_S, "requests_per_minute": PER_MINUTE, "burst": 5}}
    if not chosen.parts:
        result["machine"] = machine()
    for part in chosen.parts or parts:
        result[part] = parts[part]()
        print(json.dumps({part: result[part]}, indent=1), flush=True)
        chosen.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if "memory" in (chosen.parts or parts) and not few:
        draw(result["memory"])


if __name__ == "__main__":
    main()
