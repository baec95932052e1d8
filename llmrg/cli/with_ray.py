"""`--ray [ADDRESS]`: an option whose value may be left out, which Typer knows no word for."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

FLAG = "--ray"
Ray = Annotated[
    str | None,
    typer.Option(
        FLAG,
        metavar="[ADDRESS]",
        help="On Ray: alone, on all processors of this machine; `auto`, on the cluster that runs here; host:port, on that one.",
    ),
]


class WithRay(TyperCommand):
    """A command that takes `--ray` with and without an address."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for place, word in enumerate(args):
            if word == FLAG and (place + 1 == len(args) or args[place + 1].startswith("-")):
                args = [*args[:place], f"{FLAG}=local", *args[place + 1 :]]
        return super().parse_args(ctx, args)
