"""`llmrg store`: upkeep of a graph store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmrg.cli.app import Data, Home, Store, app, project
from llmrg.console import err, out

store_app = typer.Typer(no_args_is_help=True, help="Upkeep of a graph store.", rich_markup_mode=None)
app.add_typer(store_app, name="store")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


@store_app.command()
def migrate(store: Store = None, home: Home = None, dry_run: DryRun = False) -> None:
    """Bring a store that an older release made forward. An interrupted migration is finished by running it again.

    \b
    Example: llmrg store migrate --store neo4j://127.0.0.1:7687 --dry-run
    """
    from llmrg.core.settings import load_settings
    from llmrg.graph_store.open_store import configured_store

    done = configured_store(load_settings(store=store, home=home)).migrate(dry_run)
    for line in done:
        err.print(f"{'would do' if dry_run else 'done'}: {line}", highlight=False)
    if not done:
        err.print("nothing to do: the store's schema is that of this release", highlight=False)


@store_app.command()
def prune(
    data: Data = "",
    store: Store = None,
    home: Home = None,
    max_uses: Annotated[int, typer.Option(help="Delete entries used this often at most.", min=0)] = 0,
    max_score: Annotated[float, typer.Option(help="... and with this score at most, 0 to 1.", min=0, max=1)] = 1.0,
    dry_run: DryRun = False,
) -> None:
    """Delete little used, weak entries of a data set's knowledge base. Reasoning graphs keep the steps made from them.

    \b
    Example: llmrg store prune --data demo --max-score 0.9 --dry-run
    """
    with project(data, store, home) as opened:
        name = opened.name
        pruned = opened.store.prune_knowledge(name, max_uses=max_uses, max_score=max_score, dry_run=dry_run)
        left = opened.store.counts(name).knowledge
    err.print(f"{pruned:,} entries {'would be' if dry_run else 'were'} deleted; {left:,} are there now", highlight=False)


@store_app.command()
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
    from llmrg.graph_store import sqlite_upkeep
    from llmrg.progress.bars import bars

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


@store_app.command()
def compact(store: Store = None, home: Home = None) -> None:
    """Give back the space that deleted and replaced rows left in a SQLite store; nobody else may have it open.

    \b
    Example: llmrg store compact --store sqlite:///graphs.db
    """
    from llmrg.graph_store import sqlite_upkeep
    from llmrg.progress.bars import bars

    path, allow = _sqlite_file(store, home, "a Neo4j server uses the space of deleted nodes again by itself: nothing to compact")
    with bars() as progress:
        progress.add_task("compacting", total=None, note="")
        before, after = sqlite_upkeep.compact(path, allow_network_disk=allow)
    out.print(f"{path}: {before:,} bytes before, {after:,} after", soft_wrap=True, highlight=False, markup=False)


def _sqlite_file(store: str | None, home: Path | None, instead: str) -> tuple[Path, bool]:
    """(the store's file, whether it may be on a network disk). Raises: ConfigError: a Neo4j URL; says `instead`."""
    from llmrg.core.errors import ConfigError
    from llmrg.core.settings import load_settings
    from llmrg.graph_store.open_store import sqlite_path

    settings = load_settings(store=store, home=home)
    path = sqlite_path(settings.store_url)
    if path is None:
        raise ConfigError(instead)
    return path, settings.store_allow_network_disk
