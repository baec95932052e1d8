"""`llmrg prompts`: what chat models are asked, and prompts of one's own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from llmrg.cli.app import Data, Home, Store, app, project
from llmrg.cli.next_command import PLAIN
from llmrg.console import err

prompts_app = typer.Typer(no_args_is_help=True, help="What chat models are asked, and prompts of your own.")
app.add_typer(prompts_app, name="prompts")

Folder = Annotated[
    Path | None, typer.Option("--prompts", help="Folder of prompts of your own [default: LLMRG_PROMPTS, or ours].")
]
DIFFERS = 1


@prompts_app.command()
def show(
    role: Annotated[str, typer.Argument(help="reason, verify or imagine; asked once per item: items or pick.")] = "reason",
    prompts: Folder = None,
    data: Data = "",
    store: Store = None,
    home: Home = None,
    user: Annotated[str | None, typer.Option("--user", "-u", help="Show a whole request for this user.")] = None,
) -> None:
    """A prompt as it stands in its file; with --user, all messages of a request for that user's last items.

    \b
    Examples:
      llmrg prompts show verify
      llmrg prompts show reason --user reader-001
    """
    from llmrg.agents.chat.prompts import FOLDER, ITEM_ROLES, load_prompt, version_of
    from llmrg.core.errors import ConfigError
    from llmrg.core.settings import load_settings

    folder = load_settings(prompts=prompts).prompts or FOLDER
    role_name = _role(role)
    if user is not None and role_name in ITEM_ROLES:
        raise ConfigError(f"{role_name} is asked about items, not about a user's; leave --user out")
    prompt = load_prompt(role_name, folder)
    if user is None:
        typer.echo((folder / f"{role_name}.txt").read_text(encoding="utf-8").rstrip())
    else:
        with project(data, store, home) as opened:
            for message in _request(opened, role_name, user, folder):
                typer.echo(f"--- {message.type} ---\n{message.text}")
    err.print(f"version {version_of(role_name, prompt)}, {folder / f'{role_name}.txt'}", highlight=False)


@prompts_app.command()
def diff(folder: Annotated[Path, typer.Argument(help="Folder of prompts of your own.")]) -> None:
    """How your prompts differ from ours; ends with 1 where they do.

    \b
    Example: llmrg prompts diff my_prompts
    """
    import difflib

    from llmrg.agents.chat.prompts import FOLDER, ITEM_ROLES, ROLES, load_prompt

    differs = False
    for role in (*ROLES, *(role for role in ITEM_ROLES if (folder / f"{role}.txt").exists())):
        ours, yours = load_prompt(role), load_prompt(role, folder)
        texts = [(place / f"{role}.txt").read_text(encoding="utf-8").splitlines() for place in (FOLDER, folder)]
        lines = list(difflib.unified_diff(texts[0], texts[1], f"ours/{role}.txt", f"{folder}/{role}.txt", lineterm=""))
        for line in lines:
            typer.echo(line)
        differs = differs or bool(lines)
        if ours != yours and ours.version == yours.version:
            err.print(f"{role}: the text differs, the version does not; runs tell them apart by a hash", highlight=False)
    if differs:
        raise typer.Exit(DIFFERS)


@prompts_app.command()
def write(folder: Annotated[Path, typer.Argument(help="Folder to make.")]) -> None:
    """Copy our prompts into a folder, to be changed there; nothing is overwritten.

    \b
    Example: llmrg prompts write my_prompts && llmrg build --mind chat --model openai:NAME --prompts my_prompts
    """
    from llmrg.agents.chat.prompts import FOLDER, ITEM_ROLES, ROLES
    from llmrg.core.errors import ConfigError
    from llmrg.core.places import written

    roles = (*ROLES, *ITEM_ROLES)
    there = [str(folder / f"{role}.txt") for role in roles if (folder / f"{role}.txt").exists()]
    if there:
        raise ConfigError(f"{', '.join(there)} would be overwritten; name another folder, or take them away first")
    for role in roles:
        written(folder / f"{role}.txt", (FOLDER / f"{role}.txt").read_text(encoding="utf-8"))
    then = shlex.join(["llmrg", "build", "--prompts", str(folder)])
    err.print(f"wrote {folder}; change the texts and their versions, then: {then}", **PLAIN)


def _role(role: str) -> Any:
    from llmrg.agents.chat.prompts import ITEM_ROLES, ROLES
    from llmrg.core.errors import ConfigError

    if role not in (*ROLES, *ITEM_ROLES):
        raise ConfigError(f"no prompt has the role {role!r}; the roles are {', '.join((*ROLES, *ITEM_ROLES))}")
    return role


def _request(opened: Any, role: str, user: str, folder: Path) -> list[Any]:
    """The messages of one request for the user's last block; steps to verify, and chains, come from shared attributes."""
    import asyncio
    import contextlib

    from llmrg.agents.minds.attributes import AttributesMind
    from llmrg.agents.minds.chat import ChatConfig, ChatMind
    from llmrg.agents.protocols import Block, Cut, OpenChain
    from llmrg.core.errors import DataError, ModelReplyError
    from llmrg.testing.scripted_chat import ScriptedChatModel

    history = opened.dataset.history(user)
    positions = tuple(range(max(0, len(history) - 10), len(history)))
    model = ScriptedChatModel(lambda _: "{}")
    mind, free = ChatMind(model, opened.dataset, ChatConfig(prompts=folder)), AttributesMind(opened.dataset)

    async def ask() -> None:
        block = Block(user, history, positions)
        steps = [] if role == "reason" else await free.reason(block)
        if role == "reason":
            await mind.reason(block)
        elif role == "verify":
            await mind.verify(block, steps)
        else:
            last = {step.item: step for step in steps}.values()
            chains = [OpenChain(n, s.item, s.position, s.reason, 1.0) for n, s in enumerate(reversed(list(last)[-3:]))]
            await mind.imagine(Cut(user, history, len(history), tuple(chains)))

    with contextlib.suppress(ModelReplyError):  # nobody replies; the request is what is wanted
        asyncio.run(ask())
    if not model.requests:
        raise DataError(f"user {user!r} has nothing to {role} for a request; name another user")
    return list(model.requests[0])
