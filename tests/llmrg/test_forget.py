"""What a store lists and what is forgotten, as the users of the SDK and of the command meet it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llmrg import Project
from llmrg.agents.chat.call_cache import CachedCall, SqliteCallCache
from llmrg.cli.main import app
from llmrg.core.errors import ConfigError, DataError, GraphNotFoundError, UnknownUserError
from llmrg.data.demo_set import load_demo
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.store_examples import fill, fill_everything, make_run

USERS = ("Ida Noor", "o'hara", "-70415")
SORTS = ("green", "black", "white", "oolong", "herbal", "smoked")


def put_teas(folder: Path) -> None:
    """Three users who change from one sort to another."""
    folder.mkdir()
    rows = [f"{user},t{sort}{n},{n}" for i, user in enumerate(USERS) for n in range(12) for sort in [(i + n // 6 * 3) % 6]]
    (folder / "interactions.csv").write_text("\n".join(["user,item,time", *rows]))
    items = [f"t{sort}{n},Tea {sort}{n},{name}" for sort, name in enumerate(SORTS) for n in range(12)]
    (folder / "items.csv").write_text("\n".join(["item,title,sort", *items]))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    put_teas(tmp_path / "teas")
    return tmp_path


def llmrg(*arguments: str, answers: str = "") -> Any:
    return CliRunner().invoke(app, arguments, input=answers)


def files_that_name(user: str, folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and user.encode() in path.read_bytes()]


@pytest.mark.parametrize("user", USERS)
def test_a_user_is_forgotten_and_what_is_left_to_do_is_told(place: Path, user: str) -> None:
    for command in (["build", "--mind", "attributes"], ["train", "popularity"], ["show", "--", user]):
        done = llmrg(*command[:1], "--data", "teas", *command[1:])
        assert done.exit_code == 0, (done.output, done.exception)
    assert files_that_name(user, place / ".llmrg")
    done = llmrg("forget", "--data", "teas", "--yes", "--", user)
    assert done.exit_code == 0, (done.output, done.exception)
    assert f"forgot user {user!r} of 'teas'" in done.output
    assert "'teas': 0 steps" not in done.output
    assert "still in the data itself" in done.output
    assert "train again: popularity" in done.output
    assert files_that_name(user, place / ".llmrg") == []
    left = set(USERS) - {user}
    with Project("store:teas") as project:
        assert set(project.dataset.histories) == set(project.graphs()) == left


def test_nobody_is_forgotten_without_a_yes(place: Path) -> None:
    llmrg("build", "--data", "teas", "--mind", "attributes")
    for question in (["forget", "o'hara", "--data", "teas"], ["forget", "--data-set", "teas"]):
        for answer in ("n\n", ""):
            done = llmrg(*question, answers=answer)
            assert done.exit_code == 1
    with Project("store:teas") as project:
        assert len(project.graphs()) == 3
    assert llmrg("forget", "o'hara", "--data", "teas", answers="y\n").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (["forget"], ConfigError, ["--data-set", "llmrg data stored"]),
        (["forget", "ann", "--data-set", "shop"], ConfigError, ["one of the three"]),
        (["forget", "nobody", "--data", "store:shop", "--yes"], UnknownUserError, ["nobody", "ann"]),
        (["forget", "--data-set", "shp", "--yes"], DataError, ["shp", "shop"]),
    ],
)
def test_what_cannot_be_forgotten_is_told(place: Path, arguments: list[str], kind: type[Exception], words: list[str]) -> None:
    with SqliteStore(place / ".llmrg" / "graphs.db") as store:
        fill(store)
    done = llmrg(*arguments)
    assert isinstance(done.exception, kind)
    for word in words:
        assert word in str(done.exception)


def test_a_data_set_is_forgotten_with_its_files_and_no_other(place: Path) -> None:
    put_teas(place / "more teas")
    for name in ("teas", "more teas"):
        for command in (["build", "--mind", "attributes"], ["train", "popularity"], ["show", "o'hara"]):
            assert llmrg(*command, "--data", name).exit_code == 0
    with Project("store:teas") as project:
        (run,) = [run.id for run in project.store.runs("teas")]
    assert {one["name"] for one in json.loads(llmrg("data", "stored", "--json").stdout)} == {"teas", "more teas"}
    done = llmrg("forget", "--data-set", "teas", "--yes", "--json")
    told = json.loads(done.stdout)
    assert told["graph_steps"] > 0
    assert not told["in_the_data"]
    kept = sorted(path.relative_to(place / ".llmrg").as_posix() for path in (place / ".llmrg").rglob("teas*"))
    assert kept == []
    assert not list((place / ".llmrg" / "runs").glob(f"{run}*"))
    (left,) = json.loads(llmrg("data", "stored", "--json").stdout)
    assert left["name"] == "more teas"
    assert left["counts"]["graphs"] == 3
    with Project("more teas") as project:
        assert project.trained()
        assert (place / ".llmrg" / "pictures" / "more teas").is_dir()


@pytest.mark.parametrize("name", ["..", ".", "a/../..", "../models"])
def test_no_name_leads_out_of_the_folders(place: Path, name: str) -> None:
    home = place / ".llmrg"
    (home / "models" / "other").mkdir(parents=True)
    with SqliteStore(home / "graphs.db") as store:
        fill(store, name)
    assert llmrg("forget", "--data-set", name, "--yes").exit_code == 0
    assert (home / "models" / "other").is_dir()
    assert (home / "graphs.db").exists()


def test_stored_data_sets_are_listed_with_their_sizes(place: Path) -> None:
    assert json.loads(llmrg("data", "stored", "--json").stdout) == []
    with SqliteStore(place / ".llmrg" / "graphs.db") as store:
        fill_everything(store, "shop")
        store.put_run("run alone", make_run())
    done = llmrg("data", "stored")
    assert done.exit_code == 0
    (line,) = [line for line in done.stdout.splitlines() if "shop" in line]
    assert [cell.strip() for cell in line.strip("│┃").split("│")] == ["shop", "2", "1", "12", "4", "2", "1", "5", "2"]
    assert "run alone" in done.stdout


def test_reports_of_runs_name_the_user_no_longer(place: Path) -> None:
    with Project("teas") as project:
        report = project.build(mind="attributes")
        project.store.set_user_status("teas", report.run, "o'hara", "failed", "no reply for o'hara")
        path = project.write_run_report(report.run)
        assert "o'hara" in path.read_text()
        done = project.forget("o'hara")
        assert str(path) in done.files
    assert files_that_name("o'hara", place / ".llmrg") == []


def test_replies_in_the_call_cache_are_told(place: Path) -> None:
    with Project("teas") as project:
        project.build(mind="attributes")
        assert project.forget("-70415").cached_replies == 0
    cache = SqliteCallCache(place / ".llmrg" / "calls.db")
    cache.add([CachedCall(str(n), "{}", "", [], "m", 1, 1) for n in range(3)])
    cache.close()
    with Project("teas") as project:
        done = project.forget("o'hara")
    assert done.cached_replies == 3
    assert any("llmrg cache clear" in line for line in done.left_to_do())


def test_a_notebook_goes_on_after_it(tmp_path: Path) -> None:
    demo = load_demo()
    first, second = list(demo.histories)[:2]
    with Project(demo.only([first, second]), home=tmp_path) as project:
        project.build(mind="attributes")
        done = project.forget(first)
        assert (done.user, done.data, done.in_the_data) == (first, demo.name, True)
        assert done.graph_steps > 0
        with pytest.raises(GraphNotFoundError):
            project.graph(first)
        assert project.graph(second).steps
        project.build(mind="attributes")  # told above: the data still has the user
        assert project.graph(first).steps
    with Project(f"store:{demo.name}", home=tmp_path) as project:
        assert set(project.dataset.histories) == {first, second}
        assert not project.forget(first).in_the_data
        assert set(project.dataset.histories) == {second}
        project.forget_data_set()
        with pytest.raises(DataError):
            _ = project.dataset


@pytest.mark.parametrize("whole", [False, True])
def test_rows_of_comparisons_go_with_the_user(tmp_path: Path, whole: bool) -> None:
    from llmrg.recommenders import TrainingConfig

    demo = load_demo()
    with Project(demo.only(list(demo.histories)[:4]), home=tmp_path) as project:
        project.build(mind="attributes")
        project.compare(config=TrainingConfig(epochs=1))
        rows = tmp_path / "evaluations" / "demo"
        assert list(rows.glob("*.safetensors"))
        forgotten = project.forget_data_set() if whole else project.forget("reader-001")
        assert str(rows) in forgotten.files
        assert not rows.exists()
