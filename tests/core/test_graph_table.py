"""Graphs as flat arrays: a mapping that gives back equal records."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmrg.core.errors import CallerError
from llmrg.core.graph_table import STEP, GraphTable
from llmrg.core.records import ReasoningGraph, Step
from llmrg.testing.store_examples import any_graph, make_graph, make_step

USERS = ("ann", "bob", "ü 😀\n'")

graphs_of = st.lists(st.sampled_from(USERS), unique=True).flatmap(
    lambda users: st.tuples(*(any_graph(user) for user in users)).map(list)
)

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The first draw of any text takes a second or two."""


@unhurried
@given(graphs_of)
def test_records_come_back_equal(graphs: list[ReasoningGraph]) -> None:
    table = GraphTable.of(graphs)
    assert table == {graph.user: graph for graph in graphs}
    assert list(table) == [graph.user for graph in graphs]
    assert len(table.steps) == sum(len(graph.steps) for graph in graphs)


@unhurried
@given(graphs_of)
def test_tables_are_joined_in_order(graphs: list[ReasoningGraph]) -> None:
    parts = [GraphTable.of(graphs[:1]), GraphTable.of([]), GraphTable.of(graphs[1:])]
    joined = GraphTable.joined(parts)
    assert joined == {graph.user: graph for graph in graphs}
    assert joined.offsets.tolist() == GraphTable.of(graphs).offsets.tolist()
    assert parts[-1] == GraphTable.of(graphs[1:]), "joining changes no part"


def test_columns_can_be_computed_on() -> None:
    table = GraphTable.of([make_graph("ann"), make_graph("bob")])
    steps = [step for graph in (make_graph("ann"), make_graph("bob")) for step in graph.steps]
    assert table.steps.dtype == STEP
    assert table.steps["score"].tolist() == [step.score for step in steps]
    assert [table.texts[row] for row in table.steps["reason"]] == [step.reason for step in steps]
    assert np.diff(table.offsets).tolist() == [len(make_graph("ann").steps)] * 2
    rootless = [step.cause_position is not None for step in steps]
    assert (table.steps["cause_position"] >= 0).tolist() == rootless


def test_users_without_a_graph_are_not_in_it() -> None:
    table = GraphTable.of([ReasoningGraph("ann")])
    assert "bob" not in table
    assert table["ann"] == ReasoningGraph("ann")
    with pytest.raises(KeyError):
        table["bob"]
    assert GraphTable.joined([]) == {}


def test_who_is_in_it_is_known_without_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    table = GraphTable.of([make_graph("ann"), make_graph("bob")])
    monkeypatch.setattr(GraphTable, "__getitem__", lambda *_: pytest.fail("a record was made"))
    assert "ann" in table
    assert "eve" not in table
    assert table.numbers(["bob", "eve", "ann"]).tolist() == [1, -1, 0]
    assert table.numbers([]).tolist() == []


@unhurried
@given(graphs_of)
def test_texts_are_mapped_once_a_row(graphs: list[ReasoningGraph]) -> None:
    """Also where tables were joined and a text has several rows."""
    table = GraphTable.joined([GraphTable.of([graph]) for graph in graphs])
    asked: list[str] = []

    def length(text: str) -> int:
        asked.append(text)
        return len(text)

    found = table.mapped(table.steps["reason"], length)
    assert found.tolist() == [len(step.reason) for graph in table.values() for step in graph.steps]
    assert len(asked) == len(set(table.steps["reason"].tolist()))


def test_a_number_too_large_is_named() -> None:
    step = Step("ann", 2**70, "reasoned", "root", "", None, "why", "i1", 0.5, 0, 2**70 + 1)
    with pytest.raises(CallerError, match="position must have 64 bits"):
        GraphTable.of([ReasoningGraph("ann", (make_step(), step))])
