"""From build to text and page: only what was verified is called so."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrg.agents.config import BuildConfig
from llmrg.core.records import ReasoningGraph
from llmrg.sdk import Project

USERS = ["reader-001", "reader-002", "reader-003"]


@pytest.mark.parametrize("verification", [True, False])
def test_a_build_without_verification_is_not_called_verified(tmp_path: Path, verification: bool) -> None:
    with Project("demo", home=tmp_path) as project:
        project.build(mind="attributes", users=USERS, config=BuildConfig(verification=verification))
        graph = next(g for g in map(project.graph, USERS) if g.imagined())
        why = project.explain(graph.user, graph.imagined(max(graph.cuts()))[0].item)
        assert why.found
        assert why.verified is verification
        page = project.show(graph.user).html
        for text in (why.text(project.dataset.catalogue), page):
            assert ("not verified" in text) is not verification
            assert ("verified step" in text) is verification


def test_a_graph_that_no_run_of_the_store_made_is_not_called_verified(tmp_path: Path) -> None:
    with Project("demo", home=tmp_path) as project:
        project.build(mind="attributes", users=USERS)
        graph = next(g for g in map(project.graph, USERS) if g.imagined())
        project.store.replace_graph(project.name, ReasoningGraph(graph.user, graph.steps, run="direct list"))
        why = project.explain(graph.user, graph.imagined(max(graph.cuts()))[0].item)
        assert why.found
        assert not why.verified
