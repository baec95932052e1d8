"""How both stores grow to a million steps: size on disk, seconds, reads and look-ups of the knowledge base; with a plot.

    python benchmarks/growth.py [--steps 1000000] [--stores sqlite neo4j] [--mark TEXT]

`bytes` has the transaction logs of Neo4j in it (`logs`). `--mark` keeps a run beside the others, as that of an older release
whose code PYTHONPATH names.

At each size the same questions are asked: one user's graph, the graphs of 100 users in one call, the knowledge of 10 pairs, the 5
nearest of the entries that lead to one item (vectors of 384 numbers), the 20 most used entries. Ten steps bring one entry, and a
third of the entries is used again. Users and entries of the questions are drawn anew at each size.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from machine import machine
from neo4j_store import SPACE, catalogue, graph_of, timed
from rich.progress import Progress

from llmrg.cli.tables import print_rows
from llmrg.core.records import Knowledge, Run
from llmrg.graph_store import GraphStore, open_store
from llmrg.progress.bars import bars
from llmrg.testing.neo4j_java import DEFAULT_VERSION
from llmrg.testing.neo4j_server import LocalNeo4j

RESULT = Path(__file__).parent / "results" / "growth.json"
PLOT = Path(__file__).parents[1] / "docs" / "images" / "store_growth.svg"
STEPS_A_USER, STEPS_AN_ENTRY, DIMENSION, CALLS, AT_ONCE = 150, 10, 384, 200, 100
BAR_MS = 20.0
"""Median of a look-up of the knowledge base in Neo4j."""
QUESTIONS = {
    "user_ms": "one user's graph",
    "users_ms": f"{AT_ONCE} users' graphs in one call",
    "pairs_ms": "knowledge of 10 pairs",
    "nearest_ms": "5 nearest entries",
    "top_ms": "20 most used entries",
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--steps", type=int, default=1_000_000)
    options.add_argument("--stores", nargs="+", choices=["sqlite", "neo4j"], default=["sqlite", "neo4j"])
    options.add_argument("--mark", default="", help="Stands behind the store's name in the results.")
    chosen = options.parse_args()
    result: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    with tempfile.TemporaryDirectory() as folder, bars() as progress:
        for name in chosen.stores:
            with opened(name, Path(folder)) as (store, size):
                result[f"{name}{chosen.mark and ', '}{chosen.mark}"] = {
                    "machine": machine() | {"load_average": round(os.getloadavg()[0], 1)},
                    "product": store.health().product,
                    "bar_p50_ms": BAR_MS if name == "neo4j" else None,
                    "sizes": list(grow(store, size, chosen.steps, progress, name)),
                }
            RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show(result)
    draw(result)


@contextmanager
def opened(name: str, folder: Path) -> Iterator[tuple[GraphStore, Callable[[], dict[str, int]]]]:
    """An empty store, and its bytes on disk."""
    if name == "sqlite":
        path = folder / "graphs.db"
        with open_store(f"sqlite:///{path}") as store:
            yield store, lambda: {"bytes": sum(file.stat().st_size for file in folder.glob("graphs.db*"))}
        return
    home = folder / "neo4j"
    with (
        LocalNeo4j(DEFAULT_VERSION, home=home, profile="work") as server,
        open_store(server.get_connection_url(), timeout_s=120) as store,
    ):
        yield store, lambda: {"bytes": held(home / "data"), "logs": held(home / "data" / "transactions" / "neo4j")}


def held(folder: Path) -> int:
    """Bytes of all files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def sizes_up_to(steps: int) -> list[int]:
    """10,000, 30,000, 100,000, ... in numbers of users."""
    wanted = [n for exponent in range(4, 9) for n in (10**exponent, 3 * 10**exponent) if n < steps]
    return [round(n / STEPS_A_USER) for n in [*wanted, steps]]


def grow(
    store: GraphStore, size: Callable[[], dict[str, int]], steps: int, progress: Progress, name: str
) -> Iterator[dict[str, Any]]:
    store.put_items(SPACE, catalogue())
    store.put_run(SPACE, Run("run", "running", {}, {}, 0.0))
    draw_vector = np.random.default_rng(0)
    pairs: list[tuple[str, str]] = []
    sizes = sizes_up_to(steps)
    bar = progress.add_task(f"{name}: users", total=sizes[-1], note="")
    users, seconds = 0, 0.0
    for target in sizes:
        while users < target:
            batch = [graph_of(number, STEPS_A_USER) for number in range(users, min(users + 50, target))]
            known = [entry for _, graph in batch for entry in entries(graph.reasoned(), draw_vector)]
            pairs += [(entry.from_item, entry.to_item) for entry in known]

            def write(batch: list[Any] = batch, known: list[Knowledge] = known) -> None:
                store.put_histories(SPACE, [history for history, _ in batch])
                for _, graph in batch:
                    store.replace_graph(SPACE, graph)
                store.put_knowledge(SPACE, known)
                store.count_uses(SPACE, {entry.key: 1 + n % 7 for n, entry in enumerate(known[::3])})

            seconds += timed(write)
            users += len(batch)
            progress.update(bar, completed=users)
        progress.update(bar, note="asks")
        yield (
            {"steps": users * STEPS_A_USER, "entries": len(pairs), "load_s": round(seconds, 1)}
            | ask(store, users, pairs)
            | size()
        )
        progress.update(bar, note="")


def entries(steps: Any, random: np.random.Generator) -> list[Knowledge]:
    return [
        Knowledge(s.cause, s.reason, s.item, s.score, 0, s.user, s.position, tuple(random.standard_normal(DIMENSION).tolist()))
        for s in steps[: STEPS_A_USER // STEPS_AN_ENTRY]
    ]


def ask(store: GraphStore, users: int, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """p50 and p95 of each question."""
    random = np.random.default_rng(users)
    names = [f"user-{n:06}" for n in range(users)]

    def some(count: int) -> list[str]:
        return [names[n] for n in random.choice(users, min(count, users), replace=False)]

    drawn = [[pairs[n] for n in random.integers(0, len(pairs), 10)] for _ in range(CALLS)]
    vectors = random.standard_normal((CALLS, DIMENSION)).astype(np.float32)
    questions: dict[str, list[Callable[[], object]]] = {
        "user_ms": [lambda user=user: store.graph(SPACE, user) for user in some(CALLS)],
        "users_ms": [lambda part=part: store.graphs(SPACE, part) for part in [some(AT_ONCE) for _ in range(20)]],
        "pairs_ms": [lambda part=part: store.knowledge_for(SPACE, part) for part in drawn],
        "nearest_ms": [
            lambda item=part[0][1], vector=vector: store.nearest_knowledge(SPACE, item, vector, 5)
            for part, vector in zip(drawn, vectors, strict=True)
        ],
        "top_ms": [lambda: store.top_knowledge(SPACE, 20) for _ in range(50)],
    }
    answers: dict[str, Any] = {}
    for what, calls in questions.items():
        times = np.array([timed(call) for call in calls]) * 1000
        answers[what] = {"p50": round(float(np.median(times)), 2), "p95": round(float(np.percentile(times, 95)), 2)}
    return answers


def show(result: dict[str, Any]) -> None:
    for name, found in result.items():
        print_rows(
            f"{name}: {found['product']}, p50 in ms",
            ("steps", "entries", "load s", "MB", "of it logs", *QUESTIONS.values()),
            [
                (
                    *(f"{at['steps']:,}", f"{at['entries']:,}", str(at["load_s"])),
                    *(f"{at['bytes'] / 1e6:.0f}", f"{at.get('logs', 0) / 1e6:.0f}"),
                    *(f"{at[what]['p50']:.1f}" for what in QUESTIONS),
                )
                for at in found["sizes"]
            ],
        )
        if found["bar_p50_ms"]:
            worst = max(at[what]["p50"] for at in found["sizes"] for what in ("pairs_ms", "nearest_ms"))
            print(f"{name}: slowest look-up by pair or vector {worst:.1f} ms, bar {found['bar_p50_ms']} ms")


def draw(result: dict[str, Any]) -> None:
    """One picture: sizes on disk, then each question, both stores in each."""
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "llmrg"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
    titles = {"bytes": "on disk, MB", **{what: f"{title}, ms" for what, title in QUESTIONS.items()}}
    for axis, (what, title) in zip(axes.flat, titles.items(), strict=True):
        for name, found in result.items():
            steps = [at["steps"] for at in found["sizes"]]
            values = [at["bytes"] / 1e6 if what == "bytes" else at[what]["p50"] for at in found["sizes"]]
            axis.plot(steps, values, marker="o", label=found["product"] + name.partition(",")[1] + name.partition(",")[2])
        axis.set(title=title, xscale="log", yscale="log", xlabel="steps")
        axis.grid(alpha=0.3)
    axes.flat[0].legend()
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOT, metadata={"Date": None})


if __name__ == "__main__":
    main()
