"""Commands to go on with, as they can be pasted: with the options that this call was given, quoted for the shell."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, Final

import typer

from llmrg.console import err

PLAIN: Final = {"highlight": False, "markup": False, "soft_wrap": True}
"""How a line is printed that may be pasted."""
_ONE_CALL: Final = ("as_json", "output", "limit")
"""Options that are of one call only, whatever other command has them too."""


def print_next(*commands: str) -> None:
    """Args: commands: as `next_command` makes them."""
    err.print(f"next: {'   or   '.join(commands)}", **PLAIN)


def next_command(
    context: typer.Context, path: str, arguments: Sequence[str] = (), *, without: Sequence[str] = (), **options: Any
) -> str:
    """A command line.

    Args:
        context: of the command that was given; its options go along where the other command has the same.
        path: of the other command, such as `runs show`.
        arguments: its own.
        without: names of options that stay behind.
        options: its own, or in place of those given; None leaves one out.
    """
    given = _given(context, path)
    for name in (*without, *_ONE_CALL):
        given.pop(name, None)
    given |= {name: (f"--{name.replace('_', '-')}", value) for name, value in options.items()}
    words = ["llmrg", *path.split()]
    positional = [shlex.quote(argument) for argument in arguments]
    dashed = any(argument.startswith("-") for argument in arguments)
    if not dashed:
        words += positional
    for option, value in given.values():
        for part in value if isinstance(value, list | tuple) else [value]:
            words += _words(option, part)
    return " ".join([*words, *(["--", *positional] if dashed else [])])


def _given(context: typer.Context, path: str) -> dict[str, tuple[str, Any]]:
    """Name -> (option, value), of the options on this command line that mean the same there: same name, same help."""
    other: Any = context.find_root().command
    for name in path.split():
        other = other.commands[name]
    there = {(param.name, getattr(param, "help", None)) for param in other.params}
    options = {}
    for param in context.command.params:
        source = context.get_parameter_source(param.name or "")
        if source is None or source.name != "COMMANDLINE" or param.param_type_name != "option":
            continue
        if (param.name, getattr(param, "help", None)) in there:
            options[param.name or ""] = (max(param.opts, key=len), context.params[param.name or ""])
    return options


def _words(option: str, value: Any) -> list[str]:
    if value is None or value is False:
        return []
    if value is True:
        return [option]
    text = str(value)
    return [f"{option}={shlex.quote(text)}"] if text.startswith("-") else [option, shlex.quote(text)]
