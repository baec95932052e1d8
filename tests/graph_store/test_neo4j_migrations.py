"""Stores of older releases are brought forward: one as schema 3 wrote it stands in `kept/neo4j_version_3.json`."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import neo4j
import pytest

from llmrg.core.errors import StoreVersionError
from llmrg.core.records import History, Item, ReasoningGraph, Run
from llmrg.graph_store import neo4j_lean, neo4j_link, neo4j_migrations, neo4j_rows
from llmrg.graph_store.neo4j_store import Neo4jStore
from llmrg.testing.neo4j_fixture import Neo4jServer
from llmrg.testing.store_examples import ITEMS, NAMESPACE, OTHER, fill_everything, make_graph, make_history, make_knowledge

pytestmark = pytest.mark.neo4j

SEEN = Path(__file__).parent / "kept" / "neo4j_version_3.json"
OLD_SCHEMA = (
    "CREATE CONSTRAINT llmrg_reason_key FOR (n:Reason) REQUIRE n.key IS UNIQUE",
    "CREATE CONSTRAINT llmrg_rejected_reason_key FOR (n:RejectedReason) REQUIRE n.key IS UNIQUE",
    "CREATE INDEX llmrg_reason_wording FOR (n:Reason) ON (n.wording_key)",
)
ODD = (
    *(("genre", "Drama"), ("year", "1994"), ("genre", "Crime"), ("title", "a clash"), ("key", "k=v")),
    *(("a=b", "c"), ("", "no name")),
)
"""Attributes of an item in the file."""
TIMES = (-1.5, 0.1 + 0.2, None, 1.7e9 + 1 / 3, 1e300)
"""Those of a history in the file."""
ENDED = Run("ended", "done", {"mind": "x"}, {"calls": 1.0}, 1.7e9 + 1 / 3, 1.7e9 + 9.25)
"""One of its runs."""


@pytest.fixture
def driver(neo4j_server: Neo4jServer) -> Iterator[neo4j.Driver]:
    with neo4j.GraphDatabase.driver(neo4j_server.url, auth=neo4j_server.auth) as opened:
        yield opened


@pytest.fixture
def old(neo4j_server: Neo4jServer, driver: neo4j.Driver) -> Iterator[Neo4jStore]:
    """A closed store of schema 3."""
    neo4j_server.forget_schema()
    for migration in neo4j_migrations.MIGRATIONS[:3]:
        for statement in migration.statements:
            driver.execute_query(statement)
    for statement in OLD_SCHEMA:
        driver.execute_query(statement)
    held = json.loads(SEEN.read_text(encoding="utf-8"))
    nodes = [{"n": n, "label": label, "p": _values(values)} for n, (label, values) in enumerate(held["nodes"])]
    relations = [{"a": a, "kind": kind, "b": b, "p": values} for a, kind, b, values in held["relations"]]
    driver.execute_query("UNWIND $rows AS row CREATE (n:$(row.label)) SET n = row.p, n.n = row.n", rows=nodes)
    driver.execute_query(
        "UNWIND $rows AS row MATCH (a {n: row.a}) MATCH (b {n: row.b}) CREATE (a)-[r:$(row.kind)]->(b) SET r = row.p",
        rows=relations,
    )
    driver.execute_query("MATCH (n) REMOVE n.n")
    yield Neo4jStore(neo4j_server.url, neo4j_server.auth)
    neo4j_server.forget_schema()


def _values(values: dict[str, Any]) -> dict[str, Any]:
    return {name: base64.b64decode(value["bytes"]) if isinstance(value, dict) else value for name, value in values.items()}


def snapshot(driver: neo4j.Driver) -> set[tuple[str, ...]]:
    """All that people see: drafts, and graphs of older runs, which schema 3 did not keep, are left out."""
    nodes = driver.execute_query(
        "MATCH (n) WHERE NOT n:Draft|PackedGraph RETURN labels(n)[0] AS label, properties(n) AS p"
    ).records
    relations = driver.execute_query(
        "MATCH (a)-[r]->(b) RETURN type(r) AS kind, properties(r) AS p, a.name AS a, b.name AS b"
    ).records
    return {(row["label"], _text(row["p"])) for row in nodes} | {
        (row["kind"], _text(row["p"]), str(row["a"]), str(row["b"])) for row in relations
    }


def _text(properties: dict[str, Any]) -> str:
    return repr(sorted((name, value) for name, value in properties.items() if name != "generation"))


def fill_as_the_file(store: Neo4jStore) -> None:
    """What the file holds, but drafts, written by this release."""
    for namespace in (NAMESPACE, OTHER):
        fill_everything(store, namespace, ("ann", "bob", "cleo"))
    store.put_items(NAMESPACE, [Item("odd", "Odd", ODD)])
    attributes = (("age", "25-34"), ("name", "Dora"), ("age", "30"))
    store.put_histories(
        NAMESPACE, [History("dora", ("odd", *ITEMS[:4]), TIMES, attributes), History("timeless", ("odd", ITEMS[0]))]
    )
    graph = make_graph("dora")
    store.replace_graph(NAMESPACE, graph)
    store.replace_graph(NAMESPACE, replace(graph, run="run 2", steps=(*graph.steps, graph.steps[0])))
    store.put_run(NAMESPACE, ENDED)
    known = make_knowledge(2, 3, "first: item", vector=(1.0, 0.5))
    store.put_knowledge(NAMESPACE, [known, replace(known, mind="m")])
    store.replace_graph(NAMESPACE, make_graph("bob"))


def test_an_older_store_is_refused_and_brought_forward_on_demand(old: Neo4jStore, driver: neo4j.Driver) -> None:
    with pytest.raises(StoreVersionError, match=r"version 3.*llmrg store migrate --store .*--dry-run"):
        old.open()
    before = snapshot(driver)
    told = old.migrate(dry_run=True)
    assert [line.partition(":")[0] for line in told] == ["version 4"]
    assert snapshot(driver) == before, "a dry run does nothing"
    assert old.migrate() == told
    assert old.migrate() == []


def check(store: Neo4jStore) -> None:
    """All that schema 3 held comes back."""
    assert store.problems() == []
    items = {item.id: item for item in store.items(NAMESPACE)}
    assert items["odd"] == Item("odd", "Odd", ODD)
    assert items[ITEMS[0]].values("theme") == ("space", "time")
    assert store.history(NAMESPACE, "dora").at == TIMES
    assert store.history(NAMESPACE, "dora").attributes == (("age", "25-34"), ("name", "Dora"), ("age", "30"))
    assert store.history(NAMESPACE, "timeless") == History("timeless", ("odd", ITEMS[0]))
    assert store.history(OTHER, "ann") == make_history("ann")
    first = make_graph("dora")
    assert store.graph(NAMESPACE, "dora") == ReasoningGraph("dora", (*first.steps, first.steps[0]), "run 2", 2)
    assert store.graph(OTHER, "bob").steps == make_graph("bob").steps
    assert store.graphs_by_run(NAMESPACE) == {"run 1": 2, "run 2": 1}
    assert store.run(NAMESPACE, "ended") == ENDED
    assert store.draft(NAMESPACE, "run 2", "ann") == (make_graph("ann").steps[:5], 7)
    assert store.draft(NAMESPACE, "run 1", "timeless") == ((), 2)
    store.append_draft(NAMESPACE, "run 2", "ann", make_graph("ann").steps[5:], 8, 7)
    assert store.draft(NAMESPACE, "run 2", "ann") == (make_graph("ann").steps, 8)
    assert store.replace_graph(NAMESPACE, first, expected_version=2) == 3


def test_all_that_schema_3_held_comes_back(old: Neo4jStore) -> None:
    old.migrate()
    with old:
        check(old)


@pytest.mark.parametrize("writes", [1, 3, 8, 12, 17])
def test_an_interrupted_migration_is_finished_by_the_same_call(
    old: Neo4jStore, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    left = iter([*range(writes)])
    write = neo4j_link.Neo4jLink.write

    def interrupted(link: neo4j_link.Neo4jLink, work: Any) -> Any:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return write(link, work)

    monkeypatch.setattr(neo4j_rows, "BATCH", 3)
    monkeypatch.setattr(neo4j_lean, "USERS_AT_ONCE", 2)
    monkeypatch.setattr(neo4j_link.Neo4jLink, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        old.migrate()
    monkeypatch.setattr(neo4j_link.Neo4jLink, "write", write)
    with pytest.raises(StoreVersionError):
        old.open()
    assert old.migrate()
    with old:
        check(old)


def test_a_migrated_store_is_as_a_new_one(old: Neo4jStore, driver: neo4j.Driver, neo4j_server: Neo4jServer) -> None:
    """Nothing of the old schema is left: what people see is what this release writes."""
    old.migrate()
    migrated = snapshot(driver)
    indexes = "SHOW INDEXES YIELD name WHERE name STARTS WITH 'llmrg_' RETURN name"
    names = {row["name"] for row in driver.execute_query(indexes).records}
    neo4j_server.forget_schema()
    with old:
        fill_as_the_file(old)
        assert {row["name"] for row in driver.execute_query(indexes).records} == names
    assert migrated == snapshot(driver)


def test_a_store_of_version_1_is_packed(old: Neo4jStore, driver: neo4j.Driver) -> None:
    """Steps were read from their nodes, and knowledge was nobody's."""
    driver.execute_query("MATCH (g:PackedGraph) DELETE g")
    driver.execute_query("MATCH (k:Knowledge) WHERE k.mind = '' REMOVE k.mind")
    driver.execute_query("MATCH (d:Draft) REMOVE d.blocks")
    driver.execute_query("MATCH (s:LlmrgSchema) SET s.version = 1")
    assert [line.partition(":")[0] for line in old.migrate()] == ["version 2", "version 3", "version 4"]
    with old:
        assert {entry.mind for entry in old.knowledge(NAMESPACE)} == {"", "m"}
        check(old)
