"""`llmrg export`: a data set's graphs into another store, a folder of open files, or a file for graph tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from llmrg.cli.app import Data, Home, Store, app, project
from llmrg.console import err

if TYPE_CHECKING:
    from llmrg.core.settings import Settings
    from llmrg.graph_store.protocol import GraphStore

NAMES_OF_FILES = (".db", ".sqlite", ".sqlite3", ".parquet", ".jsonl", ".json", ".csv", ".cypher", ".gexf", ".gml", ".zip")


@app.command()
def export(
    target: Annotated[str, typer.Argument(help="sqlite:///file, neo4j://host:port, a new folder, or a file name.graphml.")],
    data: Data = "",
    user: Annotated[str | None, typer.Option("--user", help="Only this user's graph (.graphml).")] = None,
    files: Annotated[Literal["parquet", "jsonl"] | None, typer.Option("--format", help="Of a folder [default: parquet].")] = None,
    run: Annotated[
        str,
        typer.Option(
            "--run",
            metavar="RUN",
            show_default=False,
            help="Only the graphs and the record of this run, by its id or the beginning of it [default: all runs; .graphml: "
            "each user's newest graph].",
        ),
    ] = "",
    store: Store = None,
    home: Home = None,
) -> None:
    """Copy a data set's items, histories, graphs of all runs and knowledge into another store or into a folder of open files.

    Into a store, repeating it goes on where it stopped: what is equal already is skipped. A folder that was cut short is begun
    anew. `llmrg import` reads either back. GraphML is for Gephi, yEd and networkx, and is not read back.

    \b
    Examples:
      llmrg export neo4j://127.0.0.1:7687
      llmrg export backup --format jsonl
      llmrg export backup-of-one --run 3fa9
      llmrg export ann.graphml --user ann
    """
    _check(target, user, files)
    with project(data, store, home) as opened:
        name, run = opened.name, opened.run_named(run)
        if "://" in target:
            _to_store(opened.store, name, run, target, opened.settings)
        elif target.endswith(".graphml"):
            _to_graphml(opened.store, name, run, Path(target), user)
        else:
            _to_folder(opened.store, name, run, Path(target), files or "parquet")


def _check(target: str, user: str | None, files: str | None) -> None:
    from llmrg.core.errors import ConfigError

    graphml, url = target.endswith(".graphml"), "://" in target
    if user is not None and not graphml:
        raise ConfigError(f"--user is for GraphML, but {target!r} is not such a file; write name.graphml, or leave --user out")
    if files and (graphml or url):
        raise ConfigError(f"--format is for a folder, and {target!r} is none; leave one of the two out")
    if not url and target.endswith(NAMES_OF_FILES):
        raise ConfigError(
            f"cannot export into {target!r}: name a new folder (Parquet, or JSONL with --format jsonl), a file name.graphml, "
            "or a store: sqlite:///file.db, neo4j://host:port"
        )


def _to_store(source: GraphStore, namespace: str, run: str, url: str, settings: Settings) -> None:
    from llmrg.graph_store.compare import copy_contents
    from llmrg.graph_store.contents import filled
    from llmrg.graph_store.open_store import open_configured_store
    from llmrg.progress.bars import moving

    contents = filled(source, namespace, run)
    with open_configured_store(settings, url) as other, moving() as tell:
        copy_contents(contents, other, namespace, tell)
        counts = other.counts(namespace)
    err.print(
        f"{url} holds {counts.graphs} graphs, {counts.accepted} reasoned and {counts.imagined} imagined steps accepted, "
        f"{counts.knowledge} knowledge entries",
        markup=False,
    )


def _to_folder(source: GraphStore, namespace: str, run: str, folder: Path, files: Literal["parquet", "jsonl"]) -> None:
    from llmrg.graph_store.contents import filled
    from llmrg.graph_store.folder import export_folder
    from llmrg.progress.bars import moving

    contents = filled(source, namespace, run)
    with moving() as tell:
        rows = export_folder(contents, folder, files, tell).rows
    err.print(
        f"{folder} holds {rows['users']} users, {rows['graphs']} graphs, {rows['steps']} steps, "
        f"{rows['knowledge']} knowledge entries",
        markup=False,
        soft_wrap=True,
    )


def _to_graphml(source: GraphStore, namespace: str, run: str, path: Path, user: str | None) -> None:
    from llmrg.graph_store.graphml import export_graphml
    from llmrg.progress.bars import moving

    with moving() as tell:
        nodes, edges = export_graphml(source, namespace, path, user, tell, run)
    err.print(f"{path} holds {nodes} nodes and {edges} edges", markup=False, soft_wrap=True)
