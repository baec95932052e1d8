"""From rows with named columns to a data set: what tables, frames and RecBole files share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from llmrg.core.errors import ConfigError
from llmrg.core.records import Attributes, Interaction, Item
from llmrg.data.clean import make_dataset
from llmrg.data.dataset import Dataset
from llmrg.data.reason_attributes import reason_attributes
from llmrg.data.rows import BadRows, Row, check_columns, number, one_line, required_text, text, time_in_seconds

GUESSES: Mapping[str, tuple[str, ...]] = {
    "user": ("user", "user_id", "userid", "reader_id", "reviewerid", "reviewer_id", "customer_id"),
    "item": ("item", "item_id", "itemid", "movieid", "movie_id", "asin", "parent_asin", "product_id", "book_id", "id"),
    "time": ("time", "timestamp", "at", "date", "datetime", "unixreviewtime"),
    "rating": ("rating", "overall", "stars", "score"),
    "title": ("title", "name", "item_name", "movie_title", "item_title"),
    "headline": (),
    "text": (),
}
"""Names that are tried, without regard to case, for a role that `columns` does not name. What users wrote is never guessed."""
REQUIRED = ("user", "item")
OPTIONAL = ("time", "rating", "headline", "text")
"""Further roles of an interaction."""


@dataclass(frozen=True)
class Table:
    """Rows that all have the same columns."""

    source: str
    columns: Collection[str]
    rows: Iterable[Row]
    separators: Mapping[str, str] = field(default_factory=dict)
    """What separates several values of one cell, by column; elsewhere `|` does, in text cells."""


class Roles:
    """Which column plays which part: as the caller says, else by its name."""

    def __init__(self, columns: Mapping[str, str] | None = None) -> None:
        self._said = dict(columns or {})
        unknown = [role for role in self._said if role not in GUESSES]
        if unknown:
            raise ConfigError(f"columns: no role {unknown[0]!r}; the roles are {', '.join(GUESSES)}")

    def find(self, role: str, table: Table) -> str | None:
        """The column of a role that is there, or None."""
        if role in self._said:
            return self._said[role] if self._said[role] in table.columns else None
        lowered = {column.lower(): column for column in reversed(list(table.columns))}
        return next((lowered[guess] for guess in GUESSES[role] if guess in lowered), None)

    def need(self, role: str, table: Table) -> str:
        """Raises: DataError: no such column; the message lists what is there."""
        column = self.find(role, table)
        if column is None:
            check_columns(table.source, [self._said.get(role, role)], table.columns)
        return str(column)

    def interaction(self, table: Table) -> Callable[[Row], Interaction]:
        """How a row of the table becomes an interaction."""
        user, item = (self.need(role, table) for role in REQUIRED)
        time, rating, headline, words = (self.need(r, table) if r in self._said else self.find(r, table) for r in OPTIONAL)

        def make(row: Row) -> Interaction:
            at, stars = time_in_seconds(row, time) if time else None, number(row, rating) if rating else None
            above = one_line(row.values.get(headline)) if headline else ""
            said = one_line(row.values.get(words)) if words else ""
            return Interaction(required_text(row, user), required_text(row, item), at, stars, above, said)

        return make


def dataset_of(
    name: str,
    interactions: Table,
    items: Table | None,
    users: Table | None,
    *,
    columns: Mapping[str, str] | None,
    bad_rows: BadRows,
    noun: str = "item",
    min_interactions: int = 1,
) -> Dataset:
    """Read up to three tables. Without an items table, a title column of the interactions serves.

    Raises: DataError, BadRowError, ConfigError: see `make_dataset` and `Roles`.
    """
    roles = Roles(columns)
    made = roles.interaction(interactions)
    title = roles.find("title", interactions) if items is None else None
    titles: dict[str, str] = {}

    def with_title(row: Row) -> Interaction:
        interaction = made(row)
        if title:
            titles.setdefault(interaction.item, text(row[title]))
        return interaction

    events = list(bad_rows.each(interactions.rows, with_title))
    listed = list(_items(items, roles, bad_rows)) if items else [Item(item, name) for item, name in titles.items()]
    people = dict(_users(users, roles, bad_rows)) if users else {}
    return make_dataset(
        name,
        events,
        items=listed,
        users=people,
        source=interactions.source,
        noun=noun,
        min_interactions=min_interactions,
        bad_rows=bad_rows.skipped,
        notes=() if roles.find("time", interactions) else ("no time column: the order is the source's",),
        reason_attributes=reason_attributes(listed),
    )


def _items(table: Table, roles: Roles, bad_rows: BadRows) -> Iterator[Item]:
    key, title = roles.need("item", table), roles.find("title", table)
    others = [column for column in table.columns if column not in (key, title)]

    def make(row: Row) -> Item:
        return Item(required_text(row, key), text(row[title]) if title else "", _attributes(row, others, table))

    return bad_rows.each(table.rows, make)


def _users(table: Table, roles: Roles, bad_rows: BadRows) -> Iterator[tuple[str, Attributes]]:
    key = roles.need("user", table)
    others = [column for column in table.columns if column != key]
    return bad_rows.each(table.rows, lambda row: (required_text(row, key), _attributes(row, others, table)))


def _attributes(row: Row, columns: Iterable[str], table: Table) -> Attributes:
    cells = ((column, _values(row.values.get(column), table.separators.get(column, "|"))) for column in columns)
    return tuple(chain.from_iterable(((column, value) for value in values) for column, values in cells))


def _values(cell: Any, separator: str) -> tuple[str, ...]:
    parts = cell if isinstance(cell, list | tuple) else text(cell).split(separator)
    return tuple(dict.fromkeys(value for part in parts if (value := text(part))))
