"""What every loader returns: a catalogue, the histories, and a report of what was read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from llmrg.core.conversions import frame, package
from llmrg.core.errors import UnknownItemError, UnknownUserError
from llmrg.core.records import History, Interaction, Item
from llmrg.data.histories import Histories
from llmrg.data.opinions import Opinions
from llmrg.data.roles import ColumnUse
from llmrg.data.splits import Split

if TYPE_CHECKING:
    import pandas as pd


class Catalogue:
    """The items, in a fixed order; `row` numbers them from 1 (0 is the padding row)."""

    def __init__(self, items: Iterable[Item], noun: str = "item") -> None:
        self._items = {item.id: item for item in items}
        self.noun = noun
        """What one item is called in prompts: book, film, product."""

    @cached_property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._items)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {item: row for row, item in enumerate(self._items, start=1)}

    def __repr__(self) -> str:
        return f"Catalogue({len(self):,} {self.noun}s)"

    @property
    def titles(self) -> dict[str, str]:
        """Item id -> title."""
        return {item.id: item.title for item in self}

    def to_pandas(self) -> pd.DataFrame:
        """One row an item: `item`, `title`, and a column for each attribute, with lists where some item has several values.

        `load_data(..., items=frame)` reads it back. Raises: MissingPackageError.
        """
        names = dict.fromkeys(name for item in self for name, _ in item.attributes)
        several = {name for name in names if any(len(item.values(name)) > 1 for item in self)}
        rows = [{"item": item.id, "title": item.title, **_cells(item, names, several)} for item in self]
        return frame(rows, list(dict.fromkeys(("item", "title", *names))))

    def row(self, item: str) -> int:
        """1-based row number of an item id.

        Raises: UnknownItemError: not in the catalogue.
        """
        try:
            return self._rows[item]
        except KeyError:
            raise UnknownItemError(item) from None

    def __getitem__(self, item: str) -> Item:
        try:
            return self._items[item]
        except KeyError:
            raise UnknownItemError(item) from None

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)


def _cells(item: Item, names: Iterable[str], several: Collection[str]) -> dict[str, Any]:
    return {name: list(values) if name in several else values[0] for name in names if (values := item.values(name))}


@dataclass(frozen=True)
class LoadReport:
    """What a loader saw and did."""

    source: str
    interactions: int
    users: int
    items: int
    duplicates_dropped: int = 0
    time_ties: int = 0
    """Neighbouring interactions of one user with equal time; kept in file order (stable sort)."""
    items_without_title: int = 0
    bad_rows: tuple[str, ...] = ()
    """Rows that were skipped, each with file, line, column and value."""
    notes: tuple[str, ...] = ()
    columns: tuple[ColumnUse, ...] = ()
    """What each column of a table was taken for."""
    first: tuple[Interaction, ...] = ()
    """The first interactions of the source, as they were understood."""
    repeats: str = ""
    """What is said of dropped repeats, one of the notes too; "" where there are none."""


@dataclass(frozen=True)
class Dataset:
    """Interaction logs made ready: histories in time order and the catalogue they refer to."""

    name: str
    """Also the namespace in the graph store."""
    catalogue: Catalogue
    histories: Mapping[str, History]
    """User id -> history, made when it is asked for; given as any mapping, kept in columns (`arrays`)."""
    report: LoadReport
    reason_attributes: tuple[str, ...] = ()
    """Item attributes whose values can serve as reasons (themes, genres, tags)."""
    reason_phrases: tuple[str, ...] = field(default=(), repr=False)
    """Further short reasons that belong to no attribute of an item (tags of the whole set, say)."""
    opinions: Mapping[str, Opinions] = field(default_factory=dict, repr=False)
    """What users said of the items of their histories, position by position; users who said nothing are not in it. To use them
    for a recommendation, ask `opinions_before`."""
    split: Split = field(default_factory=Split, repr=False)
    """What is held out for validation and test."""

    def __post_init__(self) -> None:
        if not isinstance(self.histories, Histories):
            columns = Histories.of(self.histories, self.catalogue.ids)
        elif self.histories.ids[: len(self.catalogue)] != self.catalogue.ids:
            columns = self.histories.coded(self.catalogue.ids)
        else:
            return
        object.__setattr__(self, "histories", columns)

    @property
    def arrays(self) -> Histories:
        """The histories in columns; codes below `len(catalogue)` are the catalogue's, row - 1."""
        assert isinstance(self.histories, Histories)
        return self.histories

    def history(self, user: str) -> History:
        """Raises: UnknownUserError: not in the data."""
        try:
            return self.histories[user]
        except KeyError:
            raise UnknownUserError(user, next(iter(self.histories), "")) from None

    def opinions_before(self, user: str, position: int) -> Opinions:
        """What the user had said before `position`, cut as `History.before` cuts the items; () for a user who said nothing.

        Raises: UnknownUserError: not in the data.
        """
        known = len(self.history(user))
        return self.opinions.get(user, ())[:known][:position]

    def __repr__(self) -> str:
        taken = len(self.arrays.codes)
        return f"Dataset({self.name!r}: {len(self.histories):,} users, {len(self.catalogue):,} items, {taken:,} interactions)"

    def to_pandas(self) -> pd.DataFrame:
        """One row an interaction, each user's in time order: `user`, `item`, `title`, `position`, `time` (Unix seconds, empty
        where the source has no clock). Items with their attributes are `dataset.catalogue.to_pandas()`.

        Raises: MissingPackageError.
        """
        log = self.arrays
        columns = {
            "user": np.repeat(np.array(log.users, dtype=object), log.lengths),
            "item": np.array(log.ids, dtype=object)[log.codes],
            "title": np.array([self.catalogue[item].title for item in log.ids], dtype=object)[log.codes],
            "position": np.arange(len(log.codes)) - np.repeat(log.offsets[:-1], log.lengths),
            "time": np.full(len(log.codes), np.nan) if log.times is None else log.times,
        }
        table: pd.DataFrame = package("pandas").DataFrame(columns)
        return table

    def only(self, users: Iterable[str]) -> Dataset:
        """The same catalogue with some of the users.

        Raises: UnknownUserError: one of them is not in the data.
        """
        chosen = list(dict.fromkeys(users))
        unknown = next((user for user in chosen if user not in self.histories), None)
        if unknown is not None:
            raise UnknownUserError(unknown, next(iter(self.histories), ""))
        opinions = {user: self.opinions[user] for user in chosen if user in self.opinions}
        return replace(self, histories=self.arrays.take(chosen), opinions=opinions)
