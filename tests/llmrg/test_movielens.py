"""The main job on real logs, end to end: MovieLens latest-small, a few dozen users."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmrg.sdk import Project

pytestmark = pytest.mark.realdata


@pytest.fixture
def folder() -> Path:
    named = os.environ.get("LLMRG_TEST_DATA", "")
    if named and (Path(named) / "ml-latest-small").exists():
        return Path(named)
    reason = "no MovieLens latest-small; name its parent folder in LLMRG_TEST_DATA"
    if os.environ.get("LLMRG_REQUIRE_REALDATA"):
        pytest.fail(reason)
    pytest.skip(reason)


def test_from_the_publishers_file_to_an_explained_recommendation(folder: Path, tmp_path: Path) -> None:
    from llmrg.agents.config import BuildConfig
    from llmrg.recommenders import TrainingConfig

    with Project("ml-latest-small", data_dir=folder, home=tmp_path) as whole:
        assert len(whole.dataset.histories) == 610
        some = whole.dataset.only(list(whole.dataset.histories)[:36])
    with Project(some, home=tmp_path) as project:
        report = project.build(mind="attributes", config=BuildConfig(l_tru=12))
        assert report.built == 36
        assert not report.failed
        project.train(config=TrainingConfig(epochs=2))
        table = project.compare(config=TrainingConfig(epochs=1))
        assert table.card.users == 36
        user = next(iter(some.histories))
        found = project.recommend(user, k=10)
        assert not {s.item for s in found} & set(some.history(user).items)
        stored = set(project.graph(user).steps)
        assert all(set(s.why.steps) <= stored for s in found)
        assert "<svg" in project.show(user).html


@pytest.mark.model
def test_the_local_model_reasons_about_films(folder: Path, tmp_path: Path) -> None:
    from llmrg.agents.config import BuildConfig
    from llmrg.agents.minds.likelihood import LikelihoodConfig, LikelihoodMind
    from llmrg.agents.minds.local_lm import LocalLM

    with Project("ml-latest-small", data_dir=folder, home=tmp_path) as project:
        cache = project.settings.cache_dir.expanduser()
        lm = LocalLM.load(project.settings.model, cache)
        mind = LikelihoodMind(project.dataset, lm, tmp_path, LikelihoodConfig(contrast=24, bank=40))
        users = list(project.dataset.histories)[:2]
        report = project.build(mind=mind, users=users, config=BuildConfig(l_tru=4, live_chains=1, imagined_per_chain=1))
        assert report.built == 2
        assert report.total("calls") > 0
        for user in users:
            graph = project.graph(user)
            assert graph.steps
            assert {s.reason for s in graph.steps} <= set(mind.bank)
