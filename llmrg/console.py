"""The two consoles that everything is printed on."""

from __future__ import annotations

from typing import Any


class _LateConsole:
    """A Rich console made when first used: `--help` prints nothing with it, and Rich is slow to import."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    def __getattr__(self, name: str) -> Any:
        from rich.console import Console

        console = Console(**self._options)
        if not console.is_terminal:
            console = Console(**self._options, width=max(console.width, PIPED))
        self.__dict__["print"] = console.print
        self.__dict__["console"] = console
        return getattr(console, name) if name != "console" else console


PIPED = 130
"""Columns at least where the output is no terminal."""
out = _LateConsole()
err = _LateConsole(stderr=True)
