"""Prompt files: what they need, and how runs tell them apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llmrg.agents.chat.prompts import FOLDER, ITEM_ROLES, ROLES, load_prompt, prompt_versions, render_items, render_pick
from llmrg.agents.minds.chat import ChatConfig, ChatMind
from llmrg.cli.main import app
from llmrg.core.errors import ConfigError
from llmrg.testing.scripted_chat import ScriptedChatModel

GOOD = {
    "reason": '{"steps": [{"position": 1, "cause": null, "reason": "r"}]}',
    "verify": '{"answers": [{"question": 1, "choice": 1, "confidence": 1}]}',
    "imagine": '{"continuations": [{"chain": 1, "reason": "r", "title": "t"}]}',
}


def write(folder: Path, version: str = "8", task: str = "t $noun", **said: str) -> Path:
    folder.mkdir(exist_ok=True)
    for role in ROLES:
        text = f"# version {version}\n## task\n{task}\n## example input\nx\n## example output\n{said.get(role, GOOD[role])}\n"
        (folder / f"{role}.txt").write_text(text)
    return folder


def test_shipped_prompts_have_plain_versions_and_others_a_hash(tmp_path: Path) -> None:
    assert all(version.isdigit() for version in prompt_versions().values())
    copy = tmp_path / "copy"
    copy.mkdir()
    for role in ROLES:
        (copy / f"{role}.txt").write_text((FOLDER / f"{role}.txt").read_text())
    assert prompt_versions(copy) == prompt_versions()
    (copy / "reason.txt").write_text((copy / "reason.txt").read_text().replace("wry", "dry"))
    edited = prompt_versions(copy)
    assert edited["reason"].startswith("1+")
    assert edited["verify"] == "1"


@pytest.mark.parametrize(
    ("task", "said", "told"),
    [
        ("t $nuon", {}, r"reason\.txt has a placeholder that is not known.*nuon"),
        ("costs $5", {}, "placeholder"),
        ("t", {"reason": "no JSON"}, r"example output of the prompt .*reason\.txt"),
        ("t", {"reason": '{"steps": []}'}, "is empty"),
        ("t", {"reason": GOOD["verify"]}, "example output"),
    ],
)
def test_mistakes_in_a_prompt_are_named(task: str, said: dict[str, str], told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        load_prompt("reason", write(tmp_path / "p", task=task, **said))


async def test_an_edited_text_of_the_same_version_is_another_run(shelf, build_with, tmp_path: Path) -> None:
    dataset = shelf({"Emma": ("a",), "Dune": ("b",)}, {"u": ["emma", "dune"]})
    runs = []
    for task in ("one", "two"):
        folder = write(tmp_path / task, task=task)
        mind = ChatMind(ScriptedChatModel(lambda _: json.dumps({"steps": []})), dataset, ChatConfig(prompts=folder))
        runs.append((await build_with(dataset, mind)).run)
    assert runs[0] != runs[1]


def test_show_write_and_diff(tmp_path: Path) -> None:
    run = CliRunner()
    shown = run.invoke(app, ["prompts", "show", "verify"])
    assert "QUESTIONS" in shown.stdout
    whole = run.invoke(app, ["prompts", "show", "verify", "--user", "reader-001", "--home", str(tmp_path)])
    assert whole.stdout.count("--- human ---") == 2
    assert "???" in whole.stdout
    mine = tmp_path / "mine"
    assert run.invoke(app, ["prompts", "write", str(mine)]).exit_code == 0
    assert run.invoke(app, ["prompts", "diff", str(mine)]).exit_code == 0
    assert isinstance(run.invoke(app, ["prompts", "write", str(mine)]).exception, ConfigError)
    (mine / "reason.txt").write_text((mine / "reason.txt").read_text().replace("wry", "dry"))
    differs = run.invoke(app, ["prompts", "diff", str(mine)])
    assert differs.exit_code == 1
    assert '+"dry social comedy"' in differs.stdout
    assert isinstance(run.invoke(app, ["prompts", "show", "think"]).exception, ConfigError)
    assert "ITEMS" in run.invoke(app, ["prompts", "show", "items"]).stdout
    assert isinstance(run.invoke(app, ["prompts", "show", "pick", "--user", "reader-001"]).exception, ConfigError)
    (mine / "pick.txt").unlink()  # who asks per user needs none
    assert run.invoke(app, ["prompts", "diff", str(mine)]).exit_code == 1


def test_what_is_asked_about_items_is_rendered_like_this(shelf) -> None:
    catalogue = shelf({"Emma": ("love",), "Dune": ("desert",)}, {}).catalogue
    asked = render_items(["emma", "dune"], catalogue, ("sea", "»x«"), {"dune": ["sea"]}, ("theme",))
    assert asked.splitlines() == [
        *("REASONS SO FAR", "«sea» «›x‹»", "ITEMS", "[1] «Emma» («theme: love»)", "[2] «Dune» («theme: desert»)"),
        *("REJECTED BEFORE", "[2] «sea»"),
    ]
    picked = render_pick([("dune", ("sea", "desert")), ("emma", ("love",))], catalogue)
    assert picked.splitlines() == ["PICK", "[1] «Dune»", "(1) «sea»", "(2) «desert»", "[2] «Emma»", "(1) «love»"]


def test_the_prompts_about_items_have_versions_and_name_their_own_files(tmp_path: Path) -> None:
    assert all(version.isdigit() for version in prompt_versions(roles=ITEM_ROLES).values())
    with pytest.raises(ConfigError, match=r"needs items\.txt, pick\.txt"):
        prompt_versions(write(tmp_path / "p"), ITEM_ROLES)
