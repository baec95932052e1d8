"""Commands around a build with a chat model: estimate, build, runs, cache, calibrate, review. A fake server answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llmrg.cli.main import app
from llmrg.core.errors import BudgetSpentError, ConfigError, LlmrgError
from llmrg.data.demo_set import load_demo, load_truth
from llmrg.testing.fake_openai import FakeOpenAI
from llmrg.testing.planted_responder import planted_responder


@pytest.fixture(scope="module")
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(planted_responder(load_demo(), load_truth(), 0.2)) as running:
        yield running


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cli")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    yield folder
    patch.undo()


@pytest.fixture(scope="module")
def run(server: FakeOpenAI, place: Path) -> Any:
    def call(*arguments: str, answers: str = "", fails: type[LlmrgError] | None = None) -> Any:
        chat = ("--mind", "chat", "--model", f"openai:fake@{server.url}")
        done = CliRunner().invoke(app, [a for one in arguments for a in (chat if one == "CHAT" else (one,))], input=answers)
        if fails:
            assert isinstance(done.exception, fails), done.output
            return str(done.exception)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.stdout

    return call


@pytest.fixture(scope="module")
def built(run: Any, place: Path) -> dict[str, Any]:
    (place / "prices.toml").write_text('currency = "EUR"\n["openai:fake"]\ninput = 1.0\noutput = 4.0\n')
    found: dict[str, Any] = json.loads(run("build", "CHAT", "--users", "6", "--review-from", "0.1", "--json"))
    return found


def test_a_build_says_what_it_cost(built: dict[str, Any], server: FakeOpenAI, place: Path) -> None:
    assert built["built"] == 6
    (mind,) = built["minds"].values()
    assert mind["calls"] == server.seen.answered > 0
    assert mind["tokens"] == server.seen.tokens
    assert mind["money"] == pytest.approx((mind["input_tokens"] + 4 * mind["output_tokens"]) / 1e6)
    assert built["currency"] == "EUR"
    assert len(built["dearest"]) == 6
    assert {path.suffix for path in (place / ".llmrg" / "runs").iterdir()} == {".md", ".json"}


def test_an_estimate_learns_from_it_and_asks_nothing(built: dict[str, Any], run: Any, server: FakeOpenAI) -> None:
    seen = server.seen.requests
    said = json.loads(run("estimate", "CHAT", "--users", "40", "--counted", "10", "--json"))
    assert server.seen.requests == seen
    assert said["habits"]["run"] == built["run"]
    assert said["money"] > 0
    assert "tokens read" in run("estimate", "CHAT", "--users", "5")


def test_the_report_of_a_run(built: dict[str, Any], run: Any, place: Path) -> None:
    told = json.loads(run("runs", "show", built["run"][:6], "--json"))
    assert told["users"] == {"done": 6}
    assert told["totals"]["calls"] == built["minds"]["chat/fake"]["calls"]
    assert sum(told["stages"][stage].get("calls", 0) for stage in told["stages"]) == told["totals"]["calls"]
    rejected = sum(built["counts"].get(f"verify.{kind}.rejected", 0) for kind in ("reasoned", "imagined"))
    assert sum(told["rejected because"].values()) == rejected > 0
    page = run("runs", "show")
    assert "## Cost per stage" in page
    run("runs", "show", "--write", str(place / "report.md"))
    assert (place / "report.md").read_text().startswith(f"# Run {built['run']}")
    assert built["run"] in run("runs", "list")
    assert "llmrg runs list" in run("runs", "show", "nosuch", fails=ConfigError)


def test_the_cache_rebuilds_the_same_without_a_call(built: dict[str, Any], run: Any, server: FakeOpenAI, place: Path) -> None:
    assert json.loads(run("cache", "stats", "--json"))[0]["replies"] == server.seen.answered
    run("cache", "export", str(place / "calls.jsonl.gz"))
    home = ("--home", str(place / "other"))
    assert "nothing is kept" in CliRunner().invoke(app, ["cache", "clear", *home]).output
    run("cache", "import", str(place / "calls.jsonl.gz"), *home)
    seen = server.seen.requests
    again = json.loads(run("build", "CHAT", "--users", "6", "--review-from", "0.1", "--max-calls", "0", "--json", *home))
    assert server.seen.requests == seen
    assert (again["run"], again["counts"]["verify.reasoned.accepted"]) == (
        built["run"],
        built["counts"]["verify.reasoned.accepted"],
    )
    run("cache", "clear", "--yes", *home)
    assert json.loads(run("cache", "stats", "--json", *home)) == []


def test_budgets_and_bad_settings(built: dict[str, Any], run: Any) -> None:
    assert "budget of 3 calls is spent" in run("build", "CHAT", "--users", "8", "--max-calls", "3", fails=BudgetSpentError)
    assert "EUR is spent" in run("build", "CHAT", "--users", "9", "--last", "5", "--max-money", "0.0001", fails=BudgetSpentError)
    assert "above tau" in run("build", "CHAT", "--tau", "0.3", "--review-from", "0.4", fails=ConfigError)
    assert "not '2'" in run("build", "CHAT", "--tau", "2", fails=ConfigError)
    assert "no mind is named" in run("build", "--mind", "psychic", fails=ConfigError)
    assert "with its provider" in run("build", "--mind", "chat", "--model", "gpt", fails=ConfigError)


def test_a_sample_is_the_same_each_time(run: Any) -> None:
    told = [json.loads(run("build", "--mind", "attributes", "--sample", "3", "--json")) for _ in range(2)]
    assert (told[0]["built"], told[1]["skipped"]) == (3, 3)
    assert json.loads(run("build", "--mind", "attributes", "--sample", "3", "--retry-failed", "--json"))["users"] == 0


def test_calibrate_and_build_with_its_threshold(run: Any, place: Path) -> None:
    assert "llmrg calibrate" in run("build", "CHAT", "--users", "2", "--tau", "calibrated", fails=ConfigError)
    told = json.loads(run("calibrate", "CHAT", "--users", "12", "--false-accepts", "0.1", "--json"))
    assert told["auc"]["all"]["value"] > 0.8
    (picture,) = (place / ".llmrg" / "calibration" / "demo").glob("chat_fake*.svg")  # one for each server
    assert picture.read_text().startswith("<svg")
    report = json.loads(run("build", "CHAT", "--users", "2", "--tau", "calibrated", "--json"))
    assert report["built"] == 2
    assert "Calibration of chat/fake" in run("runs", "show", report["run"])


def test_review(built: dict[str, Any], run: Any) -> None:
    waiting = json.loads(run("review", "list", "--json"))
    if len(waiting) < 3:
        run("build", "--mind", "attributes", "--users", "12", "--tau", "0.98", "--review-from", "0.5", "--no-divergence")
        waiting = json.loads(run("review", "list", "--json"))
    assert len(waiting) >= 3
    run("review", "accept", waiting[0]["key"][:10])
    run("review", "reject", waiting[1]["key"])
    assert "no waiting step begins with" in run("review", "accept", waiting[0]["key"], fails=LlmrgError)
    user = waiting[2]["user"]
    before = len(json.loads(run("review", "list", "--user", user, "--json")))
    run("review", "ask", "--user", user, answers="a\nq\n")
    assert len(json.loads(run("review", "list", "--user", user, "--json"))) == before - 1
