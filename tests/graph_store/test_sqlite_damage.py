"""Bits that flip, files that end too early, logs that lost their end: told in our words, and never half a graph."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from llmrg.core.errors import NotAStoreError
from llmrg.core.records import ReasoningGraph
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.store_examples import ITEMS, NAMESPACE, fill, make_graph, make_knowledge, make_run, make_step


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A store with something in every table."""
    path = tmp_path_factory.mktemp("whole") / "graphs.db"
    with SqliteStore(path) as store:
        fill(store)
        for user in ("ann", "bob"):
            store.replace_graph(NAMESPACE, make_graph(user))
        store.append_draft(NAMESPACE, "run 2", "ann", make_graph(run="run 2").steps, 4, 0)
        store.put_knowledge(NAMESPACE, [make_knowledge(reason=f"reason {n}", vector=(1.0, n, 2.0)) for n in range(40)])
        store.put_run(NAMESPACE, make_run())
        store.set_user_status(NAMESPACE, "run 1", "ann", "done")
    return path.read_bytes()


def _read_and_write_all(path: Path) -> None:
    with SqliteStore(path) as store:
        store.counts(NAMESPACE)
        store.graphs(NAMESPACE, ["ann", "bob"])
        store.items(NAMESPACE)
        store.histories(NAMESPACE, store.users(NAMESPACE))
        store.draft(NAMESPACE, "run 2", "ann")
        store.knowledge(NAMESPACE)
        store.knowledge_for(NAMESPACE, [(ITEMS[0], ITEMS[1])])
        store.nearest_knowledge(NAMESPACE, ITEMS[1], np.array([1.0, 2.0, 3.0]))
        store.top_knowledge(NAMESPACE)
        store.runs(NAMESPACE)
        store.user_statuses(NAMESPACE, "run 1")
        store.count_uses(NAMESPACE, {make_knowledge(reason="reason 3").key: 1})
        store.forget_run(NAMESPACE, "run 1")


def test_flipped_bits_are_told_or_do_no_harm(content: bytes, tmp_path: Path) -> None:
    """SQLite keeps no check sums of pages, so a changed letter is not seen; but nothing else than our error is raised."""
    generator = random.Random(5)
    used = [place for place, byte in enumerate(content) if byte]
    told = []
    for n in range(120):
        damaged = bytearray(content)
        for place in generator.choices(used, k=generator.choice((1, 3, 20))):
            damaged[place] ^= 1 << generator.randrange(8)
        path = tmp_path / f"{n}.db"
        path.write_bytes(damaged)
        try:
            _read_and_write_all(path)
        except NotAStoreError as error:
            told.append(str(error))
    assert len(told) > 40
    assert all(".db is not an LLMRG store, or is damaged" in words and "backup" in words for words in told)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_file_that_ends_too_early_is_told(content: bytes, tmp_path: Path, share: float) -> None:
    path = tmp_path / "graphs.db"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(NotAStoreError, match=r"graphs\.db.*backup"):
        _read_and_write_all(path)


def test_a_log_that_lost_its_end_or_is_damaged_gives_an_earlier_whole_state(tmp_path: Path) -> None:
    """What a power cut may leave: the file, and a part of the log."""
    path = tmp_path / "graphs.db"
    with SqliteStore(path) as store:
        fill(store)
        for version in range(1, 21):
            steps = tuple(make_step(reason=f"{version} {n}" * 9, chain=n) for n in range(40))
            store.replace_graph(NAMESPACE, ReasoningGraph("ann", steps, f"run {version}"))
        file, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    generator = random.Random(6)
    seen = set()
    for n in range(40):
        cut = generator.randrange(len(log))
        torn = log[:cut] if n % 2 else log[:cut] + bytes([log[cut] ^ 4]) + log[cut + 1 :]
        folder = tmp_path / str(n)
        folder.mkdir()
        (folder / "graphs.db").write_bytes(file)
        (folder / "graphs.db-wal").write_bytes(torn)
        with SqliteStore(folder / "graphs.db") as store:
            graphs = store.graphs(NAMESPACE, ["ann"])
            assert store.counts(NAMESPACE).graphs == len(graphs)
            for graph in graphs.values():
                assert graph.run == f"run {graph.version}"
                assert {step.reason.split()[0] for step in graph.steps} == {str(graph.version)}
                assert len(graph.steps) == 40
                seen.add(graph.version)
        shutil.rmtree(folder)
    assert len(seen) > 5
