"""Contract of many threads on one store: no torn graph, no lost count."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

from llmrg.core.errors import DraftConflictError, VersionConflictError
from llmrg.core.records import ReasoningGraph
from llmrg.graph_store.protocol import GraphStore
from llmrg.testing.store_examples import NAMESPACE, fill, make_graph, make_knowledge, make_step

WRITERS = 8
ROUNDS = 5
READING_S = 1.5
"""How long readers look for a torn graph: long enough to find one nearly always."""


def all_at_once(work: Callable[[int], object], workers: int = WRITERS) -> None:
    """Call work(0), work(1), ... in threads that start together; the first failure is raised."""
    start = Barrier(workers)

    def work_of(number: int) -> None:
        start.wait(timeout=30)
        work(number)

    patience = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # threads take turns often, so that they meet in the middle of things
    try:
        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(work_of, number) for number in range(workers)]:
                done.result(timeout=120)
    finally:
        sys.setswitchinterval(patience)


class ConcurrencyContract:
    def test_writers_of_one_user_never_mix(self, store: GraphStore) -> None:
        fill(store)
        versions: list[int] = []
        graphs = [make_graph(mark=f"writer {n}", run=f"run {n}") for n in range(WRITERS)]

        def write(number: int) -> None:
            for _ in range(ROUNDS):
                versions.append(store.replace_graph(NAMESPACE, graphs[number]))

        all_at_once(write)
        assert sorted(versions) == list(range(1, WRITERS * ROUNDS + 1))
        last = store.graph(NAMESPACE, "ann")
        assert last.version == WRITERS * ROUNDS
        assert (last.run, last.steps) in [(graph.run, graph.steps) for graph in graphs]

    def test_readers_never_see_a_torn_graph(self, store: GraphStore) -> None:
        fill(store)
        whole = {
            mark: ReasoningGraph("ann", tuple(make_step(reason=f"{mark} {n}", chain=n) for n in range(size)), mark)
            for mark, size in (("short", 3), ("long", 30))
        }
        store.replace_graph(NAMESPACE, whole["short"])
        ended = Event()

        def work(number: int) -> None:
            if number == 0:
                try:
                    until = time.monotonic() + READING_S
                    while time.monotonic() < until:
                        store.replace_graph(NAMESPACE, whole["long"])
                        store.replace_graph(NAMESPACE, whole["short"])
                finally:
                    ended.set()
            while not ended.is_set():
                if number == 1:
                    assert store.counts(NAMESPACE).accepted in (3, 30)
                else:
                    seen = store.graph(NAMESPACE, "ann")
                    assert len(seen.steps) == len(whole[seen.run].steps)
                    assert seen.steps == whole[seen.run].steps

        all_at_once(work)

    def test_of_writers_with_the_same_expected_version_one_wins(self, store: GraphStore) -> None:
        fill(store)
        won: list[int] = []
        lost: list[int] = []

        def write(number: int) -> None:
            try:
                store.replace_graph(NAMESPACE, make_graph(mark=f"writer {number}"), expected_version=0)
                won.append(number)
            except VersionConflictError:
                lost.append(number)

        all_at_once(write)
        assert (len(won), len(lost)) == (1, WRITERS - 1)
        assert store.graph(NAMESPACE, "ann").steps == make_graph(mark=f"writer {won[0]}").steps

    def test_writers_of_different_users_do_not_disturb_each_other(self, store: GraphStore) -> None:
        users = tuple(f"user {n}" for n in range(WRITERS))
        fill(store, users=users)

        def write(number: int) -> None:
            for n in range(ROUNDS):
                store.append_draft(NAMESPACE, "run 1", users[number], make_graph(users[number]).steps, n, 0)
                store.replace_graph(NAMESPACE, make_graph(users[number], mark=f"round {n}"))

        all_at_once(write)
        for user, graph in store.graphs(NAMESPACE, users).items():
            assert (graph.version, graph.steps) == (ROUNDS, make_graph(user, mark=f"round {ROUNDS - 1}").steps)
        assert store.counts(NAMESPACE).graphs == WRITERS

    def test_of_writers_of_one_block_one_wins(self, store: GraphStore) -> None:
        fill(store)
        won: list[int] = []

        def write(number: int) -> None:
            try:
                store.append_draft(NAMESPACE, "run 1", "ann", (make_step(reason=f"writer {number}"),), 4, 0)
                won.append(number)
            except DraftConflictError:
                pass

        all_at_once(write)
        (winner,) = won
        assert store.draft(NAMESPACE, "run 1", "ann") == ((make_step(reason=f"writer {winner}"),), 4)

    def test_no_use_is_lost(self, store: GraphStore) -> None:
        fill(store)
        entries = [make_knowledge(0, n) for n in range(1, 4)]
        store.put_knowledge(NAMESPACE, entries)

        def count(number: int) -> None:
            order = entries if number % 2 else entries[::-1]
            for _ in range(ROUNDS):
                store.count_uses(NAMESPACE, {entry.key: 1 + number for entry in order})

        all_at_once(count)
        assert [entry.uses for entry in store.knowledge(NAMESPACE)] == [ROUNDS * sum(range(1, WRITERS + 1))] * 3

    def test_the_same_knowledge_from_all_is_kept_once(self, store: GraphStore) -> None:
        fill(store)

        def put(number: int) -> None:
            for n in range(ROUNDS):
                scores = [(10 * number + n) / 100, (10 * n + number) / 100]
                store.put_knowledge(NAMESPACE, [make_knowledge(0, to, score=s) for to, s in enumerate(scores, start=1)])

        all_at_once(put)
        score_of = {entry.to_item: entry.score for entry in store.knowledge(NAMESPACE)}
        top = ((10 * (WRITERS - 1) + ROUNDS - 1) / 100, (10 * (ROUNDS - 1) + WRITERS - 1) / 100)
        assert sorted(score_of.values()) == sorted(top)
