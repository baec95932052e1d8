"""Contract of a store whose clients are killed: what was acknowledged is kept, and nothing is half visible."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import TypeAlias

import pytest

from llmrg.core.records import ReasoningGraph
from llmrg.graph_store.protocol import GraphStore
from llmrg.testing.store_examples import NAMESPACE, fill, make_knowledge, make_step

KILLS = 20
STEPS = 120
LATEST_KILL_S = 0.1
"""After an acknowledgement: about as long as one publication takes."""

Reopen: TypeAlias = Callable[[], GraphStore]
"""Opens the store of the fixture `store` once more; can be pickled, so that another process may call it."""


class CrashContract:
    @pytest.fixture
    def reopen(self) -> Reopen:
        pytest.skip("the test class gives no fixture `reopen`, see llmrg.testing.store_suite")

    def test_kill_9_while_publishing_loses_nothing_that_was_acknowledged(self, store: GraphStore, reopen: Reopen) -> None:
        fill(store)
        store.put_knowledge(NAMESPACE, [make_knowledge()])
        chance, last = random.Random(3), 0
        for _ in range(KILLS):
            acknowledged = _kill_a_publisher(reopen, chance.uniform(0.0, LATEST_KILL_S))
            graph = store.graph(NAMESPACE, "ann")
            assert acknowledged[0] > last, "what a killed client had published counts"
            assert graph.version in (acknowledged[-1], acknowledged[-1] + 1)  # the last may have been written, but not yet told
            assert [step.reason for step in graph.steps] == [f"run {graph.run}: {n}" for n in range(STEPS)]
            assert store.counts(NAMESPACE).accepted == STEPS
            assert store.draft(NAMESPACE, graph.run, "ann") == ((), 0), "published, so the draft is gone"
            assert store.knowledge(NAMESPACE)[0].uses >= graph.version
            last = graph.version


def _kill_a_publisher(reopen: Reopen, after_s: float) -> list[int]:
    """Start a process that publishes without end, and kill it so long after its first acknowledgement; all versions it told."""
    processes = _processes()
    here, there = processes.Pipe(duplex=False)
    publisher = processes.Process(target=_publish, args=(reopen, there), daemon=True)  # type: ignore[attr-defined]
    publisher.start()
    there.close()
    try:
        assert here.poll(120), "the first graph was not published within two minutes"
        versions = [here.recv()]
        time.sleep(after_s)
    finally:
        publisher.kill()
        publisher.join()
    try:
        while here.poll():
            versions.append(here.recv())
    except EOFError:
        pass
    return versions


def _publish(reopen: Reopen, parent: Connection) -> None:
    with reopen() as store:
        round_ = 0
        while True:
            run = f"{random.randrange(10**9)} {(round_ := round_ + 1)}"
            steps = tuple(make_step(reason=f"run {run}: {n}", chain=n) for n in range(STEPS))
            store.append_draft(NAMESPACE, run, "ann", steps, 8, 0)
            store.count_uses(NAMESPACE, {make_knowledge().key: 1})
            parent.send(store.replace_graph(NAMESPACE, ReasoningGraph("ann", steps, run)))


def _processes() -> BaseContext:
    """Processes that share nothing with this one; where it can be, forked from one that has the imports done."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__, "llmrg.graph_store.open_store"])
    return processes
