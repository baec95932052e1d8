"""Graphs, runs and recommenders of two data sets never meet, on the command line and in the SDK."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from llmrg import Project
from llmrg.cli.main import app
from llmrg.core.errors import ConfigError, DataError


def shop(folder: Path, kind: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"u{n % 4},{(n * 7 + n // 4) % 9},{n}" for n in range(32)]
    (folder / "interactions.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    moods = ("dark", "light", "odd")
    items = [f"{n},{kind} {n},{moods[n % 3]}|{moods[(n + 1) % 3]}" for n in range(9)]
    (folder / "items.csv").write_text("\n".join(["item_id,title,mood", *items]) + "\n")
    return folder


def llmrg(*arguments: object) -> str:
    """What the command says; its error, if it ends with one."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return getattr(done.exception, "on_shell", "") or done.output


def test_two_folders_of_one_name_do_not_meet(tmp_path: Path) -> None:
    plates, cups, home = shop(tmp_path / "a" / "data", "Plate"), shop(tmp_path / "b" / "data", "Cup"), tmp_path / "home"
    build = ("build", "--mind", "attributes", "--home", home)
    assert "4 built" in llmrg(*build, "--data", plates)
    refused = llmrg(*build, "--data", cups)
    assert "holds another data set named 'data': item" in refused
    assert "--name" in refused
    assert "4 built" in llmrg(*build, "--data", cups, "--name", "cups")
    with Project(plates, home=home) as mine, Project(cups, home=home, name="cups") as other:
        assert mine.graph("u0").steps
        assert {other.dataset.catalogue[step.item].title.split()[0] for step in other.graph("u0").steps} == {"Cup"}
    with Project(cups, home=home) as wrong, pytest.raises(DataError, match="another data set named 'data'"):
        wrong.graphs()


def test_recommenders_of_two_data_sets_do_not_meet(tmp_path: Path) -> None:
    plates, cups, home = shop(tmp_path / "a" / "data", "Plate"), shop(tmp_path / "b" / "data", "Cup"), tmp_path / "home"
    with Project(plates, home=home) as project:
        project.train("popularity")
    with Project(cups, home=home) as project:
        for ask in (project.recommender, lambda: project.train("popularity"), project.trained):
            with pytest.raises(DataError, match="another data set named 'data'"):
                ask()


def test_a_data_set_that_grew_goes_on(tmp_path: Path) -> None:
    folder, home = shop(tmp_path / "data", "Plate"), tmp_path / "home"
    build = ("build", "--mind", "attributes", "--home", home, "--data", folder)
    assert "4 built" in llmrg(*build)
    assert "0 built, 4 done before" in llmrg(*build)
    with (folder / "interactions.csv").open("a") as file:
        file.write("u0,7,99\nnew,1,100\n")
    assert "2 built, 3 done before" in llmrg(*build)
    moved = folder.rename(tmp_path / "elsewhere")
    assert "another data set" not in llmrg("build", "--mind", "attributes", "--home", home, "--data", moved, "--name", "data")


def test_a_core_has_a_name_of_its_own(tmp_path: Path) -> None:
    folder = shop(tmp_path / "data", "Plate")
    with Project(folder, home=tmp_path, load={"min_interactions": 2}) as core:
        assert core.name == "data-2core"


def test_frames_have_names(tmp_path: Path) -> None:
    one = pd.DataFrame({"user": ["a", "a"], "item": ["x", "y"]})
    with Project(one, home=tmp_path) as project, Project(one.assign(item=["z", "y"]), home=tmp_path) as other:
        assert project.name != other.name
    with Project(one, home=tmp_path, name="mine") as named:
        assert named.name == "mine"
    with pytest.raises(ConfigError, match="names a data set of the store"):
        Project("store:shop", name="mine")


def test_inspect_says_what_it_understood(tmp_path: Path) -> None:
    folder = shop(tmp_path / "data", "Plate")
    told = llmrg("data", "inspect", folder)
    for word in ("taken for", "timestamp", "attribute", "first rows as understood", "Plate 0"):
        assert word in told
    (tmp_path / "odd.csv").write_text("a;b;c\nann;1;x\n")
    refused = llmrg("data", "inspect", tmp_path / "odd.csv")
    assert "--columns user=" in refused
    assert "columns={" not in refused
    told = llmrg("data", "inspect", tmp_path / "odd.csv", "--columns", "user=a,item=b,title=c", "--list-separator", "x=,")
    assert "user, as you said" in told


def test_options_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item\na,x\n")
    for option, value, words in (
        ("--columns", "user", "--columns takes name=column pairs"),
        ("--columns", "user=a,user=b", "names a role twice"),
        ("--name", "a/b", "cannot be the name of a data set"),
    ):
        assert words in llmrg("data", "inspect", tmp_path / "log.csv", option, value)
    both = llmrg("data", "inspect", tmp_path / "log.csv", "--list-separator", ",", "--list-separator", "a=;")
    assert "--list-separator takes one separator for all" in both


def test_a_forgotten_user_is_not_remembered_here_either(tmp_path: Path) -> None:
    folder, home = shop(tmp_path / "data", "Plate"), tmp_path / "home"
    with Project(folder, home=home) as project:
        project.train("popularity")
        kept = home / "models" / "data" / "data_set.json"
        assert '"u1"' in kept.read_text()
        assert str(kept) in project.forget("u1").files
        assert '"u1"' not in kept.read_text()


def test_a_settings_file_names_the_data_and_how_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop(tmp_path / "other", "Cup")
    (tmp_path / "orders.csv").write_text("who;what\n" + "".join(f"u{n % 3};{n % 5}\n" for n in range(15)))
    (tmp_path / "llmrg.toml").write_text(
        'data = "orders.csv"\nmind = "attributes"\n[load]\nname = "shop"\n[load.columns]\nuser = "who"\nitem = "what"\n'
    )
    monkeypatch.chdir(tmp_path)
    assert "u0" in llmrg("data", "inspect")
    assert "orders.csv" in llmrg("data", "inspect")
    assert '"name": "shop"' in llmrg("data", "inspect", "--json")
    assert '"name": "other"' in llmrg("data", "inspect", "other", "--json")  # the columns of orders.csv are not those of this one
    assert "models/shop" in llmrg("train", "popularity").replace("\n", "")
    (tmp_path / "llmrg.toml").write_text('data = "orders.csv"\n[load]\ncolums = "x"\n')
    assert "data are not read by 'colums'" in llmrg("data", "inspect")
