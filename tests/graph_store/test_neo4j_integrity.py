"""What people and other programs may do to a Neo4j store: found, named, and mended where that loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import LiteralString

import neo4j
import pytest

from llmrg.core.records import ReasoningGraph
from llmrg.core.themes import Appeal, Profile, ProfileSource
from llmrg.graph_store.neo4j_store import Neo4jStore
from llmrg.testing.neo4j_fixture import Neo4jServer
from llmrg.testing.store_examples import (
    ITEMS,
    NAMESPACE,
    OTHER,
    fill,
    make_graph,
    make_item,
    make_knowledge,
    make_profile,
    make_run,
)

pytestmark = pytest.mark.neo4j

STEP_ITEM = make_graph("ann").steps[0].item
FAULTS: dict[str, LiteralString] = {
    "steps without a user": "MATCH (u:User {id: 'bob', namespace: 'shop'}) DETACH DELETE u",
    "graphs whose user is missing": "MATCH (u:User {id: 'bob', namespace: 'shop'}) DETACH DELETE u",
    "users whose newest graph is not the one that is drawn": "MATCH (g:PackedGraph {user: 'bob', namespace: 'shop'}) DELETE g",
    "graphs that cannot be read": "MATCH (g:PackedGraph {user: 'bob', namespace: 'shop'}) SET g.run = 'another'",
    "graphs with a step whose item is missing": f"MATCH (i:Item {{namespace: 'shop', id: '{STEP_ITEM}'}}) DETACH DELETE i",  # type: ignore[dict-item]
    "drafts that cannot be read": "MATCH (d:Draft {user: 'bob', namespace: 'shop'}), (g:PackedGraph) SET d.data = g.data",
    "graphs whose nodes are not all there": (
        "MATCH (:User {namespace: 'shop'})-[:HAS]->(s:Reason) WITH s LIMIT 2 DETACH DELETE s"
    ),
    "histories whose relations are not all there": "MATCH (:User {id: 'bob', namespace: 'shop'})-[t:TOOK]->() DELETE t",
    "users marked done without a graph": "MATCH (s:UserStatus {user: 'bob', namespace: 'shop'}) SET s.user = 'cleo'",
    "statuses of a run that is missing": "MATCH (r:Run {namespace: 'shop'}) DETACH DELETE r",
    "drafts whose user is missing": "MATCH (u:User {id: 'bob', namespace: 'shop'}) DETACH DELETE u",
    "knowledge without its items": "MATCH (k:Knowledge {namespace: 'shop'})-[r]-() DELETE r",
    "appeals of missing items": f"MATCH (i:Item {{namespace: 'shop', id: '{ITEMS[9]}'}}) DETACH DELETE i",  # type: ignore[dict-item]
    "appeals without their relation": "MATCH ()-[a:APPEALS_FOR]->(t:Theme {namespace: 'shop'}) WITH a LIMIT 2 DELETE a",
    "appeals that no profile has": "MATCH (p:ProfileSource {namespace: 'shop'}) DELETE p",
    "themes without a name": "CREATE (:Theme {namespace: 'shop'}) CREATE (:Theme {key: 'x', namespace: 'shop', id: ' '})",
    "themes that a text names and that are missing": "MATCH (t:Theme {namespace: 'shop', id: 'a root'}) DETACH DELETE t",
    "themes without any use": "MATCH (x:ThemeText {namespace: 'shop'}) DELETE x",
    "reasons without their theme": "MATCH (:Reason)-[of:OF]->(:Theme {namespace: 'shop'}) DELETE of",
    "knowledge without provenance": "MATCH (k:Knowledge {namespace: 'shop'}) SET k.source_user = ''",
    "indexes or constraints missing or failed": "DROP INDEX llmrg_knowledge_pair",
}


@pytest.fixture
def driver(neo4j_server: Neo4jServer) -> Iterator[neo4j.Driver]:
    with neo4j.GraphDatabase.driver(neo4j_server.url, auth=neo4j_server.auth) as opened:
        yield opened


@pytest.fixture
def store(empty_neo4j: Neo4jServer) -> Iterator[Neo4jStore]:
    with Neo4jStore(empty_neo4j.url, empty_neo4j.auth) as opened:
        for namespace in (NAMESPACE, OTHER):
            fill(opened, namespace)
            opened.put_theme_texts(namespace, {"first: root": "a root"})
            opened.put_profile(namespace, make_profile("one", 3))
            opened.put_profile(namespace, Profile(ProfileSource("other"), (Appeal(ITEMS[9], "first: item"),)))
            opened.put_run(namespace, make_run())
            opened.put_knowledge(namespace, [make_knowledge(10, 11, source_user="ann")])
            for user in ("ann", "bob"):
                opened.append_draft(namespace, "run 2", user, make_graph(user).steps, 8, 0)
                opened.replace_graph(namespace, make_graph(user))
                opened.set_user_status(namespace, "run 1", user, "done")
        yield opened


def nodes_of_steps(driver: neo4j.Driver) -> set[tuple[str, ...]]:
    """What Neo4j Browser shows of the steps of both namespaces."""
    rows, _, _ = driver.execute_query(
        "MATCH (u:User)-[h:HAS|REJECTED]->(s)-[l:LEADS_TO|ABOUT]->(i:Item) OPTIONAL MATCH (c)-[:LEADS_TO]->(s) "
        "RETURN u.namespace AS space, u.id AS user, s.name AS step, s.score AS score, "
        "i.id AS item, coalesce(c.id, '') AS cause, labels(s)[0] AS s"
    )
    return {tuple(row.values()) for row in rows}


def relations_of_themes(driver: neo4j.Driver) -> set[tuple[str, ...]]:
    """What Neo4j Browser shows around the themes of both namespaces."""
    rows, _, _ = driver.execute_query("MATCH (n)-[r:OF|APPEALS_FOR]->(t:Theme) RETURN n.name AS n, t.key AS t, r.score AS score")
    return {tuple(row.values()) for row in rows}


def test_a_whole_store_has_no_problems_and_repair_changes_nothing(store: Neo4jStore, driver: neo4j.Driver) -> None:
    before = {space: (store.graphs(space, ["ann", "bob"]), store.counts(space)) for space in (NAMESPACE, OTHER)}
    nodes = nodes_of_steps(driver)
    assert store.problems() == []
    store.repair()
    assert {space: (store.graphs(space, ["ann", "bob"]), store.counts(space)) for space in (NAMESPACE, OTHER)} == before
    assert nodes_of_steps(driver) == nodes


@pytest.mark.parametrize("what", FAULTS)
def test_each_fault_is_found_and_mended(store: Neo4jStore, driver: neo4j.Driver, what: str) -> None:
    other, themes = store.graphs(OTHER, ["ann", "bob"]), store.themes(OTHER)
    relations = relations_of_themes(driver)
    driver.execute_query(FAULTS[what])
    found = {problem.what: problem for problem in store.problems()}
    assert what in found
    assert found[what].examples
    assert found[what].mendable == (what != "knowledge without provenance")
    assert found[what].how
    assert store.problems() == list(found.values()), "looking changes nothing"
    store.repair()
    left = {"histories whose relations are not all there"} if "step whose item" in what else {"knowledge without provenance"}
    assert {problem.what for problem in store.problems()} <= left
    assert store.graphs(OTHER, ["ann", "bob"]) == other
    assert store.themes(OTHER) == themes
    if "relation" in what or what.startswith("reasons"):
        assert relations_of_themes(driver) == relations


def test_repair_loses_no_step(store: Neo4jStore, driver: neo4j.Driver) -> None:
    graphs, nodes = store.graphs(NAMESPACE, ["ann", "bob"]), nodes_of_steps(driver)
    driver.execute_query(FAULTS["graphs whose nodes are not all there"])
    store.repair()
    assert store.graphs(NAMESPACE, ["ann", "bob"]) == graphs
    assert nodes_of_steps(driver) == nodes


def test_where_the_newest_graph_is_lost_the_one_before_is_drawn(store: Neo4jStore, driver: neo4j.Driver) -> None:
    before, nodes = store.graph(NAMESPACE, "bob"), nodes_of_steps(driver)
    store.replace_graph(NAMESPACE, make_graph("bob", mark="second", run="run 2"))
    assert nodes_of_steps(driver) != nodes
    driver.execute_query("MATCH (g:PackedGraph {user: 'bob', namespace: 'shop', run: 'run 2'}) DELETE g")
    store.repair()
    assert store.problems() == []
    assert store.graph(NAMESPACE, "bob") == before
    assert nodes_of_steps(driver) == nodes
    assert store.counts(NAMESPACE).accepted == 2 * len(before.reasoned())


def test_a_graph_that_lost_an_item_is_built_anew(store: Neo4jStore, driver: neo4j.Driver) -> None:
    driver.execute_query("MATCH (i:Item {namespace: 'shop', id: $item}) DETACH DELETE i", item=STEP_ITEM)
    assert "graphs whose nodes are not all there" in {problem.what for problem in store.problems()}
    store.repair()
    assert store.graphs(NAMESPACE, ["ann", "bob"]) == {}
    assert store.graphs_by_run(NAMESPACE) == {}
    assert store.user_statuses(NAMESPACE, "run 1") == {"ann": ("pending", ""), "bob": ("pending", "")}
    assert {problem.what for problem in store.problems()} == {"histories whose relations are not all there"}
    store.put_items(NAMESPACE, [make_item(STEP_ITEM)])
    store.repair()
    assert store.problems() == []


def test_an_older_graph_that_lost_an_item_goes_alone(store: Neo4jStore, driver: neo4j.Driver) -> None:
    store.replace_graph(NAMESPACE, ReasoningGraph("bob", (), "run 2"))
    newest = store.graph(NAMESPACE, "bob")
    driver.execute_query("MATCH (i:Item {namespace: 'shop', id: $item}) DETACH DELETE i", item=STEP_ITEM)
    store.repair()
    assert store.graphs_by_run(NAMESPACE) == {"run 2": 1}
    assert store.graph(NAMESPACE, "bob") == newest


def test_knowledge_that_lost_an_item_is_deleted(store: Neo4jStore, driver: neo4j.Driver) -> None:
    driver.execute_query("MATCH (i:Item {namespace: 'shop', id: $item}) DETACH DELETE i", item=ITEMS[11])
    store.repair()
    assert store.knowledge(NAMESPACE) == []
    assert len(store.knowledge(OTHER)) == 1


def test_an_index_that_failed_is_made_again(store: Neo4jStore, driver: neo4j.Driver) -> None:
    """A name that is too long for an index, which some other program wrote, fails it; then somebody takes that name away."""
    driver.execute_query("DROP INDEX llmrg_item_name")
    driver.execute_query("CREATE (:Item {key: 'foreign', name: $name})", name="long " * 10_000)
    driver.execute_query("CREATE INDEX llmrg_item_name FOR (n:Item) ON (n.name)")
    driver.execute_query("MATCH (i:Item {key: 'foreign'}) DELETE i")
    (problem,) = (found for found in store.problems() if found.what.startswith("indexes"))
    assert problem.examples == ("llmrg_item_name",)
    store.repair()
    assert store.problems() == []
    (state,) = driver.execute_query("SHOW INDEXES YIELD name, state WHERE name = 'llmrg_item_name' RETURN state").records[0]
    assert state == "ONLINE"
