"""The public face, end to end with the attributes mind."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from llmrg.core.errors import (
    ArtifactError,
    CallerError,
    ConfigError,
    GraphNotFoundError,
    NotAStoreError,
    UnknownItemError,
    UnknownUserError,
)
from llmrg.sdk import Project


def test_recommendations_are_unseen_ranked_and_explained(built: Project) -> None:
    user = "reader-001"
    found = built.recommend(user, k=10)
    history = built.dataset.history(user)
    assert [s.rank for s in found] == list(range(1, 11))
    assert not {s.item for s in found} & set(history.items)
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
    stored = set(built.graph(user).steps)
    for suggestion in found:
        assert suggestion.why.found == bool(suggestion.why.steps)
        assert set(suggestion.why.steps) <= stored  # every edge that is shown exists in the store


def test_some_recommendation_has_a_chain_and_its_last_step_is_the_item(built: Project) -> None:
    users = list(built.dataset.histories)[:20]
    chains = [s for user in users for s in built.recommend(user, k=10) if s.why.found]
    assert chains
    for suggestion in chains:
        assert suggestion.why.steps[-1].item == suggestion.item
        assert suggestion.why.steps[-1].kind == "imagined"


def test_an_unseen_history_given_on_the_spot(built: Project) -> None:
    items = ["dracula", "frankenstein"]
    found = built.recommend(items=items, k=5)
    assert len(found) == 5
    assert not {s.item for s in found} & set(items)
    assert len(built.recommend(items=[], k=5)) == 5
    with pytest.raises(UnknownItemError, match="no-such-book"):
        built.recommend(items=["no-such-book"])


def test_picture_and_notebook(built: Project, tmp_path: Path) -> None:
    picture = built.show("reader-001")
    page = picture.save(tmp_path / "deep" / "page.html").read_text()
    assert "simulated" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert picture.save(tmp_path / "graph.svg").read_text().lstrip().startswith("<svg") or "<svg" in picture.svg[:200]
    assert "iframe" in picture._repr_html_()


def test_what_is_missing_is_said(built: Project, tmp_path: Path) -> None:
    with pytest.raises(UnknownUserError, match=r"nobody.*reader-001"):
        built.explain("nobody", "dracula")
    with pytest.raises(UnknownItemError, match="no-such-book"):
        built.explain("reader-001", "no-such-book")
    with pytest.raises(CallerError, match="either"):
        built.recommend()
    with pytest.raises(ConfigError, match=r"'oracle'.*graph"):
        built.train("oracle")
    with Project("demo", home=tmp_path) as empty:
        with pytest.raises(GraphNotFoundError, match="llmrg build"):
            empty.graph("reader-001")
        with pytest.raises(GraphNotFoundError):
            empty.train()
        with pytest.raises(ArtifactError, match="llmrg train"):
            empty.recommend("reader-001")
        with pytest.raises(UnknownUserError):
            empty.build(mind="attributes", users=["nobody"])
        with pytest.raises(ConfigError, match=r"'crystal-ball'.*likelihood"):
            empty.build(mind="crystal-ball")


def test_a_store_path_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear reader, this is no database. " * 100)
    with Project("demo", store=f"sqlite:///{letter}") as project, pytest.raises(NotAStoreError, match=r"letter\.txt"):
        project.graphs()
    assert letter.read_text().startswith("Dear reader")


def test_building_again_does_nothing_and_says_so(built: Project) -> None:
    report = built.build(mind="attributes")
    assert report.built == 0
    assert report.skipped == 60


async def test_build_is_awaitable_and_sync_build_says_so_in_a_loop(tmp_path: Path) -> None:
    with Project("demo", home=tmp_path) as project:
        report = await project.abuild(mind="attributes", users=["reader-001"])
        assert report.built == 1
        with pytest.raises(CallerError, match=r"await project\.abuild"):
            project.build(mind="attributes", users=["reader-002"])
    await asyncio.sleep(0)


def test_compare_has_every_control_row_and_its_card(built: Project) -> None:
    from llmrg.experiment import run_comparison
    from llmrg.recommenders import TrainingConfig

    table = run_comparison(built.dataset, built.graphs(), built.settings, config=TrainingConfig(epochs=2))
    names = [row.name for row in table.rows]
    for part in ("skip-Markov", "popularity", "SASRec", "plain sequence", "shuffled", "reasoning"):
        assert any(part in name for name in names)
    assert table.card.users == 60
    for row in table.rows:
        assert 0 <= row.metrics["HR@10"].low <= row.metrics["HR@10"].mean <= row.metrics["HR@10"].high <= 1


@pytest.mark.parametrize("backend", ["torch", "auto"])
def test_the_backend_setting_reaches_the_encoder(backend: str) -> None:
    from llmrg.core.settings import load_settings
    from llmrg.experiment import make_recommender
    from llmrg.recommenders import GraphRecommender

    made = make_recommender("graph", load_settings(backend=backend))
    assert isinstance(made, GraphRecommender)
    assert made.config.backend == backend
