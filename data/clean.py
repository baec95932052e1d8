"""The one way from raw interactions to a data set, shared by all loaders.

Per user: stable sort by time, then only the first of repeated items is kept. Then, if asked, the k-core: users and items
with fewer than `min_interactions` are taken out until none is left. What was said in an interaction goes where it goes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice, pairwise

from llmrg.core.errors import ConfigError, DataError
from llmrg.core.records import Attributes, History, Interaction, Item
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.data.opinions import OpinionMaker, Opinions
from llmrg.data.roles import ColumnUse

SHOWN = 3
"""First interactions that the report holds."""
Events = dict[str, list[Interaction]]
"""user -> interactions."""


def make_dataset(
    name: str,
    interactions: Iterable[Interaction],
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
    first: list[Interaction] = []
    events = by_user(_first_kept(interactions, first))
    if not events:
        hint = f"; all {len(bad_rows)} rows were bad, the first: {bad_rows[0]}" if bad_rows else ""
        raise DataError(f"{source}: no interactions in it{hint}")
    said = list(notes)
    read = count(events)
    events, duplicates = _cleaned(events, source, in_order, min_interactions, said)
    repeats = _repeats(duplicates, read)
    said += [repeats] if repeats else []
    catalogue, untitled, unused = _catalogue(events, items, noun, keep_unused)
    if unused:
        said.append(f"{unused} listed items that no one took are left out")
    report = LoadReport(
        source,
        interactions=count(events),
        users=len(events),
        items=len(catalogue),
        duplicates_dropped=duplicates,
        time_ties=sum(a.at == b.at is not None for rows in events.values() for a, b in pairwise(rows)),
        items_without_title=untitled,
        bad_rows=tuple(bad_rows),
        notes=tuple(said),
        columns=columns,
        first=tuple(first),
        repeats=repeats,
    )
    attributes = users or {}
    histories: dict[str, History] = {}
    opinions: dict[str, Opinions] = {}
    maker = OpinionMaker()
    for user in tuple(events):
        rows = events.pop(user)  # millions of rows are let go one user at a time
        histories[user] = _history(user, rows, attributes.get(user, ()))
        if words := maker.of(rows):
            opinions[user] = words
    carried = {key for item in catalogue for key, _ in item.attributes}
    reasons = tuple(key for key in reason_attributes if key in carried)
    return Dataset(name, catalogue, histories, report, reasons, reason_phrases, opinions)


def _cleaned(events: Events, source: str, in_order: bool, min_interactions: int, said: list[str]) -> tuple[Events, int]:
    """(events in time order, without repeats, after the k-core; repeats dropped); what there is to say is added to `said`."""
    if not in_order and not all(has_clock(rows) for rows in events.values()):
        said.append("no times for some users: their interactions are kept in file order")
    events = {user: rows if in_order else sorted_by_time(rows) for user, rows in events.items()}
    events, duplicates = without_repeats(events)
    before = count(events)
    events = k_core(events, min_interactions)
    if not events:
        raise DataError(f"{source}: nothing is left of {before} interactions with min_interactions={min_interactions}; lower it")
    if min_interactions > 1:
        said.append(f"{min_interactions}-core: {before - count(events)} of {before} interactions dropped")
    return events, duplicates


def _first_kept(interactions: Iterable[Interaction], first: list[Interaction]) -> Iterator[Interaction]:
    """The same; the first few are put aside, to be shown as they were understood."""
    rows = iter(interactions)
    first += islice(rows, SHOWN)
    return chain(first, rows)


def by_user(interactions: Iterable[Interaction]) -> Events:
    """Grouped by user, users in order of first appearance."""
    events: Events = {}
    for interaction in interactions:
        events.setdefault(interaction.user, []).append(interaction)
    return events


def count(events: Events) -> int:
    return sum(map(len, events.values()))


def has_clock(rows: Sequence[Interaction]) -> bool:
    return all(row.at is not None for row in rows)


def sorted_by_time(rows: list[Interaction]) -> list[Interaction]:
    """Oldest first, equal times in file order; rows without times stay as they are."""
    return sorted(rows, key=lambda row: row.at or 0.0) if has_clock(rows) else rows


def without_repeats(events: Events) -> tuple[Events, int]:
    """Only the first of a user's interactions with an item, and how many were dropped."""
    kept: Events = {}
    for user, rows in events.items():
        first: dict[str, Interaction] = {}
        for row in rows:
            first.setdefault(row.item, row)
        kept[user] = list(first.values())
    return kept, count(events) - count(kept)


def _repeats(dropped: int, rows: int) -> str:
    """A sentence on them, "" where there are none."""
    what = "is a repeat" if dropped == 1 else "are repeats"
    return f"{dropped:,} of {rows:,} rows {what} of what a user had taken; only the first counts" if dropped else ""


def k_core(events: Events, k: int) -> Events:
    """The largest part in which every user and every item has at least k interactions."""
    while k > 1:
        uses = Counter(row.item for rows in events.values() for row in rows)
        kept = {user: [row for row in rows if uses[row.item] >= k] for user, rows in events.items() if len(rows) >= k}
        kept = {user: rows for user, rows in kept.items() if rows}
        if count(kept) == count(events):
            break
        events = kept
    return events


def _history(user: str, rows: Sequence[Interaction], attributes: Attributes) -> History:
    return History(user, tuple(row.item for row in rows), tuple(row.at for row in rows), attributes)


def _catalogue(events: Events, items: Iterable[Item], noun: str, keep_unused: bool) -> tuple[Catalogue, int, int]:
    """The catalogue, how many of its items have no title, and how many listed items were left out."""
    used = dict.fromkeys(row.item for rows in events.values() for row in rows)
    listed: dict[str, Item] = {}
    for item in items:
        listed.setdefault(item.id, item)
    chosen = [item for item in listed.values() if keep_unused or item.id in used]
    chosen += [Item(item, "") for item in used if item not in listed]
    untitled = sum(not item.title for item in chosen)
    titled = (item if item.title else replace(item, title=item.id) for item in chosen)
    return Catalogue(titled, noun=noun), untitled, len(listed) - sum(item.id in listed for item in chosen)
