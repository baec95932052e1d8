"""A store that goes away during a build: the run waits, and goes on where it was."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.run.build import BuildEvent, build
from llmrg.core.errors import StoreUnreachableError
from llmrg.graph_store.neo4j_store import Neo4jStore
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.neo4j_java import why_no_java_server
from llmrg.testing.neo4j_ports import free_port
from llmrg.testing.neo4j_server import LocalNeo4j

CONFIG = BuildConfig(block_size=4, wave=2, concurrency=2, retry_wait_s=0)


async def test_a_locked_file_is_waited_for(world, attributes, contents, tmp_path: Path) -> None:
    events: list[BuildEvent] = []
    with SqliteStore(tmp_path / "calm.db") as calm:
        await build(world.dataset, calm, Minds(attributes, attributes, attributes), CONFIG)
        expected = contents(calm, world.dataset)
    with SqliteStore(tmp_path / "graphs.db", timeout_s=0.2) as store:

        def lock_at_the_first(event: BuildEvent) -> None:
            events.append(event)
            if event.finished == 1:
                other = sqlite3.connect(tmp_path / "graphs.db", isolation_level=None, check_same_thread=False)
                other.execute("BEGIN EXCLUSIVE")
                threading.Timer(2.5, lambda: (other.execute("ROLLBACK"), other.close())).start()

        report = await build(world.dataset, store, Minds(attributes, attributes, attributes), CONFIG, progress=lock_at_the_first)
        assert report.counts["store.waits"] > 1
        assert report.failures == 0
        assert contents(store, world.dataset) == expected


async def test_patience_ends_and_the_run_can_go_on(world, attributes, contents, tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "graphs.db", timeout_s=0.1) as store:
        other = sqlite3.connect(tmp_path / "graphs.db", isolation_level=None)

        def lock(event: BuildEvent) -> None:
            if event.finished == 2:
                other.execute("BEGIN EXCLUSIVE")

        config = CONFIG.model_copy(update={"patience_s": 0.5})
        with pytest.raises(StoreUnreachableError):
            await build(world.dataset, store, Minds(attributes, attributes, attributes), config, progress=lock)
        other.execute("ROLLBACK")
        other.close()
        report = await build(world.dataset, store, Minds(attributes, attributes, attributes), config)
        assert report.failures == 0
        assert report.skipped + report.built == len(world.dataset.histories)


@pytest.mark.neo4j
def test_a_neo4j_server_that_is_killed_and_comes_back_is_waited_for(world, contents, neo4j_version: str, tmp_path: Path) -> None:
    if reason := why_no_java_server(neo4j_version):
        pytest.skip(reason)
    from llmrg.agents.minds.attributes import AttributesMind

    class Slow(AttributesMind):
        async def reason(self, block: Any) -> Any:
            await asyncio.sleep(0.3)
            return await super().reason(block)

    mind = Slow(world.dataset)
    with SqliteStore(tmp_path / "calm.db") as calm:
        asyncio.run(build(world.dataset, calm, Minds(mind, mind, mind), CONFIG))
        expected = contents(calm, world.dataset)
    server = LocalNeo4j(neo4j_version, home=tmp_path / "server", bolt_port=free_port())
    killed = threading.Event()

    def kill_at_the_first(event: BuildEvent) -> None:
        if event.finished == 1 and not killed.is_set():
            killed.set()
            server.stop(clean=False)
            threading.Timer(3, server.start).start()

    with server, Neo4jStore(server.get_connection_url(), timeout_s=5) as store:
        report = asyncio.run(build(world.dataset, store, Minds(mind, mind, mind), CONFIG, progress=kill_at_the_first))
        assert killed.is_set()
        assert report.counts["store.waits"] >= 1
        assert report.failures == 0
        assert contents(store, world.dataset) == expected


FULL = """
import asyncio, shutil, sys
from pathlib import Path
from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.chat.call_cache import SqliteCallCache
from llmrg.agents.run.build import build
from llmrg.agents.minds.chat import ChatMind
from llmrg.core.errors import StoreFullError
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.planted import PlantedConfig, random_catalogue, simulate
from llmrg.testing.planted_responder import planted_responder
from llmrg.testing.scripted_chat import ScriptedChatModel
small, large = Path(sys.argv[1]), Path(sys.argv[2])
world = simulate(random_catalogue(80, 24, seed=1), PlantedConfig(readers=10, min_length=7, max_length=11, seed=5))
ballast = small / "ballast"
ballast.write_bytes(b"x" * (shutil.disk_usage(small).free - 120_000))
def mind():
    cache = SqliteCallCache(small / "calls.db")
    return ChatMind(ScriptedChatModel(planted_responder(world.dataset, world.truth, 0.2)), world.dataset, cache=cache)
config = BuildConfig(block_size=4, retry_wait_s=0)
with SqliteStore(large / "graphs.db") as store:
    first = mind()
    try:
        asyncio.run(build(world.dataset, store, Minds(first, first, first), config))
    except StoreFullError as error:
        print(error)
    else:
        sys.exit("the disk was never full")
    first._calls.cache.close()
    ballast.unlink()
    second = mind()
    report = asyncio.run(build(world.dataset, store, Minds(second, second, second), config))
    assert report.failures == 0 and report.built + report.skipped == 10, report
    assert report.total("cached") > 0
print("whole")
"""


def test_a_full_disk_under_the_call_cache_stops_the_run_which_goes_on_later(small_disk, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "large").mkdir()
    command = [
        *small_disk(tmp_path / "small", "4m"),
        sys.executable,
        "-c",
        FULL,
        str(tmp_path / "small"),
        str(tmp_path / "large"),
    ]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if "unshare" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("no mount namespace here")
    assert done.returncode == 0, done.stderr
    assert "no space left" in done.stdout
    assert done.stdout.strip().endswith("whole")
    assert time.monotonic() - started < 120
