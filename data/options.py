"""How a table, frame or RecBole file is to be read, where its own names and signs do not say it."""

from __future__ import annotations

import codecs
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from llmrg.core.errors import ConfigError
from llmrg.data.cells import MISSING
from llmrg.data.files import UTF_8
from llmrg.data.rows import OnBadRow

TABLES = ("interactions", "items", "users")
ROLES = ("user", "item", "time", "rating", "title", "headline", "text")


@dataclass(frozen=True)
class ReadOptions:
    """All that a caller may say; what is not said is told by names (`llmrg.data.roles`).

    Raises: ConfigError: a role that does not exist, or a name or separator that cannot be one.
    """

    columns: Mapping[str, str | int] = field(default_factory=dict)
    """Role -> column; `items.title` and `users.user` mean the one of that table. Frames may name columns by number."""
    separator: str = ""
    """Between the columns of a text table; "" tells it by the file's name and first line."""
    header: bool = True
    """False: the first line is a row, and the columns are called 1, 2, 3."""
    list_separator: str | Mapping[str, str] = ""
    """Between the values of one cell, for all columns or by column; lists are read as lists, and `|` separates, anyhow."""
    missing: Collection[str] = MISSING
    """Words that stand for a missing value."""
    time_format: str = ""
    """As `datetime.strptime` takes it; "" reads Unix times and ISO dates."""
    on_bad_row: OnBadRow = "error"
    min_interactions: int = 1
    name: str = ""
    encoding: str = UTF_8
    """Of text tables; UTF-16 is told by its first bytes."""

    def __post_init__(self) -> None:
        for role in self.columns:
            table, _, part = role.rpartition(".")
            if part not in ROLES or (table and table not in TABLES):
                raise ConfigError(
                    f"columns: no role {role!r}; the roles are {', '.join(ROLES)}, and of one table for instance `items.title`"
                )
        if (
            self.name in (".", "..")
            or len(self.name) > 100
            or any(sign in "/\\\0" or not sign.isprintable() for sign in self.name)
        ):
            raise ConfigError(
                f"{self.name!r} cannot be the name of a data set: it names folders too; use at most 100 letters, digits, - and _"
            )
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ConfigError(
                f"no encoding is called {self.encoding!r}; usual are utf-8, latin-1, cp1252, shift_jis, gb18030"
            ) from None
        if self.separator and (self.separator in ('"', "\n", "\r")):
            raise ConfigError(f"{self.separator!r} cannot separate columns")

    def chosen(self, table: str, role: str) -> str | None:
        """The column that the caller named for a role of a table."""
        column = self.columns.get(f"{table}.{role}", self.columns.get(role))
        return None if column is None else str(column)

    def chosen_for(self, table: str, role: str) -> bool:
        """Whether it was named for this table alone."""
        return f"{table}.{role}" in self.columns

    def between(self, column: str) -> str:
        """What separates the values of a column's cells; "" if nothing was said."""
        sign = self.list_separator
        return sign if isinstance(sign, str) else sign.get(column, "")


LOAD = ("items", "users", *(option.name for option in fields(ReadOptions)))
"""Arguments of `llmrg.load_data` that a project or a settings file may give."""


def checked_load(options: Mapping[str, Any]) -> dict[str, Any]:
    """Raises: ConfigError: `load_data` has no such argument."""
    unknown = [name for name in options if name not in LOAD]
    if unknown:
        raise ConfigError(f"load: data are not read by {unknown[0]!r}; known are {', '.join(LOAD)}")
    return dict(options)
