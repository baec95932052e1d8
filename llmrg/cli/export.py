"""`llmrg export`: from one store to another, for instance an embedded file into Neo4j."""

from __future__ import annotations

from typing import Annotated

import typer

from llmrg.cli.app import Data, Home, Store, app, err, project


@app.command()
def export(
    target: Annotated[str, typer.Argument(help="Where to: sqlite:///file or neo4j://host:port.")],
    data: Data = "demo",
    store: Store = None,
    home: Home = None,
) -> None:
    """Copy a data set's items, histories, graphs, knowledge and runs into another store.

    Repeating it goes on where it stopped: what is equal already is skipped.

    \b
    Example: llmrg export neo4j://127.0.0.1:7687
    """
    from llmrg.cli.progress import bars
    from llmrg.graph_store.compare import copy_store
    from llmrg.graph_store.open_store import open_configured_store

    with project(data, store, home) as opened, open_configured_store(opened.settings, target) as other, bars() as progress:
        task = progress.add_task("users", total=None, note="")

        def tell(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        copy_store(opened.store, other, opened.dataset.name, tell)
        counts = other.counts(opened.dataset.name)
    err.print(f"{target} holds {counts.graphs} graphs, {counts.accepted} accepted steps, {counts.knowledge} knowledge entries")
