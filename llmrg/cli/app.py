"""The Typer application and what all commands share: options, output, and how errors end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from llmrg.sdk import Project

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: Rich alone would take most of the half second that --help may take
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from llmrg import __version__

        typer.echo(f"llmrg {__version__}")
        raise typer.Exit


@app.callback()
def _llmrg(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the release.")] = False,
) -> None:
    """Reasoning graphs made by a language model that improve a recommender and explain it.

    Start with `llmrg demo`. Your own data: `llmrg build --data ratings.csv --users 20`.
    """


Data = Annotated[
    str,
    typer.Option(
        "--data", "-d", show_default=False,
        help="demo, a known data set (llmrg data list), a file or folder, or store:NAME for one that is in the store [default: "
        "demo, or the one of llmrg.toml].",
    ),
]  # fmt: skip
Store = Annotated[str | None, typer.Option("--store", help="sqlite:///file or neo4j://host:port [default: graphs.db in --home].")]
Home = Annotated[Path | None, typer.Option("--home", help="Folder of store, trained recommenders, pictures [default: .llmrg].")]
Run = Annotated[
    str,
    typer.Option(
        "--run", metavar="RUN", show_default=False,
        help="Graphs of this run, by its id or the beginning of it [default: the newest; with a trained recommender those it "
        "learnt from].",
    ),
]  # fmt: skip
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
EXIT_CODES = {"CallerError": 2, "StoreError": 3, "ModelError": 4, "ArtifactError": 5, "BudgetSpentError": 6}
INTERRUPTED = 130


@contextmanager
def project(
    data: str, store: str | None, home: Path | None, load: Mapping[str, Any] | None = None, **settings: Any
) -> Iterator[Project]:
    """An opened project for one command; it is closed at the end. What is not given comes from the settings."""
    from llmrg.sdk import Project

    data, how = named_data(data, load)
    with Project(data, store=store, home=home, load=how, **settings) as opened:
        yield opened


def named_data(data: str, load: Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
    """The data set and how it is read, as this command says, else as the settings do. The settings' way of reading belongs to
    their data set only."""
    from llmrg.core.settings import load_settings

    settings = load_settings()
    data = data or settings.data
    return data, {**(settings.load if data == settings.data else {}), **(load or {})}


def print_json(value: Any) -> None:
    """JSON on standard output, and nothing else there; letters that it cannot hold as escapes."""
    whole = (sys.stdout.encoding or "").lower().startswith("utf")
    typer.echo(json.dumps(value, ensure_ascii=not whole, indent=2, default=str))
