"""The machine draws itself, and LangGraph's own tools can open it."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

from langgraph.graph import END, START
from langgraph.graph.state import CompiledStateGraph

from llmrg.agents.machine.mermaid import machine_as_mermaid
from llmrg.agents.machine.wiring import steps_at_most

NODES = ("plan", "recall", "reason", "verify", "commit", "diverge", "ground", "publish")


def test_the_drawing_shows_all_nodes_and_the_loops() -> None:
    text = machine_as_mermaid()
    assert text.lstrip().startswith(("graph", "---"))
    assert all(f"\t{node}(" in text for node in NODES)
    for edge in (("recall", "reason"), ("verify", "reason"), ("commit", "diverge"), ("commit", "recall"), ("commit", "publish")):
        assert any(line.strip().startswith(edge[0] + " ") and line.strip(" ;").endswith(edge[1]) for line in text.splitlines()), (
            edge
        )


def test_langgraph_json_names_something_that_loads() -> None:
    told = json.loads((Path(__file__).parents[2] / "langgraph.json").read_text())
    (target,) = told["graphs"].values()
    module, _, name = target.partition(":")
    graph = getattr(importlib.import_module(module), name)()
    assert isinstance(graph, CompiledStateGraph)
    assert set(NODES) < set(graph.get_graph().nodes)


def test_the_guide_shows_the_machine_as_it_is() -> None:
    """Every edge of the drawing in docs/agents.md is an edge of the machine, and the other way round."""
    from llmrg.agents.machine.wiring import machine

    guide = (Path(__file__).parents[2] / "docs" / "agents.md").read_text(encoding="utf-8")
    drawn = guide.partition("```mermaid")[2].partition("```")[0]
    edges = set(re.findall(r"(\w+) (?:-- .+ )?--> (\w+);", drawn))
    real = {(e.source, e.target) for e in machine().get_graph().edges if not {e.source, e.target} & {START, END}}
    assert edges == real


def test_the_limit_of_steps_is_enough_for_every_block() -> None:
    for tries in range(4):
        one_block = 1 + 2 * (tries + 2) + 1 + 4  # recall; rounds, the first on recalled candidates; commit; diverge to commit
        assert steps_at_most(7, tries) >= 7 * one_block + 2
