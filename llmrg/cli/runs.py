"""`llmrg runs`: what builds did, cost and failed at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmrg.cli.app import AsJson, Data, Home, Store, app, print_json, project
from llmrg.cli.load_options import Load, reading
from llmrg.cli.next_command import next_command, print_next
from llmrg.console import err, out

runs = typer.Typer(no_args_is_help=True, help="What builds did, what they cost, and why users failed.")
app.add_typer(runs, name="runs")


@runs.command("list")
@reading
def list_(
    context: typer.Context,
    data: Data = "",
    store: Store = None,
    home: Home = None,
    load: Load = None,
    as_json: AsJson = False,
) -> None:
    """All runs over a data set, newest first, and how many users have a graph of each; `--run` of other commands chooses one.

    \b
    Examples:
      llmrg runs list
      llmrg runs list --data ml-latest-small --json
    """
    from llmrg.cli.tables import print_rows

    with project(data, store, home, load) as opened:
        reports = [opened.run_report(run.id) for run in opened.store.runs(opened.name)]
    if as_json:
        print_json(reports)
        return
    rows = [
        (
            report["run"],
            report["status"],
            report["started"],
            str(report["settings"].get("reasoner", "")),
            ", ".join(f"{number:,} {status}" for status, number in report["users"].items()),
            f"{report['graphs']:,}",
            f"{report['totals'].get('calls', 0):,.0f}",
            f"{report['totals'].get('tokens', 0):,.0f}",
        )
        for report in reports
    ]
    print_rows(f"Runs on {opened.name}", ("run", "status", "started", "reasoner", "users", "graphs", "calls", "tokens"), rows)
    if rows:
        print_next(next_command(context, "runs show", [rows[0][0]]))


@runs.command("show")
@reading
def show(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="Id of the run, or its beginning.")] = "",
    data: Data = "",
    store: Store = None,
    home: Home = None,
    load: Load = None,
    write: Annotated[Path | None, typer.Option("--write", help="Write the report here (.md or .json) instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """The report of one run (the newest, if none is named): costs per stage, causes of rejection, failed users.

    \b
    Examples:
      llmrg runs show
      llmrg runs show 3fa9 --write report.md
      llmrg runs show --json
    """
    import json

    from llmrg.agents.run.report import markdown
    from llmrg.core.errors import ConfigError
    from llmrg.core.places import written

    with project(data, store, home, load) as opened:
        ids = [stored.id for stored in opened.store.runs(opened.name)]
        matches = [stored for stored in ids if stored.startswith(run)]
        if not matches or (run and len(matches) > 1):
            what = (
                f"{len(matches)} runs begin with {run!r}" if matches else f"no run {run!r} on {opened.name!r}".replace(" ''", "")
            )
            raise ConfigError(f"{what}; `{next_command(context, 'runs list')}` names them")
        report = opened.run_report(matches[0])
    if write:
        text = json.dumps(report, ensure_ascii=False, indent=2) if write.suffix == ".json" else markdown(report)
        err.print(f"wrote {written(write, text)}", highlight=False, markup=False)
    elif as_json:
        print_json(report)
    else:
        from rich.markdown import Markdown

        out.print(Markdown(markdown(report)) if out.console.is_terminal else markdown(report), markup=False, highlight=False)
