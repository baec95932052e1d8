"""Arrays for the encoders from a million stored steps: by index arithmetic, and by the walk over records that came before it.

    python benchmarks/graph_arrays.py [--steps 1000000]

Graphs of 150 steps over histories of 50 items (a fifth of the steps imagined from three cuts, a tenth refused, a fifth caused by
attributes) are written to a SQLite store and read back in one call. From that table both ways build the arrays of the reasoned
and of the imagined graphs; nodes, edges and the texts they stand for must be equal. Memory is the most that Python and NumPy held
at once beyond the table, in one more round of each that `tracemalloc` watches (which slows it down: the timed rounds go without).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

from llmrg.cli.tables import print_rows
from llmrg.core.graph_table import GraphTable
from llmrg.core.records import CauseKind, History, Item, ReasoningGraph, Run, Step, StepKind
from llmrg.encoders.arrays import NEVER, GraphArrays, Kind
from llmrg.encoders.graph_inputs import GraphInputs
from llmrg.graph_store import open_store
from llmrg.progress.bars import steps as progress_steps

RESULT = Path(__file__).parent / "results" / "graph_arrays.json"
SPACE, RUN, ITEMS, HISTORY, STEPS_A_USER, MEMORY = "bench", "run", 5000, 50, 150, 20
REASONS = [f"reason {n}: a theme that the two share" for n in range(3000)]
ROUNDS = {"new": 9, "old": 3}
BAR = 10.0
"""How many times faster index arithmetic must be."""
MEMORY_BAR = 1 / 3
"""Share of the walk's memory that it may take."""
COMPARED = ("kind", "start", "end", "weight", "src", "dst", "score", "node_offsets", "edge_offsets")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--steps", type=int, default=1_000_000)
    chosen = options.parse_args()
    with progress_steps("Graph arrays", 4) as say:
        say(f"write and read {chosen.steps:,} steps")
        histories, table = stored(chosen.steps)
        items = {f"item-{n:05}": n + 1 for n in range(ITEMS)}
        rows = [np.array([items[item] for item in history.items]) for history in histories]
        users = [history.user for history in histories]
        ways: dict[str, Callable[[], Any]] = {
            "new": lambda: GraphInputs.of(table, users, rows, items, MEMORY),
            "old": lambda: walk(table, users, rows, items),
        }
        say("index arithmetic")
        new_s, new = timed(ways["new"], ROUNDS["new"])
        say("a walk over records")
        old_s, old = timed(ways["old"], ROUNDS["old"])
        check(new, *old)
        del old
        say("memory of both")
        peaks = {way: peak_mib(call) for way, call in ways.items()}
    ratio, share = statistics.median(old_s) / statistics.median(new_s), peaks["new"] / peaks["old"]
    times = {"new": spread(new_s), "old": spread(old_s)}
    result = {
        "machine": machine() | {"numpy": np.__version__, "load_average": round(os.getloadavg()[0], 1)},
        "steps": len(table.steps),
        "users": len(users),
        "distinct_texts": len(new.texts),
        "new_ms": times["new"],
        "old_ms": times["old"],
        "ratio_of_medians": round(ratio, 1),
        "bar": BAR,
        "new_peak_mib": round(peaks["new"], 1),
        "old_peak_mib": round(peaks["old"], 1),
        "share_of_memory": round(share, 3),
        "memory_bar": round(MEMORY_BAR, 3),
        "same_result": True,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_rows(
        f"{len(table.steps):,} steps of {len(users)} users",
        ("way", "median CPU ms", "fastest", "peak MiB"),
        [(way, str(of["median"]), str(of["fastest"]), f"{peaks[way]:.0f}") for way, of in times.items()],
    )
    print(f"{ratio:.1f} times faster in {share:.0%} of the memory, same result")
    assert share <= MEMORY_BAR, f"{share:.0%} of the walk's memory; the bar is {MEMORY_BAR:.0%}"
    assert ratio >= BAR, f"only {ratio:.1f} times faster; the bar is {BAR}"


def stored(steps: int) -> tuple[list[History], GraphTable]:
    """Histories, and the table that a store reads."""
    made = [graph_of(number) for number in range(round(steps / STEPS_A_USER))]
    with tempfile.TemporaryDirectory() as folder, open_store(f"sqlite:///{folder}/graphs.db") as store:
        store.put_items(SPACE, [Item(f"item-{n:05}", f"Title {n}") for n in range(ITEMS)])
        store.put_run(SPACE, Run(RUN, "running", {}, {}, 0.0))
        store.put_histories(SPACE, [history for history, _ in made])
        for _, graph in made:
            store.replace_graph(SPACE, graph)
        return [history for history, _ in made], store.graphs(SPACE, [history.user for history, _ in made])


def graph_of(number: int) -> tuple[History, ReasoningGraph]:
    draw = random.Random(number)
    user = f"user-{number:06}"
    items = tuple(f"item-{draw.randrange(ITEMS):05}" for _ in range(HISTORY))
    made = []
    for n in range(STEPS_A_USER):
        kind: StepKind = "imagined" if n % 5 == 4 else "reasoned"
        position = draw.choice((20, 40, HISTORY)) if kind == "imagined" else draw.randrange(1, HISTORY)
        seen = position if kind == "imagined" else min(position // 10 * 10 + 10, HISTORY)
        item = f"item-{draw.randrange(50):05}" if kind == "imagined" else items[position]
        at = None if n % 5 == 0 else draw.randrange(position)
        cause = f"age={draw.randrange(5)}" if at is None else items[at]
        cause_kind: CauseKind = "attribute" if at is None else "item"
        chain, accepted = (-1, False) if n % 10 == 3 else (n % 7, True)
        step = Step(user, position, kind, cause_kind, cause, at, draw.choice(REASONS), item, draw.random(), chain, seen, accepted)
        made.append(replace(step, grounding=draw.random()))
    return History(user, items), ReasoningGraph(user, tuple(made), RUN)


def timed(call: Callable[[], Any], rounds: int) -> tuple[list[float], Any]:
    """CPU seconds of this process, since other work on the machine lengthens wall seconds; and what came out."""
    seconds = []
    for _ in range(rounds):
        gc.collect()
        start = time.process_time()
        made = call()
        seconds.append(time.process_time() - start)
    return seconds, made


def peak_mib(call: Callable[[], Any]) -> float:
    """The most memory that a call holds at once, its result among it, beyond what there was before."""
    gc.collect()
    tracemalloc.start()
    made = call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del made
    return peak / 2**20


def spread(seconds: Sequence[float]) -> dict[str, float]:
    figures = {"median": statistics.median(seconds), "fastest": min(seconds), "slowest": max(seconds)}
    return {name: round(1000 * value, 1) for name, value in figures.items()} | {"rounds": len(seconds)}


def check(new: GraphInputs, reasoned: Walk, imagined: Walk) -> None:
    """Raises: AssertionError: the two ways differ."""
    assert not new.left_out.any()
    for arrays, old in ((new.layers["reasoned"], reasoned), (new.layers["imagined"], imagined)):
        made = old.arrays()
        for name in COMPARED:
            np.testing.assert_array_equal(getattr(arrays, name), made[name], err_msg=name)
        assert content(arrays, new.texts) == content_of(made["kind"], made["content"], list(old.texts))


def content(arrays: GraphArrays, texts: Sequence[str]) -> list[object]:
    return content_of(arrays.kind, arrays.content, texts)


def content_of(kind: np.ndarray, rows: np.ndarray, texts: Sequence[str]) -> list[object]:
    """What each node stands for: an item's row or a text."""
    is_text = np.isin(kind, (Kind.REASON, Kind.ATTRIBUTE)).tolist()
    return [texts[row] if text else row for text, row in zip(is_text, rows.tolist(), strict=True)]


# -- the old way: records, then one step after the other ---------------------------------------------------------------------
class Walk:
    """Collects nodes and edges of one graph after the other."""

    def __init__(self, items: dict[str, int], texts: dict[str, int]) -> None:
        self.items, self.texts = items, texts
        self.nodes: list[tuple[int, int, int, int, float]] = []
        self.edges: list[tuple[int, int, float]] = []
        self.counts: list[tuple[int, int, int]] = [(0, 0, 0)]

    def begin(self, rows: np.ndarray, read_for: int) -> None:
        self.first = len(self.nodes)
        self.found: dict[tuple[object, ...], int] = {}
        self.nodes += [(0, r, t + 1, t + 1 + read_for if read_for else 0, 1.0) for t, r in enumerate(rows.tolist())]
        self.length = len(rows)

    def finish(self) -> None:
        self.counts.append((len(self.nodes), len(self.edges), self.length))

    def text(self, text: str) -> int:
        return self.texts.setdefault(text, len(self.texts))

    def node(self, kind: Kind, content: int, start: int, end: int, weight: float) -> int:
        self.nodes.append((int(kind), content, start, end, weight))
        return len(self.nodes) - 1

    def cause(self, step: Step, end: int, group: object = None) -> int | None:
        if step.cause_position is not None:
            return self.first + step.cause_position
        if step.cause_kind == "root":
            return None
        key = (Kind.ATTRIBUTE, group, step.cause)
        if key not in self.found:
            self.found[key] = self.node(Kind.ATTRIBUTE, self.text(step.cause.replace("=", ": ", 1)), step.seen, end, 1.0)
        return self.found[key]

    def edge(self, src: int, dst: int, score: float) -> None:
        if self.nodes[src][2] <= self.nodes[dst][2]:
            self.edges.append((src, dst, score))

    def reasoned(self, step: Step) -> None:
        cause = self.cause(step, int(NEVER))
        reason = self.node(Kind.REASON, self.text(step.reason), step.seen, step.seen + MEMORY, step.score)
        item = self.first + step.position
        if cause is not None:
            self.edge(cause, reason, step.score)
        self.edge(reason, item, step.score)
        if step.seen > step.position + 1:
            self.edge(item, reason, step.score)

    def imagined(self, step: Step, end: int) -> None:
        cause = self.cause(step, end, step.position)
        reason = self.node(Kind.REASON, self.text(step.reason), step.seen, end, step.score)
        key = (Kind.IMAGINED, step.position, step.seen, step.item)
        score = step.score * step.grounding
        if key not in self.found:
            self.found[key] = self.node(Kind.IMAGINED, self.items[step.item], step.seen, end, score)
        item = self.found[key]
        kind, content, start, _, known = self.nodes[item]
        self.nodes[item] = (kind, content, start, end, max(known, score))
        if cause is not None:
            self.edge(cause, reason, step.score)
        self.edge(reason, item, step.score)

    def arrays(self) -> dict[str, np.ndarray]:
        kind, content, start, end, weight = (np.array(column) for column in zip(*self.nodes, strict=True))
        src, dst, score = (np.array(column) for column in zip(*self.edges, strict=True))
        nodes, edges, _ = np.array(self.counts, dtype=np.int64).T
        return {
            "kind": kind, "content": content, "start": start, "end": end, "weight": weight.astype(np.float32),
            "src": src, "dst": dst, "score": score.astype(np.float32), "node_offsets": nodes, "edge_offsets": edges,
        }  # fmt: skip


def walk(table: GraphTable, users: Sequence[str], rows: Sequence[np.ndarray], items: dict[str, int]) -> tuple[Walk, Walk]:
    graphs = [table[user].before(len(part)) for user, part in zip(users, rows, strict=True)]
    texts = {"": 0}
    reasoned, imagined = Walk(items, texts), Walk(items, texts)
    for part, graph in zip(rows, graphs, strict=True):
        reasoned.begin(part, MEMORY)
        for step in known(graph, part, "reasoned"):
            reasoned.reasoned(step)
        reasoned.finish()
    for part, graph in zip(rows, graphs, strict=True):
        imagined.begin(part, 0)
        some = known(graph, part, "imagined")
        ends = replaced_at(some)
        for step in some:
            if step.seen < ends[step.position]:
                imagined.imagined(step, ends[step.position])
        imagined.finish()
    reasoned.arrays(), imagined.arrays()
    return reasoned, imagined


def known(graph: ReasoningGraph, rows: np.ndarray, kind: StepKind) -> list[Step]:
    steps = graph.before(len(rows)).steps
    return sorted((step for step in steps if step.accepted and step.kind == kind), key=lambda step: step.seen)


def replaced_at(steps: Sequence[Step]) -> dict[int, int]:
    ends, first_later = {}, int(NEVER)
    for cut in sorted({step.position for step in steps}, reverse=True):
        ends[cut] = first_later
        first_later = min(first_later, *(step.seen for step in steps if step.position == cut))
    return ends


if __name__ == "__main__":
    main()
