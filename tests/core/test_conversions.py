"""Records in a notebook: one short line as repr, pandas frames, networkx graphs."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmrg
from llmrg import Project
from llmrg.core.errors import MissingPackageError
from llmrg.core.graph_table import GraphTable
from llmrg.core.interval import Interval
from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.data.demo_set import load_demo
from llmrg.evaluation.comparison import Comparison, Row
from llmrg.evaluation.protocol import ProtocolCard
from llmrg.explanations.explain import explain
from llmrg.testing.store_examples import ITEMS, any_graph, make_graph, make_history, make_step

LONG = ReasoningGraph("ann", tuple(make_step("ann", 1 + n % 7, reason=f"reason {n}") for n in range(5000)), "run 1", 3)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (LONG, "ReasoningGraph('ann', 5,000 steps: 5,000 reasoned, 0 imagined, 0 rejected, run 'run 1', version 3)"),
        (make_graph(), "ReasoningGraph('ann', 7 steps: 4 reasoned, 1 imagined, 2 rejected, run 'run 1', version 0)"),
        (History("ann", tuple(f"i{n}" for n in range(2000))), "History('ann', 2,000 items: ..., 'i1997', 'i1998', 'i1999')"),
        (History("it's", ("a", "b")), "History(\"it's\", 2 items: 'a', 'b')"),
        (History("new", ()), "History('new', 0 items)"),
        (load_demo().catalogue, "Catalogue(400 books)"),
        (load_demo(), "Dataset('demo': 300 users, 400 items, 3,714 interactions)"),
        (Project("orders.csv", store="neo4j://host", home="x"), "Project('orders.csv', home='x')"),
        (GraphTable.of([LONG]), "GraphTable(1 users, 5000 steps)"),
    ],
)
def test_a_repr_is_one_short_line(shown: object, expected: str) -> None:
    assert repr(shown) == expected


def test_an_explanation_and_a_project_over_a_frame_are_short_too() -> None:
    why = explain(make_graph(), make_history("ann"), ITEMS[10], verified=True)
    assert repr(why) == f"Explanation('ann', {ITEMS[10]!r}: 0 reasons, {len(why.steps)} steps)"
    assert len(repr(Project(load_demo().to_pandas()))) < 200


@settings(deadline=None)
@given(any_graph("ann"))
def test_all_of_a_graph_is_in_its_frame(graph: ReasoningGraph) -> None:
    for made in (graph.to_pandas(), GraphTable.of([graph]).to_pandas()):
        assert list(made.columns) == list(Step.__dataclass_fields__)
        rows = made.astype(object).where(made.notna(), None).to_dict("records")
        assert tuple(Step(**row) for row in rows) == graph.steps


def test_frames_of_many_graphs_are_one() -> None:
    made = GraphTable.of([make_graph("ann"), make_graph("bob")]).to_pandas()
    assert made.groupby("user").size().to_dict() == {"ann": 7, "bob": 7}


@settings(deadline=None)
@given(any_graph("ann"))
def test_a_networkx_graph_has_an_edge_for_each_accepted_step(graph: ReasoningGraph) -> None:
    accepted = [step for step in graph.steps if step.accepted]
    made = graph.to_networkx({ITEMS[0]: "The first"})
    told = [(data["reason"], made.nodes[cause]["kind"], made.nodes[item]["id"]) for cause, item, data in made.edges(data=True)]
    kinds = {"root": "user", "attribute": "attribute", "item": "item"}
    assert sorted(told) == sorted((step.reason, kinds[step.cause_kind], step.item) for step in accepted)
    assert all(data["label"] == "The first" for name, data in made.nodes(data=True) if name == f"item:{ITEMS[0]}")


def test_an_attribute_named_like_an_item_is_a_node_of_its_own() -> None:
    root = {"cause_kind": "attribute", "cause": ITEMS[1], "cause_position": None}
    made = ReasoningGraph("ann", (make_step("ann", 1, **root),)).to_networkx()
    assert set(made.nodes) == {f"attribute:{ITEMS[1]}", f"item:{ITEMS[1]}"}


users = st.dictionaries(
    st.sampled_from(("ann", "it's", "7", "07")),
    st.lists(st.sampled_from(("a", "b", "c", "d")), min_size=1, max_size=4, unique=True),
    min_size=1,
)


@settings(deadline=None, max_examples=30)
@given(users)
def test_a_data_set_is_read_back_from_its_frames(taken: dict[str, list[str]]) -> None:
    items = [
        Item("a", "First", (("genre", "x"), ("genre", "y"), ("maker", "M"))),
        Item("b", "Second", (("genre", "x"),)),
        Item("c", "Third"),
        Item("d", "Fourth", (("maker", "N"),)),
    ]
    used = [item for item in items if any(item.id in one for one in taken.values())]
    histories = {user: History(user, tuple(one), tuple(1e9 + n for n in range(len(one)))) for user, one in taken.items()}
    made = Dataset("shop", Catalogue(used), histories, LoadReport("test", 0, 0, 0))
    again = llmrg.load_data(made.to_pandas(), items=made.catalogue.to_pandas(), name="shop")
    assert again.histories == histories
    assert {item.id: item for item in again.catalogue} == {item.id: item for item in used}


def test_a_history_without_a_clock_has_empty_times() -> None:
    made = replace(load_demo(), histories={"ann": History("ann", load_demo().catalogue.ids[:3])}).to_pandas()
    assert made["time"].isna().all()
    assert list(made["position"]) == [0, 1, 2]
    assert made["title"].notna().all()


def test_a_comparison_as_a_frame() -> None:
    whole, gain = Interval(0.5, 0.4, 0.6), Interval(0.1, -0.1, 0.2)
    rows = (
        Row("base", {"HR@10": whole}, {"HR@10": 0.3}, 0.7, None, None),
        Row("base + graphs", {"HR@10": whole}, {"HR@10": 0.2}, 0.8, gain, 0.04),
    )
    table = Comparison(rows, "base", ProtocolCard("shop", 1200, 30, (0,)))
    assert repr(table) == "Comparison(2 recommenders on 'shop': 1,200 users, 30 items)"
    made = table.to_pandas()
    assert list(made.index) == ["base", "base + graphs"]
    assert made.loc["base", "HR@10 low"] == 0.4
    assert made.loc["base + graphs", "NDCG@10 minus base"] == 0.1
    assert made["p"].isna().tolist() == [True, False]
    assert made["HR@10 unmasked"].tolist() == [0.3, 0.2]


@pytest.mark.parametrize("package", ["pandas", "networkx"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=f"pip install {package}"):
        make_graph().to_pandas() if package == "pandas" else make_graph().to_networkx()
