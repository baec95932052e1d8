"""Graphs of two runs over one data set: built, chosen, trained on, told apart and forgotten, in the SDK and on the shell."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llmrg import BuildConfig, Project
from llmrg.agents.run.build_report import BuildReport
from llmrg.core.errors import ConfigError, GraphNotFoundError
from llmrg.data.demo_set import load_demo
from llmrg.recommenders.training import TrainingConfig

FEW = 12
QUICK = TrainingConfig(epochs=1)


Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def home_of_two_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """Graphs of a first run, a recommender that learnt from them, graphs of a second run."""
    home = tmp_path_factory.mktemp("two runs") / "home"
    with opened(home) as project:
        first = built(project, 0.1)
        project.train("sasrec", config=QUICK)
        second = built(project, 0.9)
    return home, first, second


@pytest.fixture
def two_runs(home_of_two_runs: tuple[Path, str, str], tmp_path: Path) -> Iterator[tuple[Project, str, str]]:
    """A copy, to be changed."""
    home, first, second = home_of_two_runs
    shutil.copytree(home, tmp_path / "copy")
    with opened(tmp_path / "copy") as project:
        yield project, first, second


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with opened(tmp_path) as made:
        yield made


def opened(home: Path) -> Project:
    demo = load_demo()
    return Project(demo.only(list(demo.histories)[:30]), home=home)


def built(project: Project, tau: float, number: int = FEW) -> str:
    """A run of the first users; another threshold is another run."""
    users = list(project.dataset.histories)[:number]
    report: BuildReport = project.build(mind="attributes", users=users, config=BuildConfig(l_tru=6, tau=tau))
    return report.run


def test_a_second_run_stays_beside_the_first_and_is_the_newest(project: Project) -> None:
    first = built(project, 0.1)
    before = project.graphs()
    second = built(project, 0.9)
    assert first != second
    assert dict(project.graphs(first)) == dict(before)
    assert set(project.graphs().runs) == {second}
    user = next(iter(before))
    assert project.graph(user).run == second
    assert project.graph(user, first[:6]) == before[user]
    assert project.graph(user, first).steps != project.graph(user).steps
    assert project.store.graphs_by_run(project.name) == {first: FEW, second: FEW}


def test_building_a_run_again_costs_nothing_and_makes_it_the_newest(two_runs: tuple[Project, str, str]) -> None:
    project, first, second = two_runs
    assert set(project.graphs().runs) == {second}
    users = list(project.dataset.histories)[:FEW]
    again = project.build(mind="attributes", users=users, config=BuildConfig(l_tru=6, tau=0.1))
    assert (again.run, again.built, again.skipped) == (first, 0, FEW)
    assert set(project.graphs().runs) == {first}


def test_an_unknown_or_doubtful_run_is_refused_with_the_runs_that_have_graphs(project: Project) -> None:
    with pytest.raises(ConfigError, match="no graph is built yet"):
        project.graphs("nothing")
    first, second = built(project, 0.1, 3), built(project, 0.9, 2)
    with pytest.raises(ConfigError, match=rf"no run 'nothing' of 'demo' has graphs.*{first} by attributes \(3 users\)") as caught:
        project.graphs("nothing")
    assert f"{second} by attributes (2 users)" in str(caught.value)
    user = list(project.dataset.histories)[2]
    with pytest.raises(GraphNotFoundError, match=second):
        project.graph(user, second)


def test_a_recommender_reads_the_graphs_of_the_run_that_it_learnt_from(two_runs: tuple[Project, str, str]) -> None:
    project, first, second = two_runs
    kept = project.recommender()
    assert project.figures()["sasrec+themes"].run == kept.graphs_run == first
    user = next(iter(project.graphs()))
    assert project.graph_for(kept, user) == project.graph(user, first)
    assert project.graph_for(kept, user, second) == project.graph(user, second)
    plain = [(s.item, s.score, s.why.steps) for s in project.recommend(user)]
    assert plain == [(s.item, s.score, s.why.steps) for s in project.recommend(user, run=first[:8])]
    assert plain != [(s.item, s.score, s.why.steps) for s in project.recommend(user, run=second)]
    item = plain[0][0]
    assert project.explain(user, item).steps == project.explain(user, item, run=first).steps == plain[0][2]
    assert project.show(user).html == project.show(user, run=first).html != project.show(user, run=second).html


def test_a_recommender_whose_run_was_forgotten_says_so(two_runs: tuple[Project, str, str]) -> None:
    project, first, second = two_runs
    user = next(iter(project.graphs()))
    gone = project.forget_run(first[:5])
    assert (gone.run, gone.train_again) == (first, ("sasrec+themes",))
    assert gone.graph_steps > 0
    assert any("train again: sasrec+themes" in line for line in gone.left_to_do())
    for ask in (project.recommend, project.show):
        with pytest.raises(ConfigError, match=rf"learnt from graphs of run '{first}'.*{second} by attributes.*run="):
            ask(user)
    assert project.recommend(user, run=second)


def test_training_on_a_mixture_is_told_and_a_run_can_be_chosen(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    first = built(project, 0.1)
    second = built(project, 0.9, 4)
    caplog.set_level(logging.WARNING)
    project.train("sasrec", config=QUICK)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "llmrg.trainings"]
    assert line.startswith(f"the newest graphs are of 2 runs: {first} (8 users), {second} (4 users)")
    assert project.figures()["sasrec+themes"].run == ""
    assert project.recommender().graphs_run == ""
    caplog.clear()
    assert project.train("sasrec", config=QUICK, run=second).graphs_run == second
    assert project.figures()["sasrec+themes"].run == second
    assert not [record for record in caplog.records if record.name == "llmrg.trainings"]


def test_an_experiment_is_of_the_run_named(two_runs: tuple[Project, str, str]) -> None:
    project, first, second = two_runs
    for run in (first, second):
        assert dict(project.experiment(run=run[:8]).graphs) == dict(project.graphs(run))
    assert project.graphs(first) != project.graphs(second)


# -- the shell --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def cli(llmrg: Shell) -> Shell:
    def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = llmrg(*arguments)
        assert done.returncode == code, done.stderr
        return done

    return run


def test_the_shell_chooses_lists_and_forgets_runs(cli: Shell, tmp_path: Path) -> None:
    build = ("build", "--mind", "attributes", "--users", "8", "--last", "6", "--home", tmp_path)
    told = cli(*build, "--tau", "0.1")
    assert "stay beside" not in told.stderr
    told = cli(*build, "--tau", "0.9")
    assert "stay beside" in told.stderr
    assert "by attributes (8 users)" in told.stderr
    reports = json.loads(cli("runs", "list", "--home", tmp_path, "--json").stdout)
    second, first = (report["run"] for report in reports)
    assert first in told.stderr
    assert [report["graphs"] for report in reports] == [8, 8]

    user = "reader-001"
    pictures = [tmp_path / f"{run}.html" for run in (first, second)]
    for run, picture in zip((first, second), pictures, strict=True):
        cli("show", user, "--run", run[:7], "-o", picture, "--home", tmp_path)
    assert pictures[0].read_text() != pictures[1].read_text()
    refused = cli("explain", user, "dracula", "--run", "nothing", "--home", tmp_path, code=2)
    assert first in refused.stderr
    assert second in refused.stderr

    cli("export", tmp_path / "one", "--run", first, "--home", tmp_path)
    rows = json.loads((tmp_path / "one" / "manifest.json").read_text())["rows"]
    assert (rows["runs"], rows["graphs"]) == (1, 8)

    gone = cli("forget", "--run", second[:7], "--yes", "--home", tmp_path)
    assert f"forgot run '{second}' of 'demo'" in gone.stdout
    assert not list((tmp_path / "runs").glob(f"{second}*"))
    with Project("demo", home=tmp_path) as project:
        assert [run.id for run in project.store.runs("demo")] == [first]
        assert project.graph(user).run == first
