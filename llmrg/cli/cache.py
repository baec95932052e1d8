"""`llmrg cache`: the replies that are kept, so that no request is paid twice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmrg.cli.app import AsJson, Home, app, print_json
from llmrg.console import err

cache_app = typer.Typer(no_args_is_help=True, help="Replies of chat models that are kept; no request is paid twice.")
app.add_typer(cache_app, name="cache")


@cache_app.command()
def stats(home: Home = None, as_json: AsJson = False) -> None:
    """How many replies are kept, and what they cost when they were new.

    \b
    Example: llmrg cache stats
    """
    from dataclasses import asdict

    from llmrg.agents.chat.call_cache import SqliteCallCache
    from llmrg.cli.tables import print_rows
    from llmrg.core.settings import load_settings

    path = load_settings(home=home).calls_path
    cache = SqliteCallCache(path)
    models = cache.stats() if path.exists() else []
    if as_json:
        print_json([asdict(model) for model in models])
        return
    rows = [
        (used.model or "(not named)", f"{used.replies:,}", f"{used.input_tokens:,}", f"{used.output_tokens:,}") for used in models
    ]
    print_rows(f"Calls kept in {path}", ("model", "replies", "tokens read", "tokens written"), rows)


@cache_app.command("export")
def export_(
    file: Annotated[Path, typer.Argument(help="The file to write; .jsonl, or .jsonl.gz to have it packed.")],
    home: Home = None,
    without_requests: Annotated[bool, typer.Option("--without-requests", help="Leave the texts of the requests out.")] = False,
) -> None:
    """Write all calls to a file that others can import: they rebuild the same graphs with no call at all.

    \b
    Example: llmrg cache export calls.jsonl.gz
    """
    from llmrg.agents.chat.call_cache import SqliteCallCache
    from llmrg.agents.chat.call_cache_file import export_calls
    from llmrg.core.settings import load_settings

    count = export_calls(SqliteCallCache(load_settings(home=home).calls_path), file, requests=not without_requests)
    err.print(f"wrote {count:,} calls to {file}", highlight=False)


@cache_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file that `llmrg cache export` wrote.", exists=True, dir_okay=False)],
    home: Home = None,
) -> None:
    """Take in the calls of a file, all or none; what is there already stays.

    \b
    Examples:
      llmrg cache import calls.jsonl.gz
      llmrg build --mind chat --model openai:NAME --max-calls 0    (rebuilds from the cache alone)
    """
    from llmrg.agents.chat.call_cache import SqliteCallCache
    from llmrg.agents.chat.call_cache_file import import_calls
    from llmrg.core.settings import load_settings

    new = import_calls(SqliteCallCache(load_settings(home=home).calls_path), file)
    err.print(f"{new:,} calls were new", highlight=False)


@cache_app.command()
def clear(home: Home = None, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Forget all replies. Graphs stay; what is built anew is paid anew.

    \b
    Example: llmrg cache clear --yes
    """
    from llmrg.agents.chat.call_cache import SqliteCallCache
    from llmrg.core.settings import load_settings

    path = load_settings(home=home).calls_path
    if not path.exists():
        err.print(f"nothing is kept in {path}", highlight=False)
        return
    cache = SqliteCallCache(path)
    count = sum(model.replies for model in cache.stats())
    if not yes:
        typer.confirm(f"forget {count:,} replies in {path}?", abort=True)
    cache.clear()
    err.print(f"forgot {count:,} replies", highlight=False)
