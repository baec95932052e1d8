"""The options that say how a data set is read, once for all commands that read one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

Load = dict[str, Any] | None
"""What a command under `reading` gets as `load`: arguments of `llmrg.load_data`, as far as they were given."""
PANEL = "How the data are read"
TAB = ("tab", r"\t")


def _option(name: str, help: str, **more: Any) -> Any:
    return typer.Option(name, help=help, rich_help_panel=PANEL, **more)


OPTIONS: Mapping[str, tuple[Any, Any]] = {
    "data_name": (
        Annotated[str, _option("--name", "What to call the data set in store and home [default: as the file or folder].")],
        "",
    ),
    "items_table": (
        Annotated[Path | None, _option("--items-table", "Table of the items: titles and attributes, beside a file.")],
        None,
    ),
    "users_table": (Annotated[Path | None, _option("--users-table", "Table of the users and their attributes.")], None),
    "columns": (
        Annotated[
            str, _option("--columns", "Which column is what: user=userId,item=movieId,time=at,items.title=name (any of them).")
        ],
        "",
    ),
    "separator": (Annotated[str, _option("--separator", "Between the columns of a text table: ';', '::', tab.")], ""),
    "encoding": (Annotated[str, _option("--encoding", "Of a text table that is not UTF-8: latin-1, cp1252.")], ""),
    "no_header": (Annotated[bool, _option("--no-header", "The first line is a row; the columns are called 1, 2, 3.")], False),
    "list_separator": (
        Annotated[
            list[str] | None,
            _option("--list-separator", "Between the values of a cell: ',' for all columns, genres=, for one; repeatable."),
        ],
        None,
    ),
    "missing": (
        Annotated[
            str | None, _option("--missing", r"Words for a missing value, joined by commas [default: \N,NULL,NaN,None,NA,...].")
        ],
        None,
    ),
    "time_format": (Annotated[str, _option("--time-format", "Of times that are not Unix or ISO ones: '%d.%m.%Y %H:%M'.")], ""),
    "min_interactions": (
        Annotated[int, _option("--min-interactions", "k-core: users and items with fewer are taken out.", min=1)],
        1,
    ),
    "on_bad_row": (
        Annotated[Literal["error", "skip"], _option("--on-bad-row", "error, or skip (counts and lists them).")],
        "error",
    ),
}


def reading(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options; it gets what was given as `load`."""
    hints = get_type_hints(command, include_extras=True)
    own = [p.replace(annotation=hints[p.name]) for p in inspect.signature(command).parameters.values() if p.name != "load"]
    kind = inspect.Parameter.KEYWORD_ONLY
    added = [inspect.Parameter(name, kind, default=default, annotation=of) for name, (of, default) in OPTIONS.items()]

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        load = load_arguments({name: given.pop(name) for name in OPTIONS})
        command(**given, load=load)

    del with_options.__wrapped__  # type: ignore[attr-defined]  # Typer would look at the command's own parameters
    parameters = [p.replace(kind=kind) for p in own] + added
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in parameters}
    return with_options


def load_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `llmrg.load_data`. Raises: ConfigError: an option that cannot be read."""
    arguments: dict[str, Any] = {
        "name": given["data_name"],
        "items": given["items_table"],
        "users": given["users_table"],
        "columns": parse_columns(given["columns"]) if given["columns"] else None,
        "separator": "\t" if given["separator"].lower() in TAB else given["separator"],
        "encoding": given["encoding"],
        "header": False if given["no_header"] else None,
        "list_separator": _list_separators(given["list_separator"] or []),
        "missing": None if given["missing"] is None else tuple(word for word in given["missing"].split(",") if word),
        "time_format": given["time_format"],
        "min_interactions": given["min_interactions"] if given["min_interactions"] > 1 else None,
        "on_bad_row": given["on_bad_row"] if given["on_bad_row"] != "error" else None,
    }
    return {name: value for name, value in arguments.items() if value is not None and value not in ("", {})}


def parse_columns(text: str) -> dict[str, str]:
    """`user=userId,item=movieId` -> {"user": "userId", "item": "movieId"}. Raises: ConfigError."""
    from llmrg.core.errors import ConfigError

    pairs = [part.partition("=") for part in text.split(",") if part]
    for name, sign, column in pairs:
        if not (name and sign and column):
            raise ConfigError(f"--columns takes name=column pairs joined by commas, not {text!r}; try user=userId,item=movieId")
    names = [name.strip() for name, _, _ in pairs]
    if len(set(names)) < len(names):
        raise ConfigError(f"--columns names a role twice: {text!r}")
    return {name.strip(): column.strip() for name, _, column in pairs}


def _list_separators(given: list[str]) -> str | dict[str, str]:
    """`,` for all, or `genres=,` for one column."""
    from llmrg.core.errors import ConfigError

    pairs = [option.partition("=") for option in given]
    named = {column: sign for column, equals, sign in pairs if column and equals and sign}
    if not named and len(pairs) <= 1:
        return given[0] if given else ""
    if len(named) < len(pairs):
        raise ConfigError(f"--list-separator takes one separator for all, or column=separator for each, not {' '.join(given)!r}")
    return named
