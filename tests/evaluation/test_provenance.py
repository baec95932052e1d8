"""Where graphs come from, as a table's card says it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from llmrg import Project
from llmrg.core.graph_table import GraphTable
from llmrg.core.records import ReasoningGraph, Run
from llmrg.data.demo_set import load_demo
from llmrg.evaluation.provenance import made_by, share_with_graphs
from llmrg.testing.store_examples import make_graph

ALONE = dict.fromkeys(("reasoner", "verifier", "imaginer"), "attributes")


def run_of(run: str, roles: dict[str, str], **config: bool) -> Run:
    return Run(run, "done", {**roles, "config": {"verification": True, "divergence": True, **config}}, {}, 0.0)


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (run_of("r", ALONE), "attributes reasons, verifies and imagines"),
        (run_of("r", ALONE | {"verifier": "likelihood/x"}), "attributes reasons and imagines, likelihood/x verifies"),
        (run_of("r", ALONE, verification=False), "attributes reasons and imagines, nobody verifies"),
        (run_of("r", ALONE | {"reasoner": "chat/y"}, divergence=False), "chat/y reasons, attributes verifies"),
    ],
)
def test_the_minds_of_a_run_are_named(run: Run, told: str) -> None:
    assert made_by({"ann": make_graph("ann", run="r")}, [run]) == (told, "r")


def test_graphs_of_several_runs_are_counted_by_run_and_mind() -> None:
    users = ("ann", "bob", "cleo", "dan", "eve")
    graphs = {user: make_graph(user, run=run) for user, run in zip(users, ("a", "a", "b", "a", "gone"), strict=True)}
    mind, run = made_by(graphs, [run_of("a", ALONE), run_of("b", ALONE)])
    assert mind == "attributes reasons, verifies and imagines (4 users); not known (1 user)"
    assert run == "a (3 users); b (1 user); not known (1 user)"


def test_graphs_that_no_stored_run_made_are_nobodys() -> None:
    assert made_by({"ann": make_graph("ann", run="")}, [run_of("a", ALONE)]) == ("", "")
    assert made_by({}, []) == ("", "")


def test_the_share_counts_users_with_an_accepted_step_alone() -> None:
    graphs = {user: make_graph(user) for user in ("ann", "bob", "not asked")}
    graphs["empty"] = ReasoningGraph("empty", (), "run 1")
    graphs["refused"] = replace(make_graph("refused"), steps=make_graph("refused").rejected())
    users = ["refused", "ann", "nobody", "bob", "empty", *(f"u{n}" for n in range(3))]
    told = "2 of 8 users (25.0%); the others are ranked without one"
    assert share_with_graphs(graphs, users) == share_with_graphs(GraphTable.of(graphs.values()), users) == told
    assert share_with_graphs(graphs, ["bob", "ann"]) == "all users"
    assert share_with_graphs({}, ["bob"]) == "0 of 1 users (0.0%); the others are ranked without one"


def test_the_card_of_a_build_over_some_users_says_so(tmp_path: Path) -> None:
    from llmrg.recommenders import TrainingConfig

    demo = load_demo()
    some = list(demo.histories)[:40]
    with Project(demo.only(some), home=tmp_path) as project:
        run = project.build(mind="attributes", users=some[:10]).run
        told = dict(project.compare(config=TrainingConfig(epochs=1)).card.lines())
    assert told["graphs of"] == "10 of 40 users (25.0%); the others are ranked without one"
    assert told["run"] == run
    assert told["mind"] == "attributes reasons, verifies and imagines"
