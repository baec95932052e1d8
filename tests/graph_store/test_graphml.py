"""GraphML: networkx reads back what the store holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

from llmrg.core.errors import CallerError, GraphNotFoundError, StoreError, UnknownUserError
from llmrg.core.records import History, Item, ReasoningGraph
from llmrg.graph_store import GraphStore, graphml, open_store
from llmrg.graph_store.graphml import export_graphml
from llmrg.testing.store_examples import ITEMS, NAMESPACE, ODD_IDS, fill_everything, make_graph, make_step


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GraphStore]:
    with open_store(f"sqlite:///{tmp_path}/graphs.db") as opened:
        fill_everything(opened, users=("ann", "bob", "eve"))
        yield opened


def kinds(graph: nx.MultiDiGraph) -> tuple[Counter[str], Counter[str]]:
    return Counter(nx.get_node_attributes(graph, "kind").values()), Counter(kind for *_, kind in graph.edges(data="kind"))


def test_a_whole_data_set(store: GraphStore, tmp_path: Path) -> None:
    path = tmp_path / "new" / "all.graphml"
    sizes = export_graphml(store, NAMESPACE, path)
    graph = nx.read_graphml(path)
    counts = store.counts(NAMESPACE)
    assert sizes == (graph.number_of_nodes(), graph.number_of_edges())
    nodes, edges = kinds(graph)
    assert nodes["User"] == counts.users == 3
    assert nodes["Reasoned"] == counts.accepted == 8
    assert nodes["Imagined"] == counts.imagined == 2
    assert nodes["Rejected"] == counts.rejected == 4
    assert nodes["Knowledge"] == counts.knowledge == 5
    assert nodes["Attribute"] == 1
    assert nodes["Item"] == 10  # eight of the histories, two imagined
    assert edges["TOOK"] == sum(len(store.history(NAMESPACE, user).items) for user in store.users(NAMESPACE))
    assert edges["HAS"] == counts.accepted + counts.imagined
    assert edges["REJECTED"] == edges["ABOUT"] == counts.rejected
    assert edges["KNOWN_FOR"] == counts.knowledge
    assert nodes["Theme"] == counts.themes == 4
    assert edges["APPEALS_FOR"] == counts.appeals == 5
    assert edges["OF"] == 4  # of two graphs, the root and the step between items
    roots = 2
    assert edges["LEADS_TO"] == 2 * edges["HAS"] - roots + counts.knowledge


def test_one_user_with_captions_and_scores(store: GraphStore, tmp_path: Path) -> None:
    path = tmp_path / "bob.graphml"
    export_graphml(store, NAMESPACE, path, user="bob")
    graph = nx.read_graphml(path)
    assert kinds(graph)[0] == {"User": 1, "Item": 10, "Attribute": 1, "Reasoned": 4, "Imagined": 1, "Rejected": 2}
    [user] = [node for node, kind in graph.nodes(data="kind") if kind == "User"]
    assert graph.nodes[user] == {"kind": "User", "label": "bob", "identifier": "bob"}
    taken = sorted(
        (data["position"], graph.nodes[item]["label"])
        for _, item, data in graph.out_edges(user, data=True)
        if data["kind"] == "TOOK"
    )
    assert taken == [(n, f"Title of {item}") for n, item in enumerate(ITEMS[:8])]
    reasons = {data["reason"]: node for node, data in graph.nodes(data=True) if "reason" in data}
    for step in make_graph("bob").steps:
        node = reasons[step.reason]
        assert (graph.nodes[node]["score"], graph.nodes[node]["position"]) == (step.score, step.position)
        assert graph.nodes[node]["label"] == step.reason
        assert [graph.nodes[end]["identifier"] for _, end in graph.out_edges(node)] == [step.item]
        causes = [graph.nodes[start]["identifier"] for start, _ in graph.in_edges(node) if start != user]
        assert causes == ([step.cause] if step.accepted and step.cause else [])


def test_ids_that_xml_cannot_hold(store: GraphStore, tmp_path: Path) -> None:
    odd = (*ODD_IDS.values(), "<&>]]>\x00")
    store.put_items(NAMESPACE, [Item(item, item) for item in odd])
    for user in odd:
        store.put_histories(NAMESPACE, [History(user, odd)])
        store.replace_graph(NAMESPACE, ReasoningGraph(user, (make_step(user, reason=user, cause=user, item=user),) * 2))
    export_graphml(store, NAMESPACE, tmp_path / "odd.graphml")
    graph = nx.read_graphml(tmp_path / "odd.graphml")
    nodes, _ = kinds(graph)
    assert (nodes["User"], nodes["Reasoned"]) == (3 + len(odd), 8 + 2 * len(odd))
    titles = {data.get("identifier") for _, data in graph.nodes(data=True) if data["kind"] == "Item"}
    assert {ODD_IDS["cypher"], ODD_IDS["emoji"], ODD_IDS["long"], "<&>]]>\ufffd"} <= titles
    assert max(len(label) for _, label in graph.nodes(data="label")) <= 40


def test_what_is_refused(store: GraphStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.graphml"
    with pytest.raises(UnknownUserError, match="nobody"):
        export_graphml(store, NAMESPACE, path, user="nobody")
    with pytest.raises(GraphNotFoundError, match="ann"):
        export_graphml(store, NAMESPACE, path, user="ann")
    with pytest.raises(StoreError, match="holds nothing of 'shopp'"):
        export_graphml(store, "shopp", path)
    monkeypatch.setattr(graphml, "MOST_STEPS", 13)
    with pytest.raises(CallerError, match=r"has 14 steps, .*--user"):
        export_graphml(store, NAMESPACE, path)
    export_graphml(store, NAMESPACE, path, user="bob")
    with pytest.raises(CallerError, match=r"a\.graphml is there already"):
        export_graphml(store, NAMESPACE, path, user="bob")
    with pytest.raises(StoreError, match="cannot write"):
        export_graphml(store, NAMESPACE, path / "b.graphml", user="bob")
    assert [p.name for p in tmp_path.iterdir() if "graphml" in p.name] == ["a.graphml"]
