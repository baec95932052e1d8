"""`llmrg import`: what `llmrg export` wrote, or another store, into a store."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmrg.cli.app import Home, Store, app
from llmrg.console import err

if TYPE_CHECKING:
    from llmrg.core.settings import Settings
    from llmrg.graph_store.contents import Contents


@app.command("import")
def import_(
    source: Annotated[str, typer.Argument(help="A folder that llmrg export made, or sqlite:///file or neo4j://host:port.")],
    namespace: Annotated[str | None, typer.Option("--namespace", help="Which data set of a store; a folder holds one.")] = None,
    name: Annotated[str | None, typer.Option("--as", help="Name in the store [default: its name in the source].")] = None,
    store: Store = None,
    home: Home = None,
) -> None:
    """Copy a data set's items, histories, graphs, knowledge and runs from a folder or another store into the store.

    Repeating it goes on where it stopped: what is equal already is skipped. Where the store holds something else under the
    same id, what is imported wins; what only the store has stays.

    \b
    Examples:
      llmrg import backup
      llmrg import backup --store neo4j://127.0.0.1:7687 --as books-2
      llmrg import sqlite:///laptop.db --namespace books
    """
    from llmrg.core.settings import load_settings
    from llmrg.graph_store.compare import copy_contents
    from llmrg.graph_store.open_store import open_configured_store
    from llmrg.progress.bars import moving

    settings = load_settings(store=store, home=home)
    with ExitStack() as stack:
        contents = _from_store(stack, source, namespace, settings) if "://" in source else _from_folder(source, namespace)
        target = stack.enter_context(open_configured_store(settings))
        name = name or contents.namespace
        with moving() as tell:
            copied = copy_contents(contents, target, name, tell)
    err.print(
        f"{target.url} has {name!r}: {copied.items} items, {copied.histories} histories, {copied.graphs} graphs, "
        f"{copied.knowledge} knowledge entries and {copied.runs} runs are new; {copied.users_equal} users were there already",
        markup=False,
        soft_wrap=True,
    )


def _from_store(stack: ExitStack, url: str, namespace: str | None, settings: Settings) -> Contents:
    from llmrg.core.errors import ConfigError
    from llmrg.graph_store.contents import filled
    from llmrg.graph_store.open_store import open_configured_store

    if namespace is None:
        raise ConfigError(f"{url} may hold many data sets; say which with --namespace NAME")
    return filled(stack.enter_context(open_configured_store(settings, url)), namespace)


def _from_folder(folder: str, namespace: str | None) -> Contents:
    from llmrg.core.errors import ConfigError
    from llmrg.graph_store.folder import open_folder

    contents = open_folder(Path(folder))
    if namespace not in (None, contents.namespace):
        raise ConfigError(f"{folder} holds {contents.namespace!r}, not {namespace!r}; to give it another name use --as")
    return contents
