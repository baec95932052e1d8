"""The Neo4j store against the bare driver, on one server of the project's own launcher.

    python benchmarks/neo4j_store.py [--users 1000] [--steps 150]

Load: items, users with histories, and graphs, through the store and by hand-written UNWIND statements of the same rows; both in
this run, each into an emptied database. Read: one user's graph, p50 over users; graphs of many users in one call against one call
each; against the bare driver's walk over the user's nodes. Builders: 8 threads that publish and count uses against one thread.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import neo4j
from machine import machine

from llmrg.core.records import History, Item, Knowledge, ReasoningGraph, Run, Step
from llmrg.graph_store import neo4j_rows
from llmrg.graph_store.neo4j_labels import Label
from llmrg.graph_store.neo4j_rows import node_key
from llmrg.graph_store.neo4j_store import Neo4jStore
from llmrg.testing.neo4j_java import DEFAULT_VERSION
from llmrg.testing.neo4j_server import LocalNeo4j

RESULT = Path(__file__).parent / "results" / "neo4j_store.json"
SPACE, RUN, ITEMS, HISTORY = "bench", "run", 5000, 50
REASONS = [f"reason {n}: a theme that the two share" for n in range(300)]


def graph_of(number: int, steps: int) -> tuple[History, ReasoningGraph]:
    """A user with a history of 50 items and steps of which a fifth is imagined and a tenth refused."""
    draw = random.Random(number)
    user = f"user-{number:06}"
    items = [f"item-{draw.randrange(ITEMS):05}" for _ in range(HISTORY)]
    made = []
    for n in range(steps):
        imagined, refused = n % 5 == 4, n % 10 == 3
        position = HISTORY if imagined else draw.randrange(1, HISTORY)
        cause = draw.randrange(position)
        item = f"item-{draw.randrange(ITEMS):05}" if imagined else items[position]
        kind = "imagined" if imagined else "reasoned"
        reason = f"{draw.choice(REASONS)} ({n})"
        accepted = {} if not refused else {"accepted": False, "why_rejected": "fits others better"}
        chain = -1 if refused else n % 7
        made.append(
            Step(user, position, kind, "item", items[cause], cause, reason, item, draw.random(), chain, HISTORY, **accepted)
        )
    return History(user, tuple(items), tuple(float(n) for n in range(HISTORY))), ReasoningGraph(user, tuple(made), RUN)


# -- load -----------------------------------------------------------------------------------------------------------------
def load_through_store(store: Neo4jStore, users: Sequence[tuple[History, ReasoningGraph]]) -> None:
    store.put_items(SPACE, catalogue())
    store.put_run(SPACE, Run(RUN, "running", {}, {}, 0.0))
    store.put_histories(SPACE, [history for history, _ in users])
    for _, graph in users:
        store.replace_graph(SPACE, graph)


def load_by_hand(driver: neo4j.Driver, users: Sequence[tuple[History, ReasoningGraph]]) -> None:
    """The nodes and relations that the store makes, all nodes of a kind first, 1,000 rows a transaction."""
    accepted = [row for _, graph in users for row in _owned(graph, accepted=True)]
    refused = [row for _, graph in users for row in _owned(graph, accepted=False)]
    run = neo4j_rows.run_row(SPACE, Run(RUN, "running", {}, {}, 0.0))
    for statement, rows in (
        ("UNWIND $rows AS row CREATE (n:Run) SET n = row", [run]),
        ("UNWIND $rows AS row CREATE (n:Item) SET n = row", [neo4j_rows.item_row(SPACE, item) for item in catalogue()]),
        ("UNWIND $rows AS row CREATE (n:User) SET n = row", [neo4j_rows.user_row(SPACE, history) for history, _ in users]),
        (TAKE, _taken(users)),
        (REASON, accepted),
        (REFUSE, refused),
    ):
        with driver.session() as session:
            for batch in neo4j_rows.batches(rows):
                session.execute_write(lambda tx, text=statement, batch=batch: tx.run(text, rows=batch).consume())


TAKE = """
UNWIND $rows AS row MATCH (u:User {key: row.user}) MATCH (i:Item {key: row.item})
CREATE (u)-[:TOOK {position: row.position, at: row.at}]->(i)
"""
REASON = """
UNWIND $rows AS row MATCH (u:User {key: row.user}) MATCH (i:Item {key: row.item}) MATCH (c:Item {key: row.cause})
CREATE (u)-[:HAS]->(s:Reason)-[:LEADS_TO]->(i) CREATE (c)-[:LEADS_TO]->(s) SET s = row.step
"""
REFUSE = """
UNWIND $rows AS row MATCH (u:User {key: row.user}) MATCH (i:Item {key: row.item})
CREATE (u)-[:REJECTED]->(s:RejectedReason)-[:ABOUT]->(i) SET s = row.step
"""


def _owned(graph: ReasoningGraph, accepted: bool) -> Iterator[dict[str, Any]]:
    user = node_key(Label.USER, SPACE, graph.user)
    steps = [step for step in graph.steps if step.accepted == accepted]
    return (row | {"user": user} for row in neo4j_rows.step_rows(SPACE, steps))


def _taken(users: Sequence[tuple[History, ReasoningGraph]]) -> list[dict[str, Any]]:
    return [row for history, _ in users for row in neo4j_rows.taken_rows(SPACE, history)]


def catalogue() -> list[Item]:
    return [Item(f"item-{n:05}", f"Title {n}", (("theme", REASONS[n % 300]),)) for n in range(ITEMS)]


# -- read -----------------------------------------------------------------------------------------------------------------
WALK = """
MATCH (u:User {key: $key})-[:HAS|REJECTED]->(s:Reason|RejectedReason)-[:LEADS_TO|ABOUT]->(i:Item)
OPTIONAL MATCH (c:Item)-[:LEADS_TO]->(s)
RETURN s.position AS position, s.kind AS kind, c.id AS cause, s.name AS reason, i.id AS item, s.score AS score, s.chain AS chain,
       s.seen AS seen, s.why_rejected AS why_rejected, s.origin AS origin, s.grounding AS grounding
"""


def read(store: Neo4jStore, driver: neo4j.Driver, users: Sequence[str]) -> dict[str, float]:
    def walk(user: str) -> None:
        key = node_key(Label.USER, SPACE, user)
        with driver.session() as session:
            session.execute_read(lambda tx: tx.run(WALK, key=key).data())

    some = users[:200]
    for user in some[:50]:  # warm both
        store.graph(SPACE, user)
        walk(user)
    ours = statistics.median(timed(lambda user=user: store.graph(SPACE, user)) for user in some)
    bare = statistics.median(timed(lambda user=user: walk(user)) for user in some)
    one_by_one = timed(lambda: [store.graph(SPACE, user) for user in users])
    at_once = min(timed(lambda: store.graphs(SPACE, users)) for _ in range(3))
    return {
        "user_p50_ms": 1000 * ours,
        "user_p50_ms_bare_driver": 1000 * bare,
        "users": len(users),
        "one_by_one_s": one_by_one,
        "at_once_s": at_once,
        "times_faster_at_once": one_by_one / at_once,
    }


# -- builders -------------------------------------------------------------------------------------------------------------
def build(store: Neo4jStore, users: Sequence[tuple[History, ReasoningGraph]], threads: int) -> float:
    """Graphs published a second; each with a draft, knowledge and use counts beside it, as a build does."""

    def one(part: tuple[History, ReasoningGraph]) -> None:
        _, graph = part
        store.append_draft(SPACE, RUN, graph.user, graph.steps, HISTORY, 0)
        known = [Knowledge(s.cause, s.reason, s.item, s.score, source_user=s.user) for s in graph.reasoned()[:20]]
        store.put_knowledge(SPACE, known)
        store.count_uses(SPACE, {entry.key: 1 for entry in known})
        store.replace_graph(SPACE, graph)
        store.set_user_status(SPACE, RUN, graph.user, "done")

    with ThreadPoolExecutor(threads) as pool:
        return len(users) / timed(lambda: list(pool.map(one, users)))


@contextmanager
def retries() -> Iterator[list[str]]:
    """Transactions that the driver began again; it tells its log."""
    seen: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage()) if "will be retried" in record.getMessage() else None  # type: ignore[method-assign]
    log = logging.getLogger("neo4j")
    log.addHandler(handler)
    log.propagate = False
    try:
        yield seen
    finally:
        log.removeHandler(handler)
        log.propagate = True


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextmanager
def emptied(server: LocalNeo4j) -> Iterator[tuple[Neo4jStore, neo4j.Driver]]:
    with server.get_driver() as driver:
        for statement in ("MATCH ()-[r]->() CALL (r) { DELETE r }", "MATCH (n) WHERE NOT n:LlmrgSchema CALL (n) { DELETE n }"):
            with driver.session() as session:
                session.run(statement + " IN TRANSACTIONS OF 10000 ROWS").consume()
        with Neo4jStore(server.get_connection_url(), timeout_s=120) as store:
            yield store, driver


def size(driver: neo4j.Driver) -> dict[str, int]:
    rows, _, _ = driver.execute_query("RETURN COUNT { MATCH (n) } AS nodes, COUNT { MATCH ()-->() } AS relations")
    return dict(rows[0])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--users", type=int, default=1000)
    options.add_argument("--steps", type=int, default=150)
    chosen = options.parse_args()
    users = [graph_of(number, chosen.steps) for number in range(chosen.users)]
    names = [history.user for history, _ in users]
    result: dict[str, Any] = {"machine": machine(), "steps_a_user": chosen.steps}
    with LocalNeo4j(DEFAULT_VERSION, profile="work") as server:
        with emptied(server) as (store, _):  # warms the server up, so that neither side pays for it
            load_through_store(store, users[: chosen.users // 10])
        with emptied(server) as (_, driver):
            load_by_hand(driver, users[: chosen.users // 10])
        with emptied(server) as (_, driver):
            by_hand = timed(lambda: load_by_hand(driver, users))
            result["by_hand"] = {"seconds": by_hand, **size(driver)}
        with emptied(server) as (store, driver):
            through = timed(lambda: load_through_store(store, users))
            result["through_the_store"] = {"seconds": through, **size(driver)}
            result["load_speed_of_the_bare_driver"] = by_hand / through
            result["read"] = read(store, driver, names)
            with retries() as seen:
                one = build(store, users[: chosen.users // 2], 1)
                eight = build(store, users[chosen.users // 2 :], 8)
            result["builders"] = {"graphs_a_second_1": one, "graphs_a_second_8": eight, "retried_transactions": len(seen)}
        result["server"] = server.version
    print(json.dumps(result, indent=1))
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
