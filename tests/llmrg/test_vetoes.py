"""Lists of reasons that are not wanted, as a shop meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llmrg.cli.main import app
from llmrg.core.errors import ConfigError, DataError, PlaceError
from llmrg.sdk import Project

BUILD = ("build", "--mind", "attributes", "--users", "6", "--json")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, fails: type[Exception] | None = None) -> Any:
        done = CliRunner().invoke(app, arguments)
        if fails:
            assert isinstance(done.exception, fails), (done.output, done.exception)
            return str(done.exception)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.stdout

    return call


def reasons(**settings: Any) -> dict[str, int]:
    with Project("demo", **settings) as project:
        steps = [step for graph in project.graphs().values() for step in graph.steps]
    found = [step.reason for step in steps]
    return {reason: found.count(reason) for reason in set(found)}


def test_a_build_keeps_denied_reasons_out_and_its_items_have_others(run: Any, tmp_path: Path) -> None:
    plain = json.loads(run(*BUILD))
    most = sorted(reasons(), key=lambda reason: -reasons()[reason])[:3]
    (tmp_path / "denied.txt").write_text("# ours\n" + "\n".join(word.upper() for word in most), encoding="utf-8-sig")
    strict = json.loads(run(*BUILD, "--deny", "denied.txt"))
    assert not set(most) & set(reasons())
    assert strict["run"] != plain["run"]
    explained = strict["counts"]["verify.reasoned.accepted"]
    assert explained > 0.5 * plain["counts"]["verify.reasoned.accepted"]
    assert json.loads(run(*BUILD, "--deny", "denied.txt"))["skipped"] == 6
    (tmp_path / "llmrg.toml").write_text('deny_reasons = "denied.txt"\n')
    assert json.loads(run(*BUILD))["run"] == strict["run"], "a setting and an option are one"


def test_only_allowed_reasons_and_no_sensitive_ones(run: Any, tmp_path: Path) -> None:
    run(*BUILD)
    assert {"religion", "grief", "mental illness"} & set(reasons())
    run(*BUILD, "--no-sensitive")
    assert not {"religion", "grief", "mental illness"} & set(reasons())
    (tmp_path / "allowed.txt").write_text("ghosts\nsea*\nmurder\n")
    run(*BUILD, "--allow", "allowed.txt")
    assert set(reasons()) <= {"ghosts", "sea", "seafaring", "sea voyage", "murder"}
    assert reasons()


def test_a_list_that_cannot_be_used_is_one_clear_line(run: Any, tmp_path: Path) -> None:
    assert "nowhere.txt" in run(*BUILD, "--deny", "nowhere.txt", fails=PlaceError)
    (tmp_path / "bad.txt").write_text("fine\nso*so\n")
    assert "bad.txt, line 2: 'so*so'" in run(*BUILD, "--allow", "bad.txt", fails=ConfigError)


def test_graphs_of_before_do_not_show_what_is_denied_now(run: Any, tmp_path: Path) -> None:
    run(*BUILD)
    run("train", "--model", "popularity")
    with Project("demo") as project:
        graphs = project.graphs()
        user, step = next((user, s) for user, graph in graphs.items() for s in graph.reasoned() if s.cause_kind == "item")
    before = run("explain", user, step.item, "--json")
    assert step.reason in before
    run("show", user, "--output", "before.html")
    assert f"Reason: {step.reason}\n" in Path("before.html").read_text(encoding="utf-8")
    (tmp_path / "denied.txt").write_text(step.reason)
    (tmp_path / "llmrg.toml").write_text('deny_reasons = "denied.txt"\n')
    after = json.loads(run("explain", user, step.item, "--json"))
    assert step.reason not in {one["reason"] for one in after["steps"]}
    run("show", user, "--output", "after.html")
    assert f"Reason: {step.reason}\n" not in Path("after.html").read_text(encoding="utf-8")


def test_reasons_are_listed_with_their_uses_and_whether_they_are_vetoed(run: Any, tmp_path: Path) -> None:
    assert json.loads(run("reasons", "--json")) == []
    run(*BUILD)
    listed = json.loads(run("reasons", "--json", "--top", "1000"))
    counted = {use["reason"]: use["steps"] for use in listed}
    with Project("demo") as project:
        accepted = [s.reason for graph in project.graphs().values() for s in graph.steps if s.accepted]
    assert counted == {reason: accepted.count(reason) for reason in set(accepted)}
    assert list(counted.values()) == sorted(counted.values(), reverse=True)
    assert all(0 < use["users"] <= min(6, use["steps"]) and not use["vetoed"] for use in listed)
    (tmp_path / "denied.txt").write_text(listed[1]["reason"].title())
    tried = json.loads(run("reasons", "--deny", "denied.txt", "--top", "3", "--json"))
    assert [use["vetoed"] for use in tried] == [False, True, False]
    assert "vetoed" in run("reasons", "--deny", "denied.txt", "--top", "3")
    assert not any(use["vetoed"] for use in json.loads(run("reasons", "--json")))


@pytest.mark.parametrize("command", ["estimate", "calibrate"])
def test_what_is_asked_before_a_build_takes_its_lists_too(command: str, run: Any, tmp_path: Path) -> None:
    assert "nowhere.txt" in run(command, "--mind", "attributes", "--deny", "nowhere.txt", fails=PlaceError)


def test_a_calibration_judges_allowed_reasons_only(run: Any, tmp_path: Path) -> None:
    (tmp_path / "allowed.txt").write_text("no book has this\n")
    assert "0 steps" in run("calibrate", "--mind", "attributes", "--users", "20", "--allow", "allowed.txt", fails=DataError)
