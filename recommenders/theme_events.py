"""When a theme is asked for: reasons of a user's graph, and themes that the items of the history share, as arrays of events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from llmrg.core.records import ReasoningGraph
from llmrg.core.themes import Themes
from llmrg.data.splits import HELD_OUT
from llmrg.recommenders.theme_profiles import ItemProfiles

View = Literal["graph", "shared", "bag"]
NEVER = 2**40
"""A position that no history reaches."""


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
    def of(cls, users: Sequence[list[tuple[int, int, int, int, float, int]]]) -> Events:
        """From rows (content, position, start, end, weight, view) of each user."""
        rows = [row for found in users for row in found]
        table = np.array(rows, dtype=np.float64).reshape(-1, 6)
        whole = table.astype(np.int64)
        offsets = np.concatenate([[0], np.cumsum([len(found) for found in users])]).astype(np.int64)
        return cls(offsets, whole[:, 0], whole[:, 1], whole[:, 2], whole[:, 3], table[:, 4].astype(np.float32), whole[:, 5])

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


Row = tuple[int, int, int, int, float, int]


def theme_events(
    rows: Sequence[np.ndarray],
    users: Sequence[str],
    graphs: Sequence[ReasoningGraph | None],
    views: Sequence[View],
    profiles: ItemProfiles,
    themes: Themes,
    row_of: Callable[[int], str],
    last: int,
) -> Events:
    """Events of each user, over the last `last` items of each row.

    `graph`: an accepted step of the user's graph asks for its reason's theme, from where its maker had seen no more
    (`Step.seen`). A history without a graph has what `shared` gives. `bag`: an item asks for all that it stands for, right
    after it. `shared`: the same, from where a second item of the history stands for it too. Args: rows: catalogue rows of each
    user, oldest first; row_of: id of a catalogue row.
    """
    found = []
    for row, user, graph in zip(rows, users, graphs, strict=True):
        events: list[Row] = []
        for number, view in enumerate(views):
            if view == "graph" and graph is not None:
                events += _of_graph(graph, row, profiles, themes, row_of, last, number)
            else:
                events += _of_items(row, user, view, profiles, last, number)
        found.append(events)
    return Events.of(found)


def _of_graph(
    graph: ReasoningGraph,
    row: np.ndarray,
    profiles: ItemProfiles,
    themes: Themes,
    row_of: Callable[[int], str],
    last: int,
    number: int,
) -> list[Row]:
    found = []
    for step in graph.before(len(row)).reasoned():
        column = profiles.column.get(themes.theme(step.reason))
        if column is not None and step.position >= len(row) - last - HELD_OUT and row_of(int(row[step.position])) == step.item:
            weight = step.score if step.cause_kind != "root" else 0.5 * step.score
            found.append((column, step.position, step.seen, NEVER, weight, number))
    return found


def _of_items(row: np.ndarray, user: str, view: View, profiles: ItemProfiles, last: int, number: int) -> list[Row]:
    first = max(0, len(row) - last - HELD_OUT)
    items = row[first:] - 1
    own = profiles.own
    told = (profiles.matrix[items] if own is None else own.rows_without(user, items)).tocoo()
    order = np.argsort(told.row, kind="stable")
    found: list[Row] = []
    waiting: dict[int, Row] = {}
    known: set[int] = set()
    for place, column, weight in zip(told.row[order].tolist(), told.col[order].tolist(), told.data[order].tolist(), strict=True):
        position = first + place
        event = (column, position, position + 1, NEVER, weight, number)
        if view == "bag" or column in known:
            found.append(event)
        elif column in waiting:
            early = waiting.pop(column)
            found += [(early[0], early[1], position + 1, early[3], early[4], early[5]), event]
            known.add(column)
        else:
            waiting[column] = event
    return found


def imagined_events(
    rows: Sequence[np.ndarray], graphs: Sequence[ReasoningGraph | None], column_of: Callable[[str], int | None]
) -> Events:
    """Accepted imagined steps: `content` is the item's column; at each position the latest cut up to it is active."""
    found = []
    for row, graph in zip(rows, graphs, strict=True):
        steps = graph.before(len(row)).imagined() if graph is not None else ()
        cuts = sorted({step.position for step in steps}, reverse=True)
        ends, later = {}, NEVER
        for cut in cuts:
            ends[cut] = later
            later = min([later, *(step.seen for step in steps if step.position == cut)])
        events: list[Row] = []
        for step in steps:
            column = column_of(step.item)
            if column is not None and step.seen < ends[step.position]:
                events.append((column, step.position - 1, step.seen, ends[step.position], step.score * step.grounding, 0))
        found.append(events)
    return Events.of(found)
