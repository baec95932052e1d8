"""`llmrg graph machine`: the LangGraph machine as a picture."""

from __future__ import annotations

import typer

from llmrg.cli.app import app

graph = typer.Typer(no_args_is_help=True, help="The machine that builds the graphs.")
app.add_typer(graph, name="graph")


@graph.callback()
def _group() -> None:
    """The machine that builds the graphs."""


@graph.command()
def machine() -> None:
    """Print the machine as Mermaid; paste it into any Mermaid viewer.

    \b
    Example: llmrg graph machine > machine.mmd
    """
    from llmrg.agents.mermaid import machine_as_mermaid

    typer.echo(machine_as_mermaid())
