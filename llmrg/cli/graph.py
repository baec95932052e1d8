"""`llmrg graph`: the machine that builds the graphs as a picture, and what shows them in Neo4j Browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmrg.cli.app import app
from llmrg.console import err

graph = typer.Typer(no_args_is_help=True, help="The machine that builds the graphs, and Neo4j Browser that shows them.")
app.add_typer(graph, name="graph")


@graph.callback()
def _group() -> None:
    """The machine that builds the graphs, and Neo4j Browser that shows them."""


@graph.command()
def machine() -> None:
    """Print the machine as Mermaid; paste it into any Mermaid viewer.

    \b
    Example: llmrg graph machine > machine.mmd
    """
    from llmrg.agents.machine.mermaid import machine_as_mermaid

    typer.echo(machine_as_mermaid())


@graph.command()
def queries(
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FOLDER", help="Write them and a style as two files to load.")
    ] = None,
) -> None:
    """Print the saved queries for Neo4j Browser, to paste one, or write all of them and a style to load.

    \b
    Example: llmrg graph queries --write browser
    """
    from llmrg.graph_store.browser_pack import saved_queries, write_pack

    if write is None:
        typer.echo("\n".join(query.text for query in saved_queries()), nl=False)
        return
    for path in write_pack(write):
        typer.echo(path)
    err.print("drop each on the page of Neo4j Browser: the queries become favourites, the style colours the graphs")
