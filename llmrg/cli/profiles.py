"""`llmrg profiles list | import | export | delete`: what is known of items, by source."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from llmrg.cli.app import AsJson, Data, Home, Store, app, print_json, project
from llmrg.cli.load_options import Load, reading
from llmrg.cli.next_command import next_command, print_next
from llmrg.console import err, out

profiles_app = typer.Typer(
    no_args_is_help=True, help="Item profiles: why people take each item, by source.", rich_markup_mode=None
)
app.add_typer(profiles_app, name="profiles")

Name = Annotated[str, typer.Argument(help="Name of the source, as `llmrg profiles list` shows it.")]


@profiles_app.command("list")
@reading
def list_profiles(
    data: Data = "",
    store: Store = None,
    home: Home = None,
    load: Load = None,
    as_json: AsJson = False,
) -> None:
    """All sources: who says it, when it was made, whether each theme passed a second question, and how much there is.

    \b
    Example: llmrg profiles list --data ml-latest-small
    """
    from llmrg.cli.tables import print_rows

    with project(data, store, home, load) as opened:
        profiles, name = opened.profiles.list(), opened.name
    if as_json:
        print_json([asdict(profile) for profile in profiles])
        return
    if not profiles:
        err.print(f"{name} has no profiles; `llmrg profiles import` or a build with --ask item puts one there", highlight=False)
        return
    header = ("source", "items", "themes", "appeals", "made", "verified", "note")
    rows = [
        (
            profile.source.name,
            *(f"{number:,}" for number in (profile.items, profile.themes, profile.appeals)),
            profile.source.made or "not said",
            "yes" if profile.source.verified else "no",
            profile.source.note,
        )
        for profile in profiles
    ]
    print_rows(f"Profiles of {name}", header, rows, figures=False)


@profiles_app.command("import")
@reading
def import_profile(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="films (comes with the package), or a TSV, CSV or Parquet file.")],
    data: Data = "",
    store: Store = None,
    home: Home = None,
    load: Load = None,
    name: Annotated[str, typer.Option("--as", help="Name of the source [default: the file's].")] = "",
    date: Annotated[str, typer.Option("--date", help="When the answers were made, such as 2026-11-30.")] = "",
    note: Annotated[str, typer.Option("--note", help="Where they come from [default: the file's name].")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="In place of an earlier one of this name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Keep a profile in the store as a source of its own, not verified: a recorded run, a provider's batch, experts of your own.

    A table has the columns item, theme and, if wanted, score in (0, 1]; or item and themes, a list separated by `;` with the most
    characteristic first (as a TSV also without a header). Items that the data set does not have are left out, counted and a few
    of them named.

    \b
    Examples:
      llmrg profiles import films --data ml-latest-small && llmrg build --data ml-latest-small --mind profiles/films
      llmrg profiles import answers.parquet --data shop.csv --as experts --date 2026-11-30 --note "our buyers"
    """
    with project(data, store, home, load) as opened:
        read = opened.profiles.import_(source, name=name, date=date, note=note, replace=replace)
        where = opened.name
    if as_json:
        counts = {"source": asdict(read.profile.source), "items": read.items, "appeals": len(read.profile.appeals)}
        left = {"unknown": read.unknown, "unknown_examples": read.unknown_examples, "repeated": read.repeated}
        print_json({**counts, **left})
        return
    name = read.profile.source.name
    err.print(
        f"{where}: {read.items:,} items have {len(read.profile.appeals):,} themes of {name!r}", highlight=False, markup=False
    )
    if read.unknown:
        few = ", ".join(read.unknown_examples)
        err.print(f"{read.unknown:,} items are not in the data set and were left out: {few} ...", highlight=False, markup=False)
    if read.repeated:
        err.print(f"{read.repeated:,} themes came twice for an item; the highest score counts", highlight=False)
    print_next(next_command(context, "build", mind=f"profiles/{name}"))


@profiles_app.command("export")
@reading
def export_profile(
    name: Name,
    target: Annotated[Path, typer.Argument(help="A .tsv, .csv (both also .gz) or .parquet file.")],
    data: Data = "",
    store: Store = None,
    home: Home = None,
    load: Load = None,
) -> None:
    """Write a source as a table: item, theme, score.

    \b
    Example: llmrg profiles export films films.parquet --data ml-latest-small
    """
    with project(data, store, home, load) as opened:
        rows = opened.profiles.export(name, target)
    out.print(str(target), soft_wrap=True, highlight=False, markup=False)
    err.print(f"{rows:,} rows", highlight=False)


@profiles_app.command("delete")
@reading
def delete_profile(
    name: Name,
    data: Data = "",
    store: Store = None,
    home: Home = None,
    load: Load = None,
) -> None:
    """Take a source out of the store; graphs that were built from it stay.

    \b
    Example: llmrg profiles delete films --data ml-latest-small
    """
    with project(data, store, home, load) as opened:
        opened.profiles.delete(name)
    err.print(f"deleted {name!r}", highlight=False, markup=False)
