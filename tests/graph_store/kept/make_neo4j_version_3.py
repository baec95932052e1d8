"""Made `neo4j_version_3.json`, the nodes and relations of a Neo4j store of schema version 3, with the code of commit a088318:

git worktree add /tmp/before a088318 && PYTHONPATH=/tmp/before python tests/graph_store/kept/make_neo4j_version_3.py
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import neo4j

from llmrg.core.records import History, Item, Run
from llmrg.graph_store.neo4j_store import Neo4jStore
from llmrg.testing.neo4j_fixture import start_neo4j
from llmrg.testing.store_examples import ITEMS, NAMESPACE, OTHER, fill_everything, make_graph, make_knowledge

ODD = (
    *(("genre", "Drama"), ("year", "1994"), ("genre", "Crime"), ("title", "a clash"), ("key", "k=v")),
    *(("a=b", "c"), ("", "no name")),
)
TIMES = (-1.5, 0.1 + 0.2, None, 1.7e9 + 1 / 3, 1e300)


def fill_version_3(store: Neo4jStore) -> None:
    """Every kind of node: odd attributes and times, a graph replaced by another run's, drafts of two blocks and of none."""
    for namespace in (NAMESPACE, OTHER):
        fill_everything(store, namespace, ("ann", "bob", "cleo"))
    store.put_items(NAMESPACE, [Item("odd", "Odd", ODD)])
    attributes = (("age", "25-34"), ("name", "Dora"), ("age", "30"))
    store.put_histories(NAMESPACE, [History("dora", ("odd", *ITEMS[:4]), TIMES, attributes)])
    store.put_histories(NAMESPACE, [History("timeless", ("odd", ITEMS[0]))])
    graph = make_graph("dora")
    store.replace_graph(NAMESPACE, graph)
    store.replace_graph(NAMESPACE, replace(graph, run="run 2", steps=(*graph.steps, graph.steps[0])))
    store.put_run(NAMESPACE, Run("ended", "done", {"mind": "x"}, {"calls": 1.0}, 1.7e9 + 1 / 3, 1.7e9 + 9.25))
    store.append_draft(NAMESPACE, "run 2", "ann", make_graph("ann").steps[:3], 4, 0)
    store.append_draft(NAMESPACE, "run 2", "ann", make_graph("ann").steps[3:5], 7, 4)
    store.append_draft(NAMESPACE, "run 1", "timeless", (), 2, 0)
    known = make_knowledge(2, 3, "first: item", vector=(1.0, 0.5))
    store.put_knowledge(NAMESPACE, [known, replace(known, mind="m")])
    store.replace_graph(NAMESPACE, make_graph("bob"))


def plain(value: Any) -> Any:
    return {"bytes": base64.b64encode(value).decode()} if isinstance(value, bytes | bytearray) else value


def dump(driver: neo4j.Driver) -> str:
    """`nodes`: [label, properties]; `relations`: [row of the start, kind, row of the end, properties]. A line each."""
    nodes = driver.execute_query(
        "MATCH (n) RETURN elementId(n) AS id, labels(n)[0] AS label, properties(n) AS p ORDER BY labels(n)[0], n.key"
    ).records
    relations = driver.execute_query(
        "MATCH (a)-[r]->(b) RETURN elementId(a) AS start, type(r) AS kind, elementId(b) AS end, properties(r) AS p "
        "ORDER BY type(r), a.key, b.key, r.position"
    ).records
    row_of = {node["id"]: row for row, node in enumerate(nodes)}
    node_lines = [
        json.dumps([node["label"], {name: plain(value) for name, value in sorted(node["p"].items())}], ensure_ascii=False)
        for node in nodes
    ]
    relation_lines = [json.dumps([row_of[at["start"]], at["kind"], row_of[at["end"]], at["p"]]) for at in relations]
    return '{"nodes": [\n' + ",\n".join(node_lines) + '],\n"relations": [\n' + ",\n".join(relation_lines) + "]}\n"


if __name__ == "__main__":
    with start_neo4j() as server, Neo4jStore(server.url, server.auth) as opened:
        fill_version_3(opened)
        with neo4j.GraphDatabase.driver(server.url, auth=server.auth) as driver:
            Path(__file__).with_name("neo4j_version_3.json").write_text(dump(driver), encoding="utf-8")
