"""Trainings and tables as runs of a real MLflow store."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from llmrg.core.errors import ConfigError, MissingPackageError
from llmrg.data.demo_set import load_demo
from llmrg.evaluation.comparison import Comparison
from llmrg.recommenders import TrainingConfig
from llmrg.recommenders.marks import data_mark, graphs_mark
from llmrg.recommenders.training import Epoch
from llmrg.sdk import Project

FEW = TrainingConfig(epochs=2)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    pytest.importorskip("mlflow", reason="extra `mlflow`")
    pytest.importorskip("sqlalchemy", reason="extra `mlflow`")
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Twelve readers with graphs."""
    demo = load_demo()
    with Project(demo.only(list(demo.histories)[:12]), home=tmp_path_factory.mktemp("home")) as opened:
        opened.build(mind="attributes")
        yield opened


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow puts files of runs into the working folder."""
    monkeypatch.chdir(tmp_path)


def runs(uri: str, data: str, name: str) -> list[Any]:
    """Of this name, the newest first."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(f"llmrg/{data}")
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    return [run for run in found if run.info.run_name == name]


def test_a_training_is_a_run(uri: str, project: Project) -> None:
    from mlflow import MlflowClient

    told: list[Epoch] = []
    project.train(graphs=False, config=FEW, seed=3, embedding_size=8, progress=told.append, mlflow=uri)
    run = runs(uri, project.name, "sasrec")[0]
    assert run.info.status == "FINISHED"
    params = run.data.params
    assert (params["model"], params["seed"], params["embedding_size"], params["config.epochs"]) == ("sasrec", "3", "8", "2")
    assert run.data.tags["llmrg.data_mark"] == data_mark(project.dataset)
    history = MlflowClient(tracking_uri=uri).get_metric_history(run.info.run_id, "validation_ndcg_10")
    assert [(one.step, one.value) for one in history] == [(epoch.number, epoch.ndcg) for epoch in told]
    assert len(told) == 2
    assert run.data.metrics["best_validation_ndcg_10"] == project.trained()["sasrec"]


def test_a_table_is_a_run_with_a_run_for_each_row(uri: str, project: Project) -> None:
    from mlflow import MlflowClient

    table = project.compare(config=FEW, mlflow=uri)
    client, whole = MlflowClient(tracking_uri=uri), runs(uri, project.name, "evaluate")[0]
    assert whole.info.status == "FINISHED"
    tags = whole.data.tags
    assert tags["llmrg.graphs_mark"] == graphs_mark(project.graphs())
    assert tags["llmrg.runs"] == dict(table.card.lines())["run"]
    assert {one.path for one in client.list_artifacts(whole.info.run_id)} == {"table.json", "table.csv", "card.txt"}
    path = client.download_artifacts(whole.info.run_id, "table.json")
    assert json.loads(Path(path).read_text()) == json.loads(json.dumps(table.to_json()))
    rows_agree(uri, project, table, whole.info.run_id)
    ours = runs(uri, project.name, "SASRec + reasoning graph")[0]
    steps = [one.step for one in client.get_metric_history(ours.info.run_id, "validation_ndcg_10")]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= 2  # of the joint fit; the base has been trained for a row of its own
    names: list[str] = []
    again = project.compare(config=FEW, progress=names.append, mlflow=uri)  # of kept rows
    assert (again, names) == (table, [])
    rows_agree(uri, project, again, runs(uri, project.name, "evaluate")[0].info.run_id)


def rows_agree(uri: str, project: Project, table: Comparison, parent: str) -> None:
    for row in table.rows:
        run = runs(uri, project.name, row.name)[0]
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == parent
        interval, logged = row.metrics["NDCG@10"], run.data.metrics
        found = (logged["ndcg_10"], logged["ndcg_10_low"], logged["ndcg_10_high"])
        assert found == (interval.value, interval.low, interval.high)
        assert logged.get("p_value") == row.p_value


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "KILLED"), (RuntimeError, "FAILED")])
def test_what_is_cut_short_is_told_so(uri: str, project: Project, error: type[BaseException], status: str) -> None:
    def stop(name: str) -> None:
        if name == "popularity":
            raise error

    with pytest.raises(error):
        project.compare(config=FEW, progress=stop, mlflow=uri, again=True)
    assert runs(uri, project.name, "evaluate")[0].info.status == status


def test_a_server_that_fails_on_the_way_costs_no_training(
    uri: str, project: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = tmp_path / "failing.db"

    def fail(epoch: Epoch) -> None:
        if epoch.number == 1:
            with closing(sqlite3.connect(store)) as db:
                db.execute("DROP TABLE metrics")

    project.train(graphs=False, config=FEW, embedding_size=8, progress=fail, mlflow=f"sqlite:///{store}")
    assert "sasrec" in project.trained()
    assert caplog.text.count("MLflow failed") == 1


def test_the_programs_own_run_stays_as_it_is(uri: str, project: Project) -> None:
    import mlflow

    before = mlflow.get_tracking_uri()
    project.train(graphs=False, config=TrainingConfig(epochs=1), embedding_size=8, mlflow=uri)
    assert mlflow.get_tracking_uri() == before
    assert mlflow.active_run() is None


def test_a_uri_that_cannot_be_is_named(uri: str, project: Project) -> None:
    with pytest.raises(ConfigError, match=r"MLflow cannot log to 'nonsense://x'") as caught:
        project.train("popularity", mlflow="nonsense://x")
    assert "--mlflow-uri" in caught.value.on_shell
    assert "popularity" not in project.trained()


def test_the_command_logs_where_it_is_told(uri: str, tmp_path: Path) -> None:
    where = ["--home", str(tmp_path / "home"), "--data", "demo"]
    command = [sys.executable, "-m", "llmrg.cli", "train", "popularity", *where, "--mlflow-uri", uri]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert runs(uri, "demo", "popularity")[0].data.params["model"] == "popularity"


def test_without_the_package_the_extra_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'llmrg\[mlflow\]'"):
        project.train("popularity", mlflow=True)
    assert "popularity" not in project.trained()


def test_nothing_of_mlflow_is_loaded_where_it_is_not_asked_for() -> None:
    code = "import sys, llmrg.trainings, llmrg.mlflow_log, llmrg.cli.train; print('mlflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
