"""`llmrg forget` and `llmrg data stored`: what a store holds, and how it goes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from llmrg.cli.app import AsJson, Data, Home, Store, app, print_json, project
from llmrg.cli.data import data as data_app
from llmrg.cli.load_options import Load, reading
from llmrg.console import err, out


@data_app.command()
def stored(store: Store = None, home: Home = None, as_json: AsJson = False) -> None:
    """Data sets in the store: users, graphs, steps, knowledge, runs. Name one as --data store:NAME in any command.

    \b
    Example: llmrg data stored --store neo4j://127.0.0.1:7687
    """
    from llmrg.cli.tables import print_rows
    from llmrg.core.settings import load_settings
    from llmrg.forget import stored_sets
    from llmrg.graph_store.open_store import open_configured_store

    with open_configured_store(load_settings(store=store, home=home)) as opened:
        data_sets, url = stored_sets(opened), opened.url
    if as_json:
        print_json([asdict(data_set) for data_set in data_sets])
        return
    header = ("name", "users", "with graphs", "items", "accepted steps", "rejected", "imagined", "knowledge", "runs")
    fields = ("users", "graphs", "items", "accepted", "rejected", "imagined", "knowledge", "runs")
    rows = [(data_set.name, *(f"{getattr(data_set.counts, field):,}" for field in fields)) for data_set in data_sets]
    print_rows(f"Data sets in {url}", header, rows)


@app.command()
@reading
def forget(
    user: Annotated[str | None, typer.Argument(help="A user of --data; or give --run or --data-set.")] = None,
    run: Annotated[
        str | None,
        typer.Option(
            "--run", metavar="RUN", help="Forget a run and its graphs, by its id or the beginning of it (llmrg runs list)."
        ),
    ] = None,
    data_set: Annotated[
        str | None, typer.Option("--data-set", metavar="NAME", help="Forget a whole data set, named as in `llmrg data stored`.")
    ] = None,
    data: Data = "",
    store: Store = None,
    home: Home = None,
    load: Load = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete all that the store and --home hold of a user, a run, or a data set. What is left for you to do is told.

    Of a user: history, reasoning graphs, drafts, statuses, picture, and the knowledge that came from this user first.
    Of a run: its graphs, drafts, statuses, record and report; each user's graph of the run before it is the newest again.
    Of a data set: all of it, with its trained recommenders, pictures and reports of runs.

    \b
    Examples:
      llmrg forget reader-001
      llmrg forget 4711 --data orders.csv --yes
      llmrg forget --run 3fa9 --data orders.csv
      llmrg forget --data-set orders
    """
    from llmrg.core.errors import ConfigError

    if sum(named is not None for named in (user, run, data_set)) != 1:
        raise ConfigError(
            "name a user, --run or --data-set, one of the three; `llmrg runs list` lists the runs, `llmrg data stored` the data "
            "sets"
        )
    where = data if data_set is None else f"store:{data_set}"
    with project(where, store, home, load) as opened:
        what = f"user {user!r} of {opened.name!r}" if user is not None else f"the data set {opened.name!r}"
        what = what if run is None else f"run {run!r} of {opened.name!r}"
        if not yes:
            typer.confirm(f"delete all of {what} in {opened.store.url}?", abort=True, err=True)
        if run is not None:
            done = opened.forget_run(run)
        else:
            done = opened.forget(user) if user is not None else opened.forget_data_set()
    if as_json:
        print_json({**asdict(done), "left_to_do": done.left_to_do()})
        return
    who = f"user {done.user!r} of {done.data!r}" if done.user is not None else f"data set {done.data!r}"
    who = who if done.run is None else f"run {done.run!r} of {done.data!r}"
    out.print(f"forgot {who}: {done.graph_steps:,} steps of graphs", highlight=False, markup=False, soft_wrap=True)
    for path in done.files:
        err.print(f"deleted or rewritten: {path}", highlight=False, markup=False, soft_wrap=True)
    for line in done.left_to_do():
        err.print(f"left to do: {line}", highlight=False, markup=False, soft_wrap=True)
