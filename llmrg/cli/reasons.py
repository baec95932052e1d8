"""`llmrg reasons`: which reasons the stored graphs give, how often, and which of them the lists refuse."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from llmrg.cli.app import AsJson, Data, Home, Store, app, print_json, project
from llmrg.cli.build import Allow, Deny, NoSensitive, vetoes
from llmrg.cli.load_options import Load, reading
from llmrg.console import err


@app.command()
@reading
def reasons(
    data: Data = "",
    store: Store = None,
    home: Home = None,
    top: Annotated[int, typer.Option(help="How many, the most used first.", min=1)] = 50,
    deny: Deny = None,
    allow: Allow = None,
    no_sensitive: NoSensitive = False,
    load: Load = None,
    as_json: AsJson = False,
) -> None:
    """Reasons of the stored graphs: in how many accepted steps they stand, of how many users, and whether they are vetoed.

    Vetoed are those that the settings refuse (deny_reasons, allow_reasons, deny_sensitive) or the lists given here. They are not
    shown to anybody; a new build leaves them out of the graphs.

    \b
    Examples:
      llmrg reasons
      llmrg reasons --data ml-latest-small --top 20 --json
      llmrg reasons --deny denied.txt --no-sensitive
    """
    from llmrg.cli.tables import print_rows

    with project(data, store, home, load, **vetoes(deny, allow, no_sensitive)) as opened:
        uses = opened.reasons()
    shown = uses[:top]
    if as_json:
        print_json([asdict(use) for use in shown])
        return
    if not uses:
        err.print(f"no graph of {opened.name} has a reason yet; build some with `llmrg build`", highlight=False, markup=False)
        return
    rows = [(use.reason, f"{use.steps:,}", f"{use.users:,}", "vetoed" if use.vetoed else "") for use in shown]
    print_rows(f"Reasons on {opened.name}", ("reason", "steps", "users", ""), rows)
    refused = sum(use.vetoed for use in uses)
    err.print(f"{len(uses):,} reasons, {len(shown):,} shown; {refused:,} are vetoed", highlight=False)
