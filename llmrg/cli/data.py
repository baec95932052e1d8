"""`llmrg data list | get | inspect`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from llmrg.cli.app import AsJson, app, named_data, print_json
from llmrg.cli.load_options import Load, reading
from llmrg.console import err, out

data = typer.Typer(no_args_is_help=True, help="Data sets: which are known, fetch one, look into one.")
app.add_typer(data, name="data")


@data.command("list")
def list_sets(as_json: AsJson = False) -> None:
    """Known data sets, their publishers and terms, and which are here."""
    from llmrg.cli.tables import print_sets
    from llmrg.core.settings import load_settings
    from llmrg.data.registry import known_sets

    sets = known_sets(load_settings().data_dir.expanduser())
    print_json([asdict(s) for s in sets]) if as_json else print_sets(sets)


@data.command()
def get(name: str) -> None:
    """Download a data set from its publisher; the terms are shown first.

    \b
    Example: llmrg data get ml-latest-small
    """
    from llmrg.core.settings import load_settings
    from llmrg.data import registry
    from llmrg.progress.bars import bars

    folder = load_settings().data_dir.expanduser()
    err.print(registry.terms(name), highlight=False, markup=False)
    with bars() as progress:
        task = progress.add_task(name, total=None, note="bytes")
        path = registry.get(name, folder, lambda done, total: progress.update(task, completed=done, total=total))
    out.print(str(path), soft_wrap=True, highlight=False)


@data.command()
@reading
def inspect(
    source: Annotated[str, typer.Argument(help="A known data set, a file or a folder [default: demo].", show_default=False)] = "",
    load: Load = None,
    as_json: AsJson = False,
) -> None:
    """What each column is taken for, the first rows as understood, counts, attributes, ties and skipped rows of a data set.

    \b
    Examples:
      llmrg data inspect ratings.csv --columns user=userId,item=movieId --on-bad-row skip
      llmrg data inspect orders.csv --separator ';' --items-table products.csv --columns items.title=label
    """
    from llmrg.cli.tables import print_summary
    from llmrg.core.settings import load_settings
    from llmrg.data.options import checked_load
    from llmrg.data.registry import inspect as summarise
    from llmrg.data.registry import load_data

    source, how = named_data(source, load)
    dataset = load_data(source, data_dir=load_settings().data_dir.expanduser(), **checked_load(how))
    summary = summarise(dataset)
    if as_json:
        report = {name: asdict(dataset.report)[name] for name in ("columns", "first", "notes", "bad_rows")}
        print_json({**asdict(summary), **report})
    else:
        print_summary(summary, dataset.report)
