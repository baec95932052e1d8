"""Success means success: exit codes of builds that came to nothing, and next commands that work when they are pasted."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from llmrg.cli.main import app
from llmrg.core.errors import ModelAccessError
from llmrg.data.demo_set import load_demo, load_truth
from llmrg.testing.fake_openai import FakeOpenAI
from llmrg.testing.planted_responder import planted_responder

ROWS = ["person,thing,when"]
USERS = ("-r", "it's me", 'q"uote', "a b$c", "*")
ROWS += [
    f'"{user.replace(chr(34), chr(34) * 2)}",{"abcdefgh"[(n + k) % 8]},{k}' for n, user in enumerate(USERS) for k in range(6)
]


def run(*arguments: str, answers: str = "") -> Result:
    return CliRunner().invoke(app, list(arguments), input=answers)


def next_lines(done: Result) -> list[list[str]]:
    """The commands printed as next, split as a shell would, without the program's name."""
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("next: ")]
    found = [shlex.split(command) for command in line.removeprefix("next: ").split("   or   ")]
    assert all(words[0] == "llmrg" for words in found)
    return [words[1:] for words in found]


def empty(body: Any, number: int) -> Any:
    choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "length"}
    return 200, {}, json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}).encode()


def refused(body: Any, number: int) -> Any:
    return 400, {}, json.dumps({"error": {"message": "min_p is out of range"}}).encode()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my shop.csv").write_text("\n".join(ROWS) + "\n")
    return tmp_path


SHOP = ("--data", "my shop.csv", "--columns", "user=person,item=thing,time=when", "--home", "my home")


@pytest.fixture(scope="module")
def chat() -> Iterator[tuple[str, ...]]:
    """Options of a chat mind that has a reason for everything."""
    steps = [{"position": n, "cause": None, "reason": "sea air"} for n in range(1, 20)]
    with FakeOpenAI(lambda messages: json.dumps({"steps": steps})) as server:
        yield ("--mind", "chat", "--model", f"openai:fake@{server.url}", "--no-verification", "--no-divergence")


def test_next_commands_carry_the_options_and_work_when_pasted(chat: tuple[str, ...], shop: Path) -> None:
    done = run("build", *SHOP, *chat)
    assert done.exit_code == 0, done.output
    show, train = next_lines(done)
    assert "user=person,item=thing,time=when" in show
    assert show[-2:] == ["--", "-r"]
    shown = run(*show)
    assert shown.exit_code == 0, shown.output
    assert sorted(train) == sorted(["train", *SHOP])
    listed = run("runs", "list", *SHOP)
    (report,) = next_lines(listed)
    assert run(*report).exit_code == 0


@pytest.mark.parametrize("user", USERS)
def test_any_user_can_be_shown(user: str, chat: tuple[str, ...], shop: Path) -> None:
    done = run("build", *SHOP, *chat, f"--user={user}")
    assert done.exit_code == 0, done.output
    show, _ = next_lines(done)
    assert show[-1] == user or user in show
    assert run(*show).exit_code == 0


def test_what_waits_is_asked_about_with_the_store_that_was_named(shop: Path) -> None:
    store = f"sqlite:///{shop}/other place.db"
    run("build", "--store", store, "--mind", "attributes", "--users", "3", "--tau", "0.98", "--review-from", "0.2")
    listed = run("review", "list", "--store", store)
    ask, accept = next_lines(listed)
    assert ask == ["review", "ask", "--store", store]
    assert run(*accept).exit_code == 0
    assert run(*ask, answers="q\n").exit_code == 0


def test_the_same_question_is_asked_once(shop: Path) -> None:
    from llmrg.agents.review import WaitingStep
    from llmrg.cli.review import same_questions

    def step(key: str, user: str, reason: str = "sea", kind: str = "reasoned", title: str = "Emma") -> WaitingStep:
        return WaitingStep(key, user, kind, "Dune", reason, title, 0.5, "")

    steps = [step("1", "u"), step("2", "v", "Sea"), step("3", "u", "land"), step("4", "w", kind="imagined"), step("5", "w")]
    assert [[one.key for one in alike] for alike in same_questions(steps)] == [["1", "2", "5"], ["3"], ["4"]]


def test_an_answer_is_for_all_steps_of_the_question(shop: Path) -> None:
    run("build", "--mind", "attributes", "--users", "40", "--tau", "0.98", "--review-from", "0.2", "--no-divergence")
    waiting = json.loads(run("review", "list", "--json").stdout)
    kinds = {(one["kind"], one["cause"].casefold(), one["reason"].casefold(), one["title"].casefold()) for one in waiting}
    assert len(kinds) < len(waiting)
    done = run("review", "ask", answers="r\n" * len(kinds))
    assert done.exit_code == 0, done.output
    assert f"{len(waiting)} rejected, 0 still wait" in done.stderr


@pytest.mark.parametrize("as_json", [False, True])
def test_a_build_of_which_nothing_came_fails_and_says_why(as_json: bool, shop: Path) -> None:
    with FakeOpenAI(planted_responder(load_demo(), load_truth(), 0.1), raw=empty) as server:
        chat = ("--mind", "chat", "--model", f"openai:fake@{server.url}", "--home", "h h", "--users", "2", "--last", "4")
        done = run("build", *chat, *(["--json"] if as_json else []))
    assert done.exit_code == 4
    assert "no graph was built: all 2 users failed" in done.stderr
    assert "max_tokens" in done.stderr  # the way out of replies that are cut short
    assert "train" not in done.stderr
    assert next_lines(done) == [["build", "--home", "h h", *chat[:4], *chat[6:], "--retry-failed"]]
    if as_json:
        assert json.loads(done.stdout)["problem"].startswith("no graph was built")


def test_a_build_that_accepts_nothing_fails_too(shop: Path) -> None:
    (shop / "strangers.csv").write_text("user,item,time\n" + "\n".join(f"u,{n},{n}" for n in range(6)) + "\n")
    done = run("build", "--data", "strangers.csv", "--mind", "attributes", "--tau", "1", "--no-divergence")
    assert done.exit_code == 1, done.output
    assert "no step was accepted for any of 1 users" in done.stderr
    assert next_lines(done)[0][:2] == ["runs", "show"]
    again = run("build", "--data", "strangers.csv", "--mind", "attributes", "--tau", "1", "--no-divergence")
    assert again.exit_code == 1, again.output
    assert "earlier call that accepted none" in again.stderr


def test_what_is_refused_for_good_stops_the_build(shop: Path) -> None:
    with FakeOpenAI(planted_responder(load_demo(), load_truth(), 0.1), raw=refused) as server:
        done = run("build", "--mind", "chat", "--model", f"openai:fake@{server.url}", "--last", "4")
        assert server.seen.requests <= 20
    assert isinstance(done.exception, ModelAccessError)
    assert "min_p is out of range" in str(done.exception)


def test_a_chosen_form_is_asked_in(shop: Path) -> None:
    with FakeOpenAI(planted_responder(load_demo(), load_truth(), 0.1), keep_requests=True) as server:
        chat = ("--mind", "chat", "--model", f"openai:fake@{server.url}", "--users", "1", "--last", "4")
        assert run("build", *chat, "--form", "tools").exit_code == 0
        assert all(body.get("tools") for body in server.seen.bodies)
    assert run("build", "--form", "xml").exit_code == 2
