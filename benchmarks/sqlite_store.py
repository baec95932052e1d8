"""The SQLite store's bars: a user's read under 1 ms, a replacement under 10 ms, 10 of 50,000 vectors under 10 ms, each p50.

    python benchmarks/sqlite_store.py [--folder FOLDER]

All vectors lead to one item, the worst case. Beside the bars: the same bytes read by the bare driver, and a search right after
a commit of something else, and right after a new vector, which has all vectors of the item read anew.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

from llmrg.cli.tables import print_rows
from llmrg.core.records import History, Item, Knowledge, ReasoningGraph, Step
from llmrg.graph_store import sqlite_statements
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.graph_store.sqlite_upkeep import backup, compact
from llmrg.progress.bars import steps

RESULT = Path(__file__).parent / "results" / "sqlite_store.json"
SPACE = "benchmark"
USERS, STEPS, ITEMS = 2000, 150, 2000
VECTORS, DIMENSION = 50_000, 384
BARS_MS = {"read a user": 1.0, "replace a user": 10.0, "10 nearest of 50,000": 10.0}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--folder", type=Path, help="on the disk to measure; by default the system's temporary folder")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        result = measure(Path(folder) / "graphs.db")
    print_rows(
        "SQLite store",
        ("what", "p50 ms", "p95 ms", "bar ms"),
        [(what, f"{t['p50_ms']:.2f}", f"{t['p95_ms']:.2f}", str(BARS_MS.get(what, ""))) for what, t in result["times"].items()],
    )
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def measure(path: Path) -> dict[str, Any]:
    """Fill a store at `path`, then time one call at a time, on one thread."""
    random = np.random.default_rng(0)
    load = os.getloadavg()[0]
    times: dict[str, dict[str, float]] = {}
    with SqliteStore(path) as store, steps("SQLite store", 6) as say:
        say(f"fill: {USERS} users of {STEPS} steps")
        filled = fill(store)
        say(f"fill: {VECTORS} vectors")
        fill_knowledge(store, random)
        say("read and replace")
        users = [f"user {n}" for n in random.integers(0, USERS, 500)]
        times["read a user"] = timed([lambda user=user: store.graph(SPACE, user) for user in users])
        times["read a user's bytes, bare driver"] = timed_bare(path, users)
        graphs = [graph(user, "second") for user in users]
        times["replace a user"] = timed([lambda new=new: store.replace_graph(SPACE, new) for new in graphs])
        with SqliteStore(path, synchronous="full") as safe:
            times["replace a user, synchronous=full"] = timed([lambda new=new: safe.replace_graph(SPACE, new) for new in graphs])
        say("nearest neighbours")
        queries = random.standard_normal((100, DIMENSION)).astype(np.float32)
        store.nearest_knowledge(SPACE, "item 0", queries[0], 10)
        times["10 nearest of 50,000"] = timed([lambda q=q: store.nearest_knowledge(SPACE, "item 0", q, 10) for q in queries])
        times["10 nearest, after another commit"] = timed_after(lambda: put_title(store), store, queries[:20])
        times["10 nearest, after a new vector"] = timed_after(lambda: put_vector(store, random), store, queries[:10])
        say("backup")
        backup_s = seconds(lambda: backup(path, path.with_name("copy.db")))
    compact_s = seconds(lambda: compact(path))
    return {
        "machine": machine() | {"sqlite": sqlite3.sqlite_version, "numpy": np.__version__, "load_average": round(load, 1)},
        "users": USERS, "steps_a_user": STEPS, "vectors": VECTORS, "dimension": DIMENSION,
        "bars_p50_ms": BARS_MS, "times": times, "fill_steps_per_s": round(USERS * STEPS / filled),
        "file_bytes": path.stat().st_size, "backup_s": round(backup_s, 2), "compact_s": round(compact_s, 2),
    }  # fmt: skip


def fill(store: SqliteStore) -> float:
    """Items, histories and graphs; seconds that the graphs took."""
    store.put_items(SPACE, [Item(f"item {n}", f"Title of item {n}") for n in range(ITEMS)])
    store.put_histories(SPACE, [History(f"user {n}", tuple(f"item {i}" for i in range(STEPS + 1))) for n in range(USERS)])
    graphs = [graph(f"user {n}", "first") for n in range(USERS)]
    return seconds(lambda: [store.replace_graph(SPACE, new) for new in graphs])


def fill_knowledge(store: SqliteStore, random: np.random.Generator) -> None:
    for batch in range(VECTORS // ITEMS):
        vectors = random.standard_normal((ITEMS, DIMENSION))
        store.put_knowledge(
            SPACE,
            [
                Knowledge(f"item {n}", f"reason {batch}", "item 0", 0.5, 0, "user 0", 1, tuple(vector.tolist()))
                for n, vector in enumerate(vectors)
            ],
        )


def graph(user: str, mark: str) -> ReasoningGraph:
    """A user's 150 accepted steps, each from the item before."""
    return ReasoningGraph(
        user,
        tuple(
            Step(user, p, "reasoned", "item", f"item {p - 1}", p - 1, f"{mark}: a reason of usual length for step {p}",
                 f"item {p}", score=0.7, chain=p % 12, seen=p + 1)
            for p in range(1, STEPS + 1)
        ),
        mark,
    )  # fmt: skip


def timed(calls: list[Callable[[], object]]) -> dict[str, float]:
    return percentiles([seconds(call) for call in calls])


def timed_bare(path: Path, users: list[str]) -> dict[str, float]:
    with closing(sqlite3.connect(path)) as db:

        def read(user: str) -> bytes:
            (packed,) = db.execute(sqlite_statements.NEWEST_GRAPH, (SPACE, user)).fetchone()
            return bytes(packed)

        return timed([lambda user=user: read(user) for user in users])


def timed_after(change: Callable[[], None], store: SqliteStore, queries: np.ndarray) -> dict[str, float]:
    times = []
    for query in queries:
        change()
        times.append(seconds(lambda query=query: store.nearest_knowledge(SPACE, "item 0", query, 10)))
    return percentiles(times)


def put_title(store: SqliteStore) -> None:
    store.put_items(SPACE, [Item("item 0", "A new title")])


def put_vector(store: SqliteStore, random: np.random.Generator) -> None:
    vector = tuple(random.standard_normal(DIMENSION).tolist())
    store.put_knowledge(SPACE, [Knowledge("item 1", f"reason {vector[0]}", "item 0", 0.5, 0, "user 0", 1, vector)])


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def percentiles(times_s: list[float]) -> dict[str, float]:
    return {f"p{p}_ms": round(1000 * float(np.percentile(times_s, p)), 3) for p in (50, 95)} | {"calls": len(times_s)}


if __name__ == "__main__":
    main()
