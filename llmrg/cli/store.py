"""`llmrg store`: upkeep of a graph store."""

from __future__ import annotations

from typing import Annotated

import typer

from llmrg.cli.app import Data, Home, Namespace, Store, app, err, project

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
    from llmrg.graph_store.open_store import migrate_store
    from llmrg.wiring import store_access

    settings = load_settings(store=store, home=home)
    done = migrate_store(settings.store_url, **store_access(settings), dry_run=dry_run)
    for line in done:
        err.print(f"{'would do' if dry_run else 'done'}: {line}", highlight=False)
    if not done:
        err.print("nothing to do: the store's schema is that of this release", highlight=False)


@store_app.command()
def prune(
    data: Data = "demo",
    namespace: Namespace = None,
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
        name = namespace or opened.dataset.name
        found = opened.store.prune_knowledge(name, max_uses=max_uses, max_score=max_score, dry_run=dry_run)
        left = opened.store.counts(name).knowledge
    err.print(f"{found:,} entries {'would be' if dry_run else 'were'} deleted; {left:,} are there now", highlight=False)
