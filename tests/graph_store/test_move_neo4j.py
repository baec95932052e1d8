"""SQLite to a real Neo4j server and back, by way of a folder: equal at each end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import neo4j
import pytest

from llmrg.core.records import Item, Knowledge, ReasoningGraph
from llmrg.graph_store import GraphStore, contents, open_store
from llmrg.graph_store.compare import copy_contents, copy_store, differences
from llmrg.graph_store.contents import filled
from llmrg.graph_store.folder import export_folder, open_folder
from llmrg.testing.neo4j_fixture import Neo4jServer
from llmrg.testing.store_examples import ODD_IDS, SEVEN_USERS, fill_everything, make_history, make_knowledge, make_step

pytestmark = pytest.mark.neo4j


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "PAGE", 3)


@pytest.fixture
def server(neo4j_server: Neo4jServer) -> Iterator[GraphStore]:
    user, password = neo4j_server.auth
    with open_store(neo4j_server.url, user=user, password=password) as store:
        yield store


def test_sqlite_to_neo4j_to_sqlite_is_equal(server: GraphStore, tmp_path: Path) -> None:
    odd = tuple(ODD_IDS.values())
    namespace = f"moved {tmp_path}"
    with open_store(f"sqlite:///{tmp_path}/a.db") as source, open_store(f"sqlite:///{tmp_path}/b.db") as back:
        fill_everything(source, namespace, SEVEN_USERS)
        source.put_items(namespace, [Item(item, item) for item in odd])
        source.put_histories(namespace, [make_history(user, odd) for user in odd])
        for user in odd:
            source.replace_graph(
                namespace, ReasoningGraph(user, (make_step(user, reason=user, cause=user, item=user),) * 2, user)
            )
        source.put_knowledge(namespace, [make_knowledge(1, 2, reason, vector=(0.1, 1 / 3)) for reason in odd])

        export_folder(filled(source, namespace), tmp_path / "there")
        copy_contents(open_folder(tmp_path / "there"), server, namespace)
        assert list(differences(source, server, namespace)) == []
        assert server.counts(namespace) == source.counts(namespace)

        export_folder(filled(server, namespace), tmp_path / "back", "jsonl")
        copy_contents(open_folder(tmp_path / "back"), back, namespace)
        assert list(differences(source, back, namespace)) == []


def test_copied_steps_are_tied_to_their_runs_and_knowledge(server: GraphStore, neo4j_server: Neo4jServer, tmp_path: Path) -> None:
    namespace = f"tied {tmp_path}"
    step = make_step("user 1", 3, reason="known", origin="knowledge")
    with open_store(f"sqlite:///{tmp_path}/a.db") as source:
        fill_everything(source, namespace, SEVEN_USERS)
        source.put_knowledge(namespace, [Knowledge(step.cause, step.reason, step.item, 0.9)])
        source.replace_graph(namespace, ReasoningGraph("user 1", (step, make_step("user 1", 4)), "run 1"))
        copy_store(source, server, namespace)
    with neo4j.GraphDatabase.driver(neo4j_server.url, auth=neo4j_server.auth) as driver:
        (found, *_), _, _ = driver.execute_query(
            "MATCH (u:User {namespace: $space, id: 'user 1'})-[:HAS]->(s) "
            "RETURN COUNT { (:Run {id: u.run, namespace: $space}) } AS made, COUNT { (s)-[:REUSES]->(:Knowledge) } AS reused "
            "ORDER BY reused DESC",
            space=namespace,
        )
    assert dict(found) == {"made": 1, "reused": 1}


def test_an_interrupted_import_into_neo4j_goes_on(server: GraphStore, tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if (what, done) == ("users", 6):
            raise KeyboardInterrupt

    namespace = f"resumed {tmp_path}"
    with open_store(f"sqlite:///{tmp_path}/a.db") as source:
        fill_everything(source, namespace, SEVEN_USERS)
        with pytest.raises(KeyboardInterrupt):
            copy_store(source, server, namespace, stop)
        report = copy_store(source, server, namespace)
        assert (report.histories, report.graphs, report.users_equal, report.knowledge) == (1, 1, 6, 0)
        assert list(differences(source, server, namespace)) == []
        assert server.graph(namespace, SEVEN_USERS[1]).version == 1


def test_vectors_of_before_they_were_rounded_move_on(server: GraphStore, neo4j_server: Neo4jServer, tmp_path: Path) -> None:
    namespace = f"finer {tmp_path}"
    fill_everything(server, namespace, SEVEN_USERS)
    with neo4j.GraphDatabase.driver(neo4j_server.url, auth=neo4j_server.auth) as driver:
        driver.execute_query(
            "MATCH (k:Knowledge {namespace: $space}) WHERE k.vector IS NOT NULL SET k.vector = [0.6000000238418579, 1 / 3.0]",
            space=namespace,
        )
    with open_store(f"sqlite:///{tmp_path}/a.db") as target:
        copy_store(server, target, namespace)
        assert server.knowledge(namespace) != target.knowledge(namespace)
        assert list(differences(server, target, namespace)) == []
