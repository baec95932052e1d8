"""Profiles as a user meets them: in, listed, built from, out again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llmrg.cli.main import app
from llmrg.core.errors import BadRowError, CallerError, ConfigError, DataError
from llmrg.data.demo_set import load_demo
from llmrg.sdk import Project
from llmrg.testing.fake_openai import FakeOpenAI
from llmrg.testing.planted_items import planted_items


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def call(*arguments: str, fails: type[Exception] | None = None) -> Any:
        done = CliRunner().invoke(app, [*arguments, "--home", str(tmp_path / "home")])
        if fails:
            assert isinstance(done.exception, fails), (done.output, done.exception)
            return str(done.exception)
        assert done.exit_code == 0, (done.output, done.exception)
        return done

    return call


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The themes of all books but one, and those of a book that is in no shop."""
    path = tmp_path / "buyers.tsv"
    rows = [f"{item.id}\t{'; '.join(item.values('theme'))}\n" for item in list(load_demo().catalogue)[1:]]
    path.write_text("item\tthemes\n" + "".join(rows) + "no-such-book\tsea\n", encoding="utf-8")
    return path


def test_a_profile_is_imported_listed_built_from_exported_and_deleted(run: Any, table: Path, tmp_path: Path) -> None:
    said = run("profiles", "import", str(table), "--date", "2026-11-30", "--note", "our buyers")
    assert "1 items are not in the data set and were left out: no-such-book" in said.stderr
    (listed,) = json.loads(run("profiles", "list", "--json").stdout)
    assert listed["source"] == {"name": "buyers", "made": "2026-11-30", "verified": False, "note": "our buyers"}
    assert listed["items"] == 399
    shown = run("profiles", "list").stdout
    assert "buyers" in shown
    assert "2026-11-30" in shown
    built = json.loads(run("build", "--mind", "profiles/buyers", "--users", "4", "--json").stdout)
    assert built["built"] == 4
    assert built["counts"]["verify.reasoned.accepted"] > 8
    assert built["counts"]["verify.imagined.accepted"] > 8
    assert sum(mind.get("calls", 0) for mind in built["minds"].values()) == 0
    assert json.loads(run("build", "--mind", "profiles/buyers", "--users", "4", "--json").stdout)["skipped"] == 4
    out = tmp_path / "out.parquet"
    run("profiles", "export", "buyers", str(out))
    run("profiles", "import", str(out), "--as", "again")
    with Project("demo", home=tmp_path / "home") as project:
        assert project.profiles.get("again").appeals == project.profiles.get("buyers").appeals
    run("profiles", "delete", "buyers")
    assert [one["source"]["name"] for one in json.loads(run("profiles", "list", "--json").stdout)] == ["again"]
    assert "there are: again" in run("profiles", "delete", "buyers", fails=CallerError)


def test_two_sources_never_mix_and_a_changed_one_is_built_anew(run: Any, table: Path) -> None:
    run("profiles", "import", str(table), "--as", "one")
    first = json.loads(run("build", "--mind", "profiles/one", "--users", "2", "--json").stdout)
    assert "never mixed" in run("profiles", "import", str(table), "--as", "one", fails=ConfigError)
    text = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(text[:200]), encoding="utf-8")
    run("profiles", "import", str(table), "--as", "one", "--replace")
    assert [one["items"] for one in json.loads(run("profiles", "list", "--json").stdout)] == [199]
    second = json.loads(run("build", "--mind", "profiles/one", "--users", "2", "--json").stdout)
    assert second["run"] != first["run"]
    assert second["built"] == 2


def test_names_dates_and_rows_that_are_off_are_refused(run: Any, table: Path, tmp_path: Path) -> None:
    for name in ("catalogue", "steps", "chat/x/items"):
        assert "--as" in run("profiles", "import", str(table), "--as", name, fails=ConfigError)
    assert "ISO 8601" in run("profiles", "import", str(table), "--date", "yesterday", fails=ConfigError)
    bad = tmp_path / "bad.tsv"
    bad.write_text("item\ttheme\tscore\n" + f"{load_demo().catalogue.ids[0]}\tsea\t-2\n")
    assert "line 2" in run("profiles", "import", str(bad), fails=BadRowError)
    assert "none of its 7,185 items" in run("profiles", "import", "films", fails=DataError)
    assert json.loads(run("profiles", "list", "--json").stdout) == []
    for command in ("build", "estimate"):
        assert "is for a chat model" in run(command, "--mind", "attributes", "--ask", "item", fails=ConfigError)
    assert "has none: `llmrg profiles import`" in run("build", "--mind", "profiles/films", fails=ConfigError)
    run("profiles", "import", str(table))
    assert "this data set has buyers" in run("build", "--mind", "profiles/films", fails=ConfigError)
    assert json.loads(run("build", "--mind", "profiles", "--users", "1", "--json").stdout)["built"] == 1


def test_a_build_that_asks_once_per_item(run: Any) -> None:
    demo = load_demo()
    with FakeOpenAI(planted_items(demo, 0.2)) as server:
        chat = ("--mind", "chat", "--model", f"openai:fake@{server.url}", "--ask", "item")
        said = json.loads(run("estimate", *chat, "--json").stdout)
        assert (said["items"], said["by_item"]) == (400, True)
        assert "About 400 items, asked once" in run("estimate", *chat).stdout
        first = json.loads(run("build", *chat, "--users", "2", "--json").stdout)
        asked = server.seen.answered
        assert first["minds"]["chat/fake/items"]["calls"] == asked > 40
        more = json.loads(run("build", *chat, "--users", "9", "--json").stdout)
        assert (more["built"], more["skipped"]) == (7, 2)
        assert server.seen.answered == asked
        assert json.loads(run("estimate", *chat, "--json").stdout)["calls"] == 0
        (listed,) = json.loads(run("profiles", "list", "--json").stdout)
        assert listed["source"]["name"] == "chat/fake/items"
        assert listed["source"]["verified"]
        assert json.loads(run("build", "--mind", "profiles/chat/fake/items", "--users", "2", "--json").stdout)["built"] == 2
        run("profiles", "delete", "chat/fake/items")
        again = json.loads(run("build", *chat, "--users", "3", "--restart", "--json").stdout)
        assert again["minds"]["chat/fake/items"].get("calls", 0) == 0  # the call cache knows
        assert server.seen.answered == asked
        assert "400 items asked for once" in run("runs", "show", again["run"]).stdout
