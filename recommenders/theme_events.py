"""When a theme is asked for: reasons of a user's graph, and themes that the items of the history share, as arrays of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import vstack

from llmrg.core.graph_table import offsets_of, spans
from llmrg.core.themes import Themes
from llmrg.data.splits import HELD_OUT
from llmrg.encoders.placed_steps import PlacedSteps
from llmrg.recommenders.theme_profiles import ItemProfiles

View = Literal["graph", "shared", "bag"]
NEVER = 2**40
"""A position that no history reaches."""
Part = tuple[np.ndarray, ...]
"""(E,) columns: each event's user, then the fields of `Events` after `offsets`."""


@dataclass(frozen=True)
class Events:
    """E events of U users, user after user."""

    offsets: np.ndarray
    """(U + 1,) int64."""
    content: np.ndarray
    """(E,) int64: a theme's column, or of imagined steps an item's column."""
    position: np.ndarray
    """(E,) int64 position of the history it comes from; its age at a question is counted from here."""
    start: np.ndarray
    """(E,) int64 first position of a question that may know it: the leak rule."""
    end: np.ndarray
    """(E,) int64 first position at which it is replaced."""
    weight: np.ndarray
    """(E,) float32."""
    view: np.ndarray
    """(E,) int64 number of the view it belongs to."""

    @classmethod
    def of(cls, users: int, parts: Sequence[Part]) -> Events:
        """Events of `users` users from columns that are in any order; those of a user stay in the order of the parts."""
        none = np.zeros(0)
        first = _part(none, none, none, none, none)  # so that there are columns where there is no part
        user, *columns = (np.concatenate(column) for column in zip(first, *parts, strict=True))
        order = np.argsort(user, kind="stable")
        return cls(offsets_of(np.bincount(user, minlength=users)), *(column[order] for column in columns))

    def padded(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(B, V) int64 event numbers of these users, 0 where `real` (B, V) bool is False."""
        counts = self.offsets[users + 1] - self.offsets[users]
        slot = np.arange(max(int(counts.max(initial=0)), 1))
        real = slot[None, :] < counts[:, None]
        return np.where(real, self.offsets[users][:, None] + slot[None, :], 0), real

    def visible(self, users: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """(B, L) bool: is any event visible? Positions are (B, L), 0 where nothing is asked."""
        number, real = self.padded(users)
        if not len(self.content):
            return np.zeros(positions.shape, dtype=bool)
        start, end = np.where(real, self.start[number], NEVER), self.end[number]
        at = positions[:, :, None]
        return np.asarray(((start[:, None, :] <= at) & (at < end[:, None, :]) & (at > 0)).any(axis=2))


def _part(
    user: np.ndarray,
    content: np.ndarray,
    position: np.ndarray,
    start: np.ndarray,
    weight: np.ndarray,
    end: np.ndarray | int = NEVER,
    view: int = 0,
) -> Part:
    """Columns of some events, for `Events.of`: all (E,), in the order of its fields."""
    arrays, whole = (user, content, position, start, end, weight, view), np.int64
    kinds = (whole, whole, whole, whole, whole, np.float32, whole)
    return tuple(np.broadcast_to(array, user.shape).astype(kind) for array, kind in zip(arrays, kinds, strict=True))


def theme_events(
    rows: Sequence[np.ndarray],
    users: Sequence[str],
    placed: PlacedSteps,
    views: Sequence[View],
    profiles: ItemProfiles,
    themes: Themes,
    last: int,
) -> Events:
    """Events of each user, over the last `last` items of each row; no Python loop over steps or items.

    `graph`: an accepted step of the user's graph asks for its reason's theme, from where its maker had seen no more
    (`Step.seen`). A history without a graph has what `shared` gives. `bag`: an item asks for all that it stands for, right
    after it. `shared`: the same, from where a second item of the history stands for it too.

    Args:
        rows: catalogue rows of each user, oldest first.
        placed: the steps of the users' graphs, laid upon these rows.
    """
    parts, everybody = [], np.ones(len(rows), dtype=bool)
    for number, view in enumerate(views):
        if view == "graph":
            parts.append(_of_graphs(placed.only("reasoned"), rows, profiles, themes, last, number))
        for_items = placed.numbers < 0 if view == "graph" else everybody
        if for_items.any():
            parts.append(_of_items(rows, users, for_items, view == "bag", profiles, last, number))
    return Events.of(len(rows), parts)


def _of_graphs(
    steps: PlacedSteps, rows: Sequence[np.ndarray], profiles: ItemProfiles, themes: Themes, last: int, number: int
) -> Part:
    column = theme_columns(steps, profiles, themes)
    position = steps.column("position")
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    keep = np.flatnonzero((column >= 0) & (position >= lengths[steps.graph] - last - HELD_OUT))
    weight = steps.column("score") * np.where(steps.says("cause_kind", "root"), 0.5, 1.0)
    return _part(steps.graph[keep], column[keep], position[keep], steps.column("seen")[keep], weight[keep], view=number)


def theme_columns(steps: PlacedSteps, profiles: ItemProfiles, themes: Themes) -> np.ndarray:
    """(S,) int64 column of the theme of each step's reason; -1 where no item stands for it."""
    return steps.table.mapped(steps.column("reason"), lambda reason: profiles.column.get(themes.theme(reason), -1))


def _of_items(
    rows: Sequence[np.ndarray],
    users: Sequence[str],
    chosen: np.ndarray,
    bag: bool,
    profiles: ItemProfiles,
    last: int,
    number: int,
) -> Part:
    which = np.flatnonzero(chosen).tolist()
    recent = [rows[u][-(last + HELD_OUT) :] - 1 for u in which]
    sizes = np.array([len(row) for row in recent], dtype=np.int64)
    first = np.array([len(rows[u]) for u in which], dtype=np.int64) - sizes
    if profiles.own is None:
        themes = profiles.matrix[np.concatenate(recent)]
    else:
        themes = vstack([profiles.own.rows_without(users[u], row) for u, row in zip(which, recent, strict=True)], format="csr")
    counts = np.diff(themes.indptr)
    user = np.repeat(np.repeat(np.array(which), sizes), counts)
    position = np.repeat(spans(first, sizes), counts)
    column, weight, start = themes.indices.astype(np.int64), themes.data, position + 1
    if not bag and len(column):
        order = np.lexsort((position, column, user))
        user, position, column, weight = user[order], position[order], column[order], weight[order]
        new = np.append(True, (user[1:] != user[:-1]) | (column[1:] != column[:-1]))
        shared = ~new | ~np.append(new[1:], True)  # has one of the same user and theme before or after it
        start = np.where(new, np.append(position[1:], 0), position) + 1  # the first waits for the second
        user, position, column, weight, start = (of[shared] for of in (user, position, column, weight, start))
    order = np.lexsort((position, user))
    return _part(user[order], column[order], position[order], start[order], weight[order], view=number)


def imagined_events(placed: PlacedSteps, users: int) -> Events:
    """Accepted imagined steps: `content` is the item's column; at each position the latest cut up to it is active."""
    steps = placed.only("imagined")
    if not len(steps):
        return Events.of(users, [])
    position, seen = steps.column("position"), steps.column("seen")
    cuts, cut = np.unique(np.stack([steps.graph, position], axis=1), axis=0, return_inverse=True)
    cut, seen_first = cut.ravel(), np.full(len(cuts), NEVER)
    np.minimum.at(seen_first, cut, seen)
    lifted = seen_first + cuts[:, 0] * NEVER  # so that the minimum over later cuts stays within a user
    later = np.minimum.accumulate(lifted[::-1])[::-1] - cuts[:, 0] * NEVER
    same = np.append(cuts[1:, 0] == cuts[:-1, 0], False)
    end = np.where(same, np.append(later[1:], NEVER), NEVER)[cut]
    keep = np.flatnonzero(seen < end)
    weight = (steps.column("score") * steps.column("grounding"))[keep]
    user, content, before = steps.graph[keep], steps.item[keep] - 1, position[keep] - 1
    return Events.of(users, [_part(user, content, before, seen[keep], weight, end[keep])])
