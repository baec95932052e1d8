"""`llmrg store backup | compact`: upkeep of the graph store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from llmrg.cli.app import Home, Store, app, err, out

store = typer.Typer(no_args_is_help=True, help="The graph store: back it up, compact it.")
app.add_typer(store, name="store")


@store.command()
def backup(
    target: Annotated[Path, typer.Argument(help="The file to make.")],
    store: Store = None,
    home: Home = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an older backup.")] = False,
) -> None:
    """Copy a SQLite store into one file, while others read and write it.

    The copy is checked before it takes its name. To restore it, end those who use the store, and put the copy in its place.

    \b
    Example: llmrg store backup backups/monday.db
    """
    from llmrg.cli.progress import bars
    from llmrg.graph_store import sqlite_upkeep

    path, allow = _sqlite_file(
        store,
        home,
        "a Neo4j store is backed up at its server: stop the database, then `neo4j-admin database dump neo4j --to-path=FOLDER`; "
        "or copy a data set into a file with `llmrg export sqlite:///copy.db`",
    )
    with bars() as progress:
        task = progress.add_task("backup: pages", total=None, note="")

        def tell(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, note="checking the copy" if done == total else "")

        size = sqlite_upkeep.backup(path, target, tell, replace=force, allow_network_disk=allow)
    out.print(str(target), soft_wrap=True, highlight=False, markup=False)
    err.print(f"{size:,} bytes", highlight=False)


@store.command()
def compact(store: Store = None, home: Home = None) -> None:
    """Give back the space that deleted and replaced rows left in a SQLite store; nobody else may have it open.

    \b
    Example: llmrg store compact --store sqlite:///graphs.db
    """
    from llmrg.cli.progress import bars
    from llmrg.graph_store import sqlite_upkeep

    path, allow = _sqlite_file(store, home, "a Neo4j server uses the space of deleted nodes again by itself: nothing to compact")
    with bars() as progress:
        progress.add_task("compacting", total=None, note="")
        before, after = sqlite_upkeep.compact(path, allow_network_disk=allow)
    out.print(f"{path}: {before:,} bytes before, {after:,} after", soft_wrap=True, highlight=False, markup=False)


def _sqlite_file(store: str | None, home: Any, instead: str) -> tuple[Path, bool]:
    """(the store's file, whether it may be on a network disk). Raises: ConfigError: a Neo4j URL; says `instead`."""
    from llmrg.core.errors import ConfigError
    from llmrg.core.settings import load_settings
    from llmrg.graph_store.open_store import sqlite_path

    settings = load_settings(store=store, home=home)
    path = sqlite_path(settings.store_url)
    if path is None:
        raise ConfigError(instead)
    return path, settings.store_allow_network_disk
