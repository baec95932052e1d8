"""From rows with named columns to a data set: what tables, frames and RecBole files share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from llmrg.core.errors import BadRowError, DataError
from llmrg.core.records import Attributes, Interaction, Item
from llmrg.data.clean import make_dataset
from llmrg.data.dataset import Dataset
from llmrg.data.doubts import KINDS_OF_EVENT, doubtful_events, doubtful_times, doubts, spelling
from llmrg.data.interactions import Interactions
from llmrg.data.log_columns import Blocks, LogRules, read_log
from llmrg.data.options import ReadOptions
from llmrg.data.reason_attributes import reason_attributes
from llmrg.data.roles import Roles, plain_name
from llmrg.data.rows import BadRows, ColumnRule, Row

RENAMED = 0.05
"""Share of the items that may have been renamed over the time of a log."""
LISTS = ", ", ",", ";"


@dataclass(frozen=True)
class Table:
    """Rows that all have the same columns."""

    source: str
    columns: Collection[str]
    rows: Iterable[Row]
    separators: Mapping[str, str] = field(default_factory=dict)
    """What separates several values of one cell, by column; elsewhere `|` does, in text cells."""
    notes: tuple[str, ...] = ()
    """What is to be said of how it was read."""
    blocks: Blocks | None = None
    """The same rows in columns, of the columns that are named, where the source can tell them so."""

    def log(self, rules: LogRules, bad_rows: BadRows) -> Interactions:
        """The rows as interactions."""
        return read_log(self.blocks, self.rows, rules, bad_rows)


def dataset_of(
    name: str,
    interactions: Table,
    items: Table | None,
    users: Table | None,
    *,
    options: ReadOptions,
    bad_rows: BadRows,
    noun: str = "item",
) -> Dataset:
    """Read up to three tables. Items that the items table has no title for take one from a title column of the interactions.

    Raises: DataError, BadRowError, ConfigError: see `make_dataset` and `Roles`.
    """
    log = Roles("interactions", interactions.source, interactions.columns, options)
    rules = _rules(log, options)
    log_kind = rules.columns["kind"].column if "kind" in rules.columns else None
    events = interactions.log(rules, bad_rows)
    log.rest()
    tables, notes = [log], [*interactions.notes]
    named = _titles(log, events, chosen=options.chosen("interactions", "title") is not None)
    used = {"user": _counts(events.users, events.user), "item": _counts(events.items, events.item)}
    listed: list[Item] = []
    if items:
        of_items = Roles("items", items.source, items.columns, options)
        listed, more = _items(items, of_items, options, bad_rows)
        notes += [*items.notes, *more, *_joined("item", interactions, items, set(used["item"]), {item.id for item in listed})]
        tables.append(of_items)
    there = {item.id for item in listed}
    listed = [item if item.title else replace(item, title=named.get(item.id, "")) for item in listed]
    listed += [Item(item, title) for item, title in named.items() if item not in there]
    people: dict[str, Attributes] = {}
    if users:
        of_users = Roles("users", users.source, users.columns, options)
        people, more = _users(users, of_users, options, bad_rows)
        notes += [*users.notes, *more, *_joined("user", interactions, users, set(used["user"]), set(people))]
        tables.append(of_users)
    if (chosen := options.columns.get("title")) is not None and not any(use.use == "title" for t in tables for use in t.uses):
        log.missing(str(chosen))
    notes += [note for table in tables for note in table.notes]
    if not any(use.use == "time" for use in log.uses):
        notes.append("no time column: the order is the source's")
    if log_kind is not None and any(use.column == log_kind and use.use == "not used" for use in log.uses):
        notes += doubtful_events(interactions.source, log_kind, _kinds(events))
    notes += doubts("user", used["user"]) + doubts("item", used["item"]) + doubtful_times(events.at[~np.isnan(events.at)])
    return make_dataset(
        name,
        events,
        items=listed,
        users=people,
        source=interactions.source,
        noun=noun,
        min_interactions=options.min_interactions,
        bad_rows=bad_rows.skipped,
        notes=notes,
        reason_attributes=reason_attributes(listed),
        columns=tuple(use for table in tables for use in table.uses),
    )


def _rules(roles: Roles, options: ReadOptions) -> LogRules:
    """How a row of the table becomes an interaction."""
    columns = {"user": roles.need("user"), "item": roles.need("item")}
    columns |= {part: column for part in ("time", "rating", "headline", "text") if (column := roles.find(part))}
    time, rating, headline, words = (columns.get(part) for part in ("time", "rating", "headline", "text"))
    if title := roles.find("title"):
        columns["title"] = title

    def make(row: Row) -> Interaction:
        at = row.time(time, options.time_format) if time and time in row.values else None  # a JSON line may leave a key out
        stars = row.number(rating) if rating else None
        above, text = (row.one_line(column) if column else "" for column in (headline, words))
        return Interaction(row.need(columns["user"]), row.need(columns["item"]), at, stars, above, text)

    rules = {part: ColumnRule(column, Row.one_line) for part, column in columns.items()}
    rules |= {part: ColumnRule(columns[part], Row.need) for part in ("user", "item")}
    if rating:
        rules["rating"] = ColumnRule(rating, Row.number, "number")
    if time:
        layout = options.time_format
        del rules["time"]
        rules["at"] = ColumnRule(time, lambda row, column: row.time(column, layout), "" if layout else "time")
    if kind := next((column for column in roles.columns if plain_name(column) in KINDS_OF_EVENT), None):
        rules["kind"] = ColumnRule(kind, lambda row, column: str(row.values.get(column) or "nothing"))
    return LogRules(make, rules, options.missing)


def _kinds(log: Interactions) -> Counter[str]:
    """What was done -> rows."""
    return Counter() if log.kind is None else Counter(_counts(log.kind.values, log.kind.codes))


def _counts(ids: Sequence[str], codes: np.ndarray) -> dict[str, int]:
    """Id -> rows."""
    counts = np.bincount(codes, minlength=len(ids)).tolist()
    return {name: count for name, count in zip(ids, counts, strict=True) if count}


def _titles(roles: Roles, log: Interactions, chosen: bool) -> Mapping[str, str]:
    """Item -> title, where the interactions hold titles. A column that was only guessed must say one thing of each item, and not
    one thing of each user."""
    if log.title is None:
        return {}
    rows = np.flatnonzero(log.title.codes)
    user, item, title, titles = log.user[rows], log.item[rows], log.title.codes[rows], log.title.values
    items, first = np.unique(item, return_index=True)
    order = np.argsort(first)
    named = {log.items[code]: titles[title[row]] for code, row in zip(items[order].tolist(), first[order].tolist(), strict=True)}
    if chosen:
        return named
    folds = dict[str, int]()
    fold = np.array([folds.setdefault(text.casefold(), len(folds)) for text in titles])[title]
    of_item = np.zeros(len(log.items), dtype=np.int64)
    of_item[items] = first
    other = np.flatnonzero(fold != fold[of_item[item]])
    why = ""
    if len(np.unique(item[other])) > RENAMED * len(named):
        row = other[0]
        first_title, other_title = titles[title[of_item[item[row]]]], titles[title[row]]
        why = f"it says both {first_title!r} and {other_title!r} of item {log.items[item[row]]!r}"
    several, alone = _different(user, item, len(log.users)) > 1, _different(user, title, len(log.users)) == 1
    if not why and several.any() and (several & alone).sum() * 2 > several.sum():
        why = f"it says the same of all items of one user ({titles[title[np.flatnonzero((several & alone)[user])[0]]]!r})"
    if why:
        column = next(use.column for use in roles.uses if use.use == "title")
        note = f"{roles.source}: column {column!r} is not taken for the items' title: {why}; name it if it is"
        roles.forget("title", note)
        return {}
    return named


def _different(user: np.ndarray, value: np.ndarray, users: int) -> np.ndarray:
    """(users,) how many different values each user's rows have."""
    pairs = np.unique(user.astype(np.int64) << 32 | value)
    return np.bincount(pairs >> 32, minlength=users)


def _items(table: Table, roles: Roles, options: ReadOptions, bad_rows: BadRows) -> tuple[list[Item], list[str]]:
    key, title = roles.need("item"), roles.find("title")
    read = _Attributes(roles, table, options)
    items = list(bad_rows.each(table.rows, lambda row: Item(row.need(key), row.one_line(title) if title else "", read.of(row))))
    return items, [*_repeated(table, key, (item.id for item in items)), *read.notes()]


def _users(table: Table, roles: Roles, options: ReadOptions, bad_rows: BadRows) -> tuple[dict[str, Attributes], list[str]]:
    key = roles.need("user")
    read = _Attributes(roles, table, options)
    rows = list(bad_rows.each(table.rows, lambda row: (row.need(key), read.of(row))))
    attributes_of: dict[str, Attributes] = {}
    for user, attributes in rows:
        attributes_of.setdefault(user, attributes)
    return attributes_of, [*_repeated(table, key, (user for user, _ in rows)), *read.notes()]


def _repeated(table: Table, key: str, ids: Iterable[str]) -> list[str]:
    again = sum(n - 1 for n in Counter(ids).values())
    return [f"{table.source}: {again:,} rows repeat a {key!r} that was there already; the first row counts"] if again else []


class _Attributes:
    """The cells of a row that say something, and what is to be said of columns that look like lists."""

    def __init__(self, roles: Roles, table: Table, options: ReadOptions) -> None:
        self._table, self._options, self._columns = table, options, roles.attributes()
        self._unread: dict[str, BadRowError] = {}
        self._whole: dict[str, Counter[str]] = {column: Counter() for column in self._columns}

    def of(self, row: Row) -> Attributes:
        return tuple(chain.from_iterable(((column, value) for value in self._values(row, column)) for column in self._columns))

    def _values(self, row: Row, column: str) -> Iterator[str]:
        separator = self._options.between(column) or self._table.separators.get(column, "|")
        try:
            cells = row.many(column, separator)
        except BadRowError as error:
            self._unread.setdefault(column, error)
            return iter(())
        if not self._options.between(column) and len(cells) == 1 and len(self._whole[column]) < 1000:
            self._whole[column][cells[0]] += 1
        return iter(cells)

    def notes(self) -> Iterator[str]:
        for column, error in self._unread.items():
            yield (
                f"{error.source}: some cells of {column!r} cannot be read and are left out, the first in line {error.line}: "
                f"{error.problem}: {str(error.value)[:80]!r}"
            )
        for column, cells in self._whole.items():
            if separator := _looks_like_lists(cells):
                example = next(cell for cell in cells if separator in cell)
                yield (
                    f"{self._table.source}: cells of {column!r} look like lists ({example!r}) and are read as one value each; "
                    f"say what separates them: list separator {column}={separator.strip()}"
                )


def _looks_like_lists(cells: Counter[str]) -> str:
    """The separator that many cells have between short parts that come again; "" for none."""
    for separator in LISTS:
        parts: Counter[str] = Counter()
        for cell, number in cells.items():
            if separator in cell:
                parts.update({part.strip(): number for part in cell.split(separator)})
        inside = sum(number for cell, number in cells.items() if separator in cell)
        short = parts and max(map(len, parts)) <= 30 and any(any(map(str.isalpha, part)) for part in parts)
        if short and inside * 5 >= cells.total() and max(parts.values()) > 1:
            return separator
    return ""


def _joined(what: str, log: Table, table: Table, used: set[str], listed: set[str]) -> list[str]:
    """A note on ids that are spelled in two ways. Raises: DataError: no id of the one is in the other."""
    if not used or not listed:
        return []
    lost = used - listed
    spelled = {spelling(id_): id_ for id_ in listed - used}
    same = [(id_, spelled[spelling(id_)]) for id_ in sorted(lost) if spelling(id_) in spelled]
    pairs = ", ".join(f"{id_!r} is {other!r} there" for id_, other in same[:3])
    if len(lost) == len(used):
        why = f"the same ids are spelled in two ways ({pairs})" if same else f"for instance {min(used)!r} and {min(listed)!r}"
        raise DataError(
            f"{log.source} and {table.source} do not join: no {what} of the first is in the second, {why}; mend the ids",
            sdk=f"or name other columns with `columns={{'{what}': ..., '{what}s.{what}': ...}}`",
            shell=f"or name other columns with --columns {what}=...,{what}s.{what}=...",
        )
    if same:
        return [
            f"{len(same):,} {what}s of {log.source} are spelled otherwise in {table.source} ({pairs}) and are not joined: "
            "mend the ids"
        ]
    return []
