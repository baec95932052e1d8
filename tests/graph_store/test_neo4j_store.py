"""The Neo4j store on a real server: the shipped contract, the shape that Neo4j Browser shows, and what goes wrong."""

from __future__ import annotations

import re
import socket
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import neo4j
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from llmrg.core.errors import (
    ConfigError,
    NotAStoreError,
    StoreError,
    StoreUnreachableError,
    StoreVersionError,
    UnknownItemError,
)
from llmrg.core.records import History, Item, Knowledge, ReasoningGraph, Run, Step
from llmrg.core.themes import Appeal, Profile, ProfileSource
from llmrg.graph_store import (
    neo4j_cypher,
    neo4j_cypher_forget,
    neo4j_cypher_knowledge,
    neo4j_cypher_migrations,
    neo4j_cypher_themes,
    neo4j_migrations,
    neo4j_rows,
    open_store,
)
from llmrg.graph_store.browser_pack import SavedQuery, saved_queries
from llmrg.graph_store.neo4j_store import Neo4jStore
from llmrg.graph_store.protocol import GraphStore, StoreCounts
from llmrg.testing.neo4j_fixture import Neo4jServer
from llmrg.testing.neo4j_ports import free_port
from llmrg.testing.store_examples import ITEMS, NAMESPACE, make_graph, make_history, make_item, make_knowledge, make_run
from llmrg.testing.store_machine import make_store_machine
from llmrg.testing.store_suite import GraphStoreContract
from llmrg.testing.store_suite_crashes import Reopen

pytestmark = pytest.mark.neo4j

TEXTS = (
    vars(neo4j_cypher)
    | vars(neo4j_cypher_forget)
    | vars(neo4j_cypher_knowledge)
    | vars(neo4j_cypher_migrations)
    | vars(neo4j_cypher_themes)
)
SECRET = "hush-hush-7731"


@pytest.fixture
def driver(neo4j_server: Neo4jServer) -> Iterator[neo4j.Driver]:
    with neo4j.GraphDatabase.driver(neo4j_server.url, auth=neo4j_server.auth) as opened:
        yield opened


@pytest.fixture
def store(neo4j_server: Neo4jServer) -> Iterator[Neo4jStore]:
    with emptied(neo4j_server) as opened:
        yield opened


def emptied(server: Neo4jServer) -> Neo4jStore:
    server.empty()
    store = Neo4jStore(server.url, server.auth)
    store.open()
    return store


class TestContract(GraphStoreContract):
    """Every promise of the protocol."""

    @pytest.fixture
    def store(self, store: Neo4jStore) -> GraphStore:
        return store

    @pytest.fixture
    def reopen(self, neo4j_server: Neo4jServer) -> Reopen:
        user, password = neo4j_server.auth
        return partial(open_store, neo4j_server.url, user=user, password=password)

    @given(data=st.data())
    @settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    def test_any_graph_comes_back_equal(self, store: GraphStore, data: st.DataObject) -> None:
        """The suite's own, wrapped anew: Hypothesis refuses one wrapper that runs under two classes, and SQLite's has it."""
        GraphStoreContract.test_any_graph_comes_back_equal.hypothesis.inner_test(self, store, data)


def test_random_calls_agree_with_a_dict(neo4j_server: Neo4jServer) -> None:
    machine = make_store_machine(lambda: emptied(neo4j_server))
    few = settings(max_examples=4, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    run_state_machine_as_test(machine, settings=few)


# -- what Neo4j Browser shows ---------------------------------------------------------------------------------------------
def fill(store: GraphStore, namespace: str = "books") -> None:
    """A user with a chain of two reasoned steps, a root, an attribute's step, a rejected step and an imagined one."""
    titles = {"i1": "Solaris", "i2": "Ubik", "i3": "Roadside Picnic", "i4": "Blindsight"}
    store.put_items(namespace, [Item(i, title) for i, title in titles.items()])
    store.put_histories(namespace, [History("ann", ("i1", "i2", "i3"), (1.0, 2.0, 3.0), (("likes", "sf"),))])
    store.put_run(namespace, Run("run-1", "running", {"mind": "attributes"}, {}, 1.0))
    known = Knowledge("i2", "strange zones", "i3", 0.9, source_user="bob", vector=(0.6, 0.8))
    store.put_knowledge(namespace, [known])
    store.count_uses(namespace, {known.key: 2})
    steps = (
        Step("ann", 0, "reasoned", "attribute", "likes=sf", None, "a classic of the genre", "i1", 0.7, 0, 1),
        Step("ann", 0, "reasoned", "root", "", None, "starts here", "i1", 0.6, 1, 1),
        Step("ann", 1, "reasoned", "item", "i1", 0, "doubts about what is real", "i2", 0.8, 0, 2),
        Step("ann", 2, "reasoned", "item", "i2", 1, "strange zones", "i3", 0.9, 0, 3, origin="knowledge"),
        Step("ann", 2, "reasoned", "item", "i1", 0, "a love story", "i3", 0.1, -1, 3, False, "another item fits better"),
        Step("ann", 3, "imagined", "item", "i3", 2, "first contact", "i4", 0.8, 0, 3, grounding=0.9),
    )
    store.put_theme_texts(namespace, {"doubts about what is real": "what is real", "first contact": "contact"})
    store.replace_graph(namespace, ReasoningGraph("ann", steps, "run-1"))
    appeals = (Appeal("i2", "what is real", 0.9, 3), Appeal("i4", "contact", 0.8), Appeal("i3", "strange zones", 0.7))
    store.put_profile(namespace, Profile(ProfileSource("recorded", "2026-03-01"), appeals))


def shapes(driver: neo4j.Driver) -> set[tuple[str, str, str]]:
    """(label, relation, label) of everything in the database."""
    rows, _, _ = driver.execute_query("MATCH (a)-[r]->(b) RETURN DISTINCT labels(a)[0] AS a, type(r) AS r, labels(b)[0] AS b")
    return {(row["a"], row["r"], row["b"]) for row in rows}


def test_the_graph_has_the_documented_shape(store: Neo4jStore, driver: neo4j.Driver) -> None:
    fill(store)
    assert shapes(driver) == {
        ("User", "TOOK", "Item"),
        ("User", "HAS", "Reason"),
        ("User", "REJECTED", "RejectedReason"),
        ("Item", "LEADS_TO", "Reason"),
        ("Attribute", "LEADS_TO", "Reason"),
        ("Reason", "LEADS_TO", "Item"),
        ("RejectedReason", "ABOUT", "Item"),
        ("Reason", "REUSES", "Knowledge"),
        ("Item", "KNOWN_FOR", "Knowledge"),
        ("Knowledge", "LEADS_TO", "Item"),
        ("Reason", "OF", "Theme"),
        ("Item", "APPEALS_FOR", "Theme"),
    }
    rows, _, _ = driver.execute_query(
        "MATCH (n) WHERE NOT n:LlmrgSchema|Reason|RejectedReason RETURN n.key AS key, n.namespace AS space, n.name AS name"
    )
    assert all(len(row["key"]) == 32 and row["space"] == "books" and 0 < len(row["name"]) <= 40 for row in rows)
    assert len({row["key"] for row in rows}) == len(rows)


def test_a_replaced_graph_leaves_no_node_of_the_old_one(store: Neo4jStore, driver: neo4j.Driver) -> None:
    fill(store)
    fill(store)
    rows, _, _ = driver.execute_query("MATCH (s:Reason|RejectedReason) RETURN count(s) AS steps")
    assert rows[0]["steps"] == 6
    assert store.forget_run("books", "run-1")
    rows, _, _ = driver.execute_query("MATCH (s:Reason|RejectedReason) RETURN count(s) AS steps")
    assert rows[0]["steps"] == 0


def test_the_newest_graph_is_drawn(store: Neo4jStore, driver: neo4j.Driver) -> None:
    fill(store)

    def drawn() -> set[str]:
        rows = driver.execute_query("MATCH (u:User)-[:HAS]->(s:Reason) RETURN s.name AS reason, u.run AS run").records
        return {row["reason"] for row in rows} | {row["run"] for row in rows}

    first = drawn()
    assert first == {step.reason for step in store.graph("books", "ann").steps if step.accepted} | {"run-1"}
    step = Step("ann", 1, "reasoned", "attribute", "likes=sf and ann", None, "another view", "i2", 0.5, 0, 2)
    store.replace_graph("books", ReasoningGraph("ann", (step,), "run-2"))
    assert drawn() == {"another view", "run-2"}
    attributes = {row["id"] for row in driver.execute_query("MATCH (a:Attribute) RETURN a.id AS id").records}
    assert attributes == {"likes=sf and ann"}
    store.forget_run("books", "run-2")
    assert drawn() == first
    assert store.problems() == []


def test_a_step_has_what_people_look_at_alone(store: Neo4jStore, driver: neo4j.Driver) -> None:
    fill(store)
    nodes = driver.execute_query("MATCH (s:Reason|RejectedReason) RETURN properties(s) AS step").records
    by_reason = {row["step"]["name"]: row["step"] for row in nodes}
    strange = by_reason["strange zones"]
    assert isinstance(strange.pop("wording"), int)
    assert strange == {
        "name": "strange zones", "kind": "reasoned", "position": 2, "score": 0.9, "seen": 3, "chain": 0, "origin": "knowledge",
    }  # fmt: skip
    assert by_reason["first contact"]["grounding"] == 0.9
    assert by_reason["a love story"]["why_rejected"] == "another item fits better"
    assert by_reason["a love story"]["cause"] == "i1"


# -- attributes and times ---------------------------------------------------------------------------------------------------
ODD_ATTRIBUTES = (
    *(("genre", "Drama"), ("year", "1994"), ("genre", "Crime"), ("title", "a clash"), ("key", "k=v"), ("attribute_names", "x")),
    *(("a=b", "c"), ("it's `odd`", "1"), ("", "no name"), ("long" * 100, "x"), ("nul\0l", "y")),
)


def test_attributes_are_lists_under_their_names(store: Neo4jStore, driver: neo4j.Driver) -> None:
    items = [Item("i1", "Heat", ODD_ATTRIBUTES), Item("i2", "Plain"), Item("i3", "", (("genre", "Crime"),))]
    store.put_items("films", items)
    assert store.items("films") == items
    crime = driver.execute_query("MATCH (i:Item {namespace: 'films'}) WHERE 'Crime' IN i.genre RETURN i.id AS id").records
    assert {row["id"] for row in crime} == {"i1", "i3"}
    (row,) = driver.execute_query("MATCH (i:Item {id: 'i1'}) RETURN properties(i) AS item").records
    item = row["item"]
    assert (item["title"], item["genre"], item["year"], item["attribute_title"]) == (
        "Heat",
        ["Drama", "Crime"],
        ["1994"],
        ["a clash"],
    )
    assert (item["attribute_key"], item["it's `odd`"]) == (["k=v"], ["1"])
    assert "long" * 100 not in item
    user = History("ann", ("i1",), (1.0,), (("age", "30"), ("name", "Ann"), ("age", "31")))
    store.put_histories("films", [user])
    assert store.history("films", "ann") == user
    shown = "MATCH (u:User) RETURN u.id AS id, u.age AS age, u.attribute_name AS named"
    assert [row.values() for row in driver.execute_query(shown).records] == [["ann", ["30", "31"], ["Ann"]]]
    store.put_histories("films", [replace(user, attributes=())])
    assert [row.values() for row in driver.execute_query(shown).records] == [["ann", None, None]]


def test_times_are_dates_for_people_and_exact_for_programs(store: Neo4jStore, driver: neo4j.Driver) -> None:
    at = (-1.5, 0.1 + 0.2, None, 1.7e9 + 1 / 3, 1e300)
    store.put_items("books", [Item(f"i{n}", f"Title {n}") for n in range(5)])
    timed, timeless = History("ann", tuple(f"i{n}" for n in range(5)), at), History("bob", ("i0",))
    store.put_histories("books", [timed, timeless])
    assert store.histories("books", ["ann", "bob"]) == {"ann": timed, "bob": timeless}
    rows = driver.execute_query("MATCH (:User {id: 'ann'})-[t:TOOK]->() RETURN t.at AS at ORDER BY t.position").records
    shown = [row["at"] and row["at"].iso_format() for row in rows]
    assert shown == [
        "1969-12-31T23:59:58.500000000+00:00", "1970-01-01T00:00:00.300000000+00:00", None,
        "2023-11-14T22:13:20.333333000+00:00", None,
    ]  # fmt: skip
    since = "MATCH (:User)-[t:TOOK]->(i:Item) WHERE t.at >= datetime('2023-01-01') RETURN i.id AS id"
    assert [row["id"] for row in driver.execute_query(since).records] == ["i3"]
    runs = [Run("r2", "done", {}, {}, 1.7e9 + 1 / 3, 1.7e9 + 9.1), Run("r1", "running", {}, {}, 1e300)]
    for run in runs:
        store.put_run("books", run)
    assert store.runs("books") == runs[::-1]
    took = "MATCH (r:Run {id: 'r2'}) RETURN duration.inSeconds(r.started_at, r.ended_at).seconds AS s"
    assert driver.execute_query(took).records[0]["s"] == 8


def test_no_property_of_a_forgotten_user_is_left(store: Neo4jStore, driver: neo4j.Driver) -> None:
    user = "marguerite-7f3a"
    store.put_items(NAMESPACE, [make_item(item) for item in ITEMS])
    store.put_histories(NAMESPACE, [make_history("bob"), replace(make_history(user), attributes=(("mail", user),))])
    steps = [replace(step, user=user, cause=f"mail={user}") for step in make_graph().steps if step.cause_kind == "attribute"]
    store.put_run(NAMESPACE, make_run())
    for one in (replace(make_graph(user), steps=(*make_graph(user).steps, *steps)), make_graph("bob")):
        store.replace_graph(NAMESPACE, one)
    store.append_draft(NAMESPACE, "run 2", user, make_graph(user).steps, 8, 0)
    store.set_user_status(NAMESPACE, "run 1", user, "done")
    store.put_knowledge(NAMESPACE, [make_knowledge(source_user=user)])
    assert labels_that_name(user, driver) >= {"User", "Attribute", "Draft", "Knowledge", "UserStatus", "PackedGraph"}
    store.forget_user(NAMESPACE, user)
    assert labels_that_name(user, driver) == set()
    shared = driver.execute_query("MATCH (a:Attribute)-[:LEADS_TO]->(s:Reason) RETURN a.id AS id").records
    assert {row["id"] for row in shared} == {"age=25-34"}


def labels_that_name(user: str, driver: neo4j.Driver) -> set[str]:
    rows = driver.execute_query("MATCH (n) RETURN labels(n)[0] AS label, properties(n) AS properties").records
    return {row["label"] for row in rows if user in repr(row["properties"])}


def themes_of_reasons(driver: neo4j.Driver) -> dict[str, str]:
    """Reason -> its theme, as the relations have it."""
    rows = driver.execute_query("MATCH (s:Reason)-[:OF]->(t:Theme) RETURN s.name AS reason, t.id AS theme").records
    found = {row["reason"]: row["theme"] for row in rows}
    assert len(found) == len(rows)
    return found


def test_reasons_follow_their_themes(store: Neo4jStore, driver: neo4j.Driver) -> None:
    """Whatever is written first: the graph, the wording or the profile."""
    fill(store)
    themes = {"doubts about what is real": "what is real", "first contact": "contact", "strange zones": "strange zones"}
    assert themes_of_reasons(driver) == themes
    store.put_theme_texts("books", {"starts here": "classics", "a classic of the genre": "classics", "first contact": "aliens"})
    themes |= {"starts here": "classics", "a classic of the genre": "classics", "first contact": "aliens"}
    assert themes_of_reasons(driver) == themes
    store.replace_graph("books", replace(store.graph("books", "ann"), run="run-2"))
    assert themes_of_reasons(driver) == themes
    assert store.delete_profile("books", "recorded")
    assert themes_of_reasons(driver) == {reason: theme for reason, theme in themes.items() if reason != "strange zones"}
    assert store.counts("books").themes == 3
    store.put_theme_texts("books", {"unread": "strange zones"})
    assert themes_of_reasons(driver) == themes, "a theme that a reason is by itself"
    for run in ("run-1", "run-2"):
        store.forget_run("books", run)
    assert themes_of_reasons(driver) == {}
    assert store.problems() == []


def test_a_replaced_profile_leaves_no_relation_of_the_old_one(store: Neo4jStore, driver: neo4j.Driver) -> None:
    fill(store)
    store.put_profile("books", Profile(ProfileSource("recorded"), (Appeal("i1", "a new one", 0.25, 2),)))
    rows = driver.execute_query(
        "MATCH (i)-[a:APPEALS_FOR]->(t) RETURN i.id AS item, t.name AS theme, properties(a) AS told"
    ).records
    (row,) = rows
    assert (row["item"], row["theme"]) == ("i1", "a new one")
    assert {name: row["told"][name] for name in ("source", "score", "uses")} == {"source": "recorded", "score": 0.25, "uses": 2}
    assert {row["id"] for row in driver.execute_query("MATCH (t:Theme) RETURN t.id AS id").records} == {
        "a new one", "what is real", "contact"
    }  # fmt: skip


def test_knowledge_of_any_mind_is_reused(store: Neo4jStore, driver: neo4j.Driver) -> None:
    fill(store)
    store.put_knowledge("books", [Knowledge("i2", "strange zones", "i3", 0.8, source_user="bob", mind=mind) for mind in "ab"])
    store.replace_graph("books", store.graph("books", "ann"))
    rows = driver.execute_query("MATCH (:Reason)-[:REUSES]->(k:Knowledge) RETURN k.mind AS mind").records
    assert sorted(row["mind"] for row in rows) == ["", "a", "b"]


def test_leads_to_walks_accepted_steps_only(store: Neo4jStore, driver: neo4j.Driver) -> None:
    fill(store)
    rows, _, _ = driver.execute_query("MATCH (:Item {id: 'i1'})-[:LEADS_TO*1..8]->(s:Reason) RETURN s.name AS reason")
    assert {row["reason"] for row in rows} == {"doubts about what is real", "strange zones", "first contact"}


@pytest.mark.parametrize("query", saved_queries(), ids=lambda query: query.name)
def test_saved_queries_find_something(store: Neo4jStore, driver: neo4j.Driver, query: SavedQuery) -> None:
    fill(store)
    store.put_recommendations("books", "ann", "sasrec", [("i4", 1.0)], 1.7e9)
    item = "Roadside Picnic" if "KNOWN_FOR" in query.text else "Blindsight"
    named = {"namespace": "books", "user": "ann", "other": "bob", "item": item, "theme": "strange zones"}
    rows, summary, _ = driver.execute_query(query.text, named)  # type: ignore[arg-type]
    assert rows
    assert not deprecations(summary)
    assert not driver.execute_query(query.text, named | {"namespace": "films"}).records  # type: ignore[arg-type]


# -- recommendations --------------------------------------------------------------------------------------------------------
def recommended(driver: neo4j.Driver) -> dict[tuple[str, str], list[tuple[str, float, str]]]:
    """(namespace, model) -> item, score and moment by rank."""
    rows = driver.execute_query(
        "MATCH (u:User {id: 'ann'})-[r:RECOMMENDED]->(i:Item) RETURN u.namespace AS space, r.model AS model, "
        "collect([r.rank, i.id, r.score, toString(r.at)]) AS items"
    ).records
    return {(row["space"], row["model"]): [tuple(item[1:]) for item in sorted(row["items"])] for row in rows}


def test_recommendations_of_a_recommender_are_replaced(store: Neo4jStore, driver: neo4j.Driver) -> None:
    fill(store)
    fill(store, "films")
    store.put_recommendations("books", "ann", "ease", [("i2", 0.5)], 0.0)
    store.put_recommendations("books", "ann", "sasrec", [("i4", 0.5), ("i1", 0.25), ("i3", 0.1)], 0.0)
    store.put_recommendations("books", "ann", "sasrec", [("i1", 2.0), ("i4", 1)], 1.7e9)
    store.put_recommendations("films", "ann", "sasrec", [("i3", 1.0)], 0.0)
    then, now = "1970-01-01T00:00:00Z", "2023-11-14T22:13:20Z"
    others = {("books", "ease"): [("i2", 0.5, then)], ("films", "sasrec"): [("i3", 1.0, then)]}
    assert recommended(driver) == others | {("books", "sasrec"): [("i1", 2.0, now), ("i4", 1.0, now)]}
    with pytest.raises(UnknownItemError):
        store.put_recommendations("books", "ann", "ease", [("i1", 1.0), ("nothing", 0.5)], 0.0)
    assert len(recommended(driver)[("books", "ease")]) == 1
    store.replace_graph("books", store.graph("books", "ann"))
    store.put_histories("books", [store.history("books", "ann")])
    store.put_recommendations("books", "ann", "sasrec", [], 0.0)
    assert recommended(driver) == others
    assert store.problems() == []
    store.forget_user("books", "ann")
    store.forget_namespace("films")
    assert recommended(driver) == {}


def test_of_a_popular_item_each_theme_is_shown_once(store: Neo4jStore, driver: neo4j.Driver) -> None:
    """Many users' reasons around one item: the best of each theme, with how many there are."""
    store.put_items("shop", [Item("razor", "Razor"), Item("soap", "Soap")])
    users = [f"user {n}" for n in range(30)]
    store.put_histories("shop", [History(user, ("soap", "razor")) for user in users])
    texts = ["a close shave", "a closer shave", "a gift"]
    store.put_theme_texts("shop", {"a close shave": "close shaves", "a closer shave": "close shaves"})
    for n, user in enumerate(users):
        step = Step(user, 1, "reasoned", "item", "soap", 0, texts[n % 3], "razor", n / 30, 0, 2)
        store.replace_graph("shop", ReasoningGraph(user, (step,), "run-1"))
    (query,) = (query for query in saved_queries() if query.name == "11_themes_of_an_item")
    rows = driver.execute_query(query.text, namespace="shop", item="Razor").records  # type: ignore[arg-type]
    shown = [
        (row["wording"], row["reasons"], row["reason"].start_node["name"], row["reason"].start_node["score"]) for row in rows
    ]
    assert shown == [("close shaves", 20, "a closer shave", 28 / 30), ("a gift", 10, "a gift", 29 / 30)]
    assert rows[0]["of"].end_node["name"] == "close shaves"
    assert rows[0]["cause"].start_node["id"] == "soap"


# -- one Cypher for all versions --------------------------------------------------------------------------------------------
def deprecations(summary: neo4j.ResultSummary) -> list[str]:
    return [
        status.status_description
        for status in summary.gql_status_objects
        if status.classification == neo4j.NotificationClassification.DEPRECATION
    ]


def operators(plan: dict[str, object]) -> Iterator[str]:
    yield str(plan["operatorType"])
    for child in plan.get("children", []):  # type: ignore[attr-defined]
        yield from operators(child)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in TEXTS if name.isupper()])
def test_no_text_is_deprecated_or_reads_more_than_it_needs(store: Neo4jStore, driver: neo4j.Driver, name: str) -> None:
    text = TEXTS[name]
    given = {"limit": 3} if "$limit" in text else {}
    parameters = dict.fromkeys(re.findall(r"\$(\w+)", text)) | given
    _, summary, _ = driver.execute_query(f"EXPLAIN {text}", parameters)
    assert not deprecations(summary)
    scans = [operator for operator in operators(summary.plan or {}) if "Scan" in operator]
    assert not scans or name in {
        "COUNTS",
        "FOREIGN_LABEL",
        *vars(neo4j_cypher_forget),
    }  # forgetting is rare and may take its time


def test_a_load_of_many_rows_is_split_and_checked_first(
    store: Neo4jStore, driver: neo4j.Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neo4j_rows, "LOAD", 5)
    items = [Item(f"i{n}", f"Title {n}") for n in range(12)]
    store.put_items("books", items)
    histories = [History(f"u{n}", ("i0", "i1", "i2")) for n in range(4)]
    with pytest.raises(UnknownItemError):
        store.put_histories("books", [*histories, History("u9", ("nowhere",))])
    assert store.users("books") == []
    store.put_histories("books", histories)
    knowledge = [Knowledge("i0", f"reason {n}", "i1", 0.5, vector=(1.0, 0.0)) for n in range(7)]
    with pytest.raises(StoreError, match="dimension 1"):
        store.put_knowledge("books", [*knowledge, Knowledge("i0", "odd", "i1", 0.5, vector=(1.0,))])
    assert store.counts("books").knowledge == 0
    store.put_knowledge("books", knowledge)
    assert store.counts("books") == StoreCounts(12, 4, 0, 0, 0, 0, 7, 0)
    appeals = tuple(Appeal(f"i{n}", f"theme {n % 4}") for n in range(12))
    store.put_profile("books", Profile(ProfileSource("x"), tuple(sorted(appeals, key=lambda appeal: appeal.item))))
    store.put_theme_texts("books", {f"text {n}": f"theme {n % 7}" for n in range(11)})
    assert store.counts("books").themes == 7
    assert len(store.themes("books").of_text) == 11
    assert {problem.what for problem in store.problems()} == {"knowledge without provenance"}
    assert store.delete_profile("books", "x")
    assert store.histories("books", store.users("books")) == {history.user: history for history in histories}


# -- schema -----------------------------------------------------------------------------------------------------------------
def test_many_clients_may_open_an_empty_database_at_once(neo4j_server: Neo4jServer, driver: neo4j.Driver) -> None:
    neo4j_server.forget_schema()

    def opened(_: int) -> int:
        with Neo4jStore(neo4j_server.url, neo4j_server.auth) as store:
            return store.health().schema_version

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(opened, range(4))) == {neo4j_migrations.CURRENT_VERSION}
    indexes = driver.execute_query("SHOW INDEXES YIELD name, state WHERE name STARTS WITH 'llmrg_'").records
    assert len(indexes) == len(neo4j_migrations.statements())
    assert {row["state"] for row in indexes} == {"ONLINE"}


def test_a_newer_schema_is_refused(store: Neo4jStore, driver: neo4j.Driver) -> None:
    store.close()
    driver.execute_query("MATCH (s:LlmrgSchema) SET s.version = 99")
    try:
        with pytest.raises(StoreVersionError, match=r"99.*upgrade llmrg"):
            store.open()
    finally:
        driver.execute_query("MATCH (s:LlmrgSchema) SET s.version = $v", v=neo4j_migrations.CURRENT_VERSION)
    with pytest.raises(StoreError, match="not open"):
        store.health()


def test_a_database_of_another_program_is_refused(store: Neo4jStore, driver: neo4j.Driver) -> None:
    store.close()
    driver.execute_query("MATCH (n) DETACH DELETE n")
    driver.execute_query("CREATE (:User {name: 'somebody else'})")
    try:
        with pytest.raises(NotAStoreError, match="'User' nodes that LLMRG did not write"):
            store.open()
    finally:
        driver.execute_query("MATCH (n) DETACH DELETE n")
    store.open()


# -- what goes wrong ----------------------------------------------------------------------------------------------------------
def refused(store: Neo4jStore, kind: type[StoreError]) -> str:
    """The message of `open()`; the password is in no text that might be shown."""
    with pytest.raises(kind) as caught:
        store.open()
    shown = [str(caught.value), repr(store), repr(vars(store)), repr(vars(store._link))]
    shown += traceback.format_exception(caught.value)
    assert not any(SECRET in text for text in shown)
    return str(caught.value)


def test_nothing_listens() -> None:
    url = f"neo4j://127.0.0.1:{free_port()}"
    message = refused(Neo4jStore(url, ("neo4j", SECRET)), StoreUnreachableError)
    assert url in message
    assert "make neo4j" in message


def test_a_password_in_the_url_is_never_shown() -> None:
    with pytest.raises(ConfigError, match="LLMRG_STORE_PASSWORD") as found:
        Neo4jStore(f"neo4j://neo4j:{SECRET}@127.0.0.1:{free_port()}")
    assert SECRET not in str(found.value)


def test_a_web_server_is_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(64)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        message = refused(Neo4jStore(f"bolt://127.0.0.1:{listener.getsockname()[1]}", ("neo4j", SECRET)), StoreUnreachableError)
        thread.join()
    assert "7687" in message


def test_wrong_password(neo4j_server: Neo4jServer) -> None:
    message = refused(Neo4jStore(neo4j_server.url, ("neo4j", SECRET)), StoreError)
    assert "'neo4j'" in message
    assert "LLMRG_STORE_PASSWORD" in message


@pytest.mark.parametrize("scheme", ["bolt", "neo4j"])
def test_wrong_database(neo4j_server: Neo4jServer, scheme: str) -> None:
    url = neo4j_server.url.replace("bolt", scheme)
    message = refused(Neo4jStore(url, neo4j_server.auth, database="nowhere"), StoreError)
    assert "'nowhere'" in message
    assert "LLMRG_STORE_DATABASE" in message


def test_a_server_that_is_too_old(neo4j_server: Neo4jServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neo4j_cypher, "SERVER", "RETURN '5.25.1' AS version, 'community' AS edition")
    assert "5.25.1" in refused(Neo4jStore(neo4j_server.url, neo4j_server.auth), StoreVersionError)


def test_health_names_the_server(store: Neo4jStore, neo4j_server: Neo4jServer, neo4j_version: str) -> None:
    health = store.health()
    assert health.product == f"Neo4j {neo4j_version} community"
    assert health.url == neo4j_server.url
    assert health.schema_version == neo4j_migrations.CURRENT_VERSION
