"""The one way from raw interactions to a data set, shared by all loaders.

Per user: stable sort by time, then only the first of repeated items is kept. Then, if asked, the k-core: users and items
with fewer than `min_interactions` are taken out until none is left. What was said in an interaction goes where it goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from llmrg.core.errors import ConfigError, DataError
from llmrg.core.graph_table import offsets_of
from llmrg.core.records import Attributes, Interaction, Item
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.data.histories import Histories
from llmrg.data.interactions import Interactions
from llmrg.data.opinions import OpinionColumns
from llmrg.data.roles import ColumnUse

SHOWN = 3
"""First interactions that the report holds."""


def make_dataset(
    name: str,
    interactions: Interactions | Iterable[Interaction],
    *,
    items: Iterable[Item] = (),
    users: Mapping[str, Attributes] | None = None,
    source: str,
    noun: str = "item",
    in_order: bool = False,
    min_interactions: int = 1,
    keep_unused: bool = False,
    bad_rows: Sequence[str] = (),
    notes: Iterable[str] = (),
    reason_attributes: tuple[str, ...] = (),
    reason_phrases: tuple[str, ...] = (),
    columns: tuple[ColumnUse, ...] = (),
) -> Dataset:
    """Histories in time order, the catalogue they refer to, and the report.

    Args:
        items: what is known of items; an empty title means that there is none.
        in_order: each user's interactions come oldest first already; times are kept but not sorted by.
        min_interactions: k of the k-core; 1 keeps everything.
        keep_unused: keep listed items that nobody took.
        reason_attributes: those that no item has are left out.
        bad_rows: what the reader skipped; read after the interactions are used up.
    Raises:
        DataError: no interactions, before or after the k-core.
        ConfigError: min_interactions is below 1.
    """
    if min_interactions < 1:
        raise ConfigError(f"min_interactions must be 1 or more, not {min_interactions!r}")
    log = interactions if isinstance(interactions, Interactions) else Interactions.of(interactions)
    if not len(log):
        hint = f"; all {len(bad_rows)} rows were bad, the first: {bad_rows[0]}" if bad_rows else ""
        raise DataError(f"{source}: no interactions in it{hint}")
    first, read, notes = tuple(log.take(slice(SHOWN))), len(log), list(notes)
    if not in_order and not has_clock(log).all():
        notes.append("no times for some users: their interactions are kept in file order")
    log = without_repeats(log.by_user() if in_order else sorted_by_time(log))
    duplicates, before = read - len(log), len(log)
    log = k_core(log, min_interactions)
    if not len(log):
        raise DataError(f"{source}: nothing is left of {before} interactions with min_interactions={min_interactions}; lower it")
    if min_interactions > 1:
        notes.append(f"{min_interactions}-core: {before - len(log)} of {before} interactions dropped")
    repeats = _repeats(duplicates, read)
    notes += [repeats] if repeats else []
    catalogue, untitled, unused = _catalogue(log, items, noun, keep_unused)
    if unused:
        notes.append(f"{unused} listed items that no one took are left out")
    histories, opinions = _columns(log, catalogue, users or {})
    report = LoadReport(
        source,
        interactions=len(log),
        users=len(histories),
        items=len(catalogue),
        duplicates_dropped=duplicates,
        time_ties=int(((log.user[1:] == log.user[:-1]) & (log.at[1:] == log.at[:-1])).sum()),
        items_without_title=untitled,
        bad_rows=tuple(bad_rows),
        notes=tuple(notes),
        columns=columns,
        first=first,
        repeats=repeats,
    )
    carried = {key for item in catalogue for key, _ in item.attributes}
    reasons = tuple(key for key in reason_attributes if key in carried)
    return Dataset(name, catalogue, histories, report, reasons, reason_phrases, opinions)


def has_clock(log: Interactions) -> np.ndarray:
    """(users,) bool: whether all of a user's rows have a time."""
    clock = np.ones(len(log.users), dtype=bool)
    clock[log.user[np.isnan(log.at)]] = False
    return clock


def sorted_by_time(log: Interactions) -> Interactions:
    """Grouped by user, each user's rows oldest first, equal times in file order; users without all times stay in file order."""
    return log.by_user(np.where(has_clock(log)[log.user], log.at, 0.0))


def without_repeats(log: Interactions) -> Interactions:
    """Only the first of a user's interactions with an item."""
    pairs = log.user * np.int64(len(log.items)) + log.item
    alike = np.sort(pairs)
    if not (alike[1:] == alike[:-1]).any():
        return log
    return log.take(np.sort(np.unique(pairs, return_index=True)[1]))


def k_core(log: Interactions, k: int) -> Interactions:
    """The largest part in which every user and every item has at least k interactions."""
    kept = np.arange(len(log))
    while k > 1:
        users = np.bincount(log.user[kept], minlength=len(log.users)) >= k
        items = np.bincount(log.item[kept], minlength=len(log.items)) >= k
        left = kept[users[log.user[kept]] & items[log.item[kept]]]
        if len(left) == len(kept):
            break
        kept = left
    return log if len(kept) == len(log) else log.take(kept)


def _repeats(dropped: int, rows: int) -> str:
    """A sentence on them, "" where there are none."""
    what = "is a repeat" if dropped == 1 else "are repeats"
    return f"{dropped:,} of {rows:,} rows {what} of what a user had taken; only the first counts" if dropped else ""


def _catalogue(log: Interactions, items: Iterable[Item], noun: str, keep_unused: bool) -> tuple[Catalogue, int, int]:
    """The catalogue, how many of its items have no title, and how many listed items were left out."""
    codes, first = np.unique(log.item, return_index=True)
    used = dict.fromkeys(log.items[code] for code in codes[np.argsort(first)].tolist())
    listed: dict[str, Item] = {}
    for item in items:
        listed.setdefault(item.id, item)
    chosen = [item for item in listed.values() if keep_unused or item.id in used]
    chosen += [Item(item, "") for item in used if item not in listed]
    untitled = sum(not item.title for item in chosen)
    titled = (item if item.title else replace(item, title=item.id) for item in chosen)
    return Catalogue(titled, noun=noun), untitled, len(listed) - sum(item.id in listed for item in chosen)


def _columns(log: Interactions, catalogue: Catalogue, attributes: Mapping[str, Attributes]) -> tuple[Histories, OpinionColumns]:
    """The rows of a log that is grouped by user, its codes those of the catalogue."""
    used = np.flatnonzero(np.bincount(log.item, minlength=len(log.items)))
    rows = np.zeros(len(log.items), dtype=np.int32)
    rows[used] = [catalogue.row(log.items[code]) - 1 for code in used.tolist()]
    counts = np.bincount(log.user, minlength=len(log.users))
    left = np.flatnonzero(counts)
    users, offsets = tuple(log.users[code] for code in left.tolist()), offsets_of(counts[left])
    of_users = {user: attributes[user] for user in users if attributes.get(user)}
    histories = Histories(users, catalogue.ids, offsets, rows[log.item], log.at, of_users)
    return histories, OpinionColumns(users, offsets, log.rating, log.headline, log.text)
