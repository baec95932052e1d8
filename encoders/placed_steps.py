"""Which steps of a table speak of the histories at hand: accepted, known in time, and about the items that stand there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from llmrg.core.errors import CallerError
from llmrg.core.graph_table import GraphTable, offsets_of
from llmrg.core.records import ReasoningGraph, StepKind
from llmrg.encoders.arrays import ranges


@dataclass(frozen=True, slots=True)
class PlacedSteps:
    """S steps of G graphs, each laid upon a history; by graph, then by `seen`, then as in the graph."""

    table: GraphTable
    rows: np.ndarray
    """(T,) int64 catalogue rows of all histories, one after the other."""
    item_offsets: np.ndarray
    """(G + 1,) int64 where each history begins in `rows`."""
    steps: np.ndarray
    """(S,) of `STEP`."""
    graph: np.ndarray
    """(S,) int64."""
    number: np.ndarray
    """(S,) int64 number of the step within its graph."""
    item: np.ndarray
    """(S,) int64 catalogue row of the step's item."""
    left_out: np.ndarray
    """(G,) int64 accepted steps, known in time, that contradict the history or end in an item the catalogue lacks: a graph built
    on other data."""

    @classmethod
    def of(cls, table: GraphTable, numbers: np.ndarray, histories: Sequence[np.ndarray], row: Callable[[str], int]) -> Self:
        """The steps that may be used.

        Args:
            numbers: (G,) int64 graph of each history in the table, -1 for none.
            histories: catalogue rows of each user, oldest first, cut where the graph is to be cut.
            row: catalogue row of an item id, 1 or more; 0 where the catalogue lacks it.
        Raises: CallerError: not one history a graph.
        """
        if len(numbers) != len(histories):
            raise CallerError(f"{len(numbers)} graphs and {len(histories)} histories: pass one history for each user")
        rows = np.concatenate([np.zeros(0, np.int64), *histories]).astype(np.int64)
        lengths = np.array([len(history) for history in histories], dtype=np.int64)
        offsets = offsets_of(lengths)
        where, counts = ranges(np.append(table.offsets, table.offsets[-1]), np.where(numbers < 0, len(table.users), numbers))
        graph = np.repeat(np.arange(len(histories)), counts)
        number = np.arange(len(where)) - np.repeat(offsets_of(counts)[:-1], counts)
        usable = np.flatnonzero(table.steps["accepted"][where] & (table.steps["seen"][where] <= lengths[graph]))
        steps = table.steps.take(where[usable])  # ten times faster than steps[...] on records
        item = table.mapped(steps["item"], row)
        found = cls(table, rows, offsets, steps, graph[usable], number[usable], item, np.zeros(0, np.int64))
        fits = found._fits(row)
        order = np.lexsort((found.column("seen"), found.graph))
        left_out = np.bincount(found.graph[~fits], minlength=len(histories))
        return replace(found.take(order[fits[order]]), left_out=left_out)

    @classmethod
    def of_records(
        cls, graphs: Sequence[ReasoningGraph | None], histories: Sequence[np.ndarray], row: Callable[[str], int]
    ) -> Self:
        """The same for graphs at hand; None where a user has none, and a user may come more than once."""
        has = np.array([graph is not None for graph in graphs], dtype=bool)
        table = GraphTable.of(graph for graph in graphs if graph is not None)
        return cls.of(table, np.where(has, np.cumsum(has) - 1, -1), histories, row)

    def column(self, name: str) -> np.ndarray:
        """(S,) values of one field of `STEP`."""
        return np.ascontiguousarray(self.steps[name])

    def says(self, name: str, text: str) -> np.ndarray:
        """(S,) bool: whether a text field holds this text."""
        return self.table.mapped(self.column(name), lambda other: other == text) > 0

    def only(self, kind: StepKind | None) -> Self:
        """The steps of one kind; no step at all for None."""
        return self.take(np.flatnonzero(self.says("kind", kind)) if kind is not None else np.zeros(0, dtype=np.int64))

    def take(self, which: np.ndarray) -> Self:
        """The steps numbered by (n,) int64, in that order."""
        steps, graph, number, item = (part.take(which) for part in (self.steps, self.graph, self.number, self.item))
        return replace(self, steps=steps, graph=graph, number=number, item=item)

    def __len__(self) -> int:
        return len(self.steps)

    def _fits(self, row: Callable[[str], int]) -> np.ndarray:
        """(S,) bool: cause and reasoned item stand in the history at their positions, an imagined item in the catalogue."""
        found = self.item > 0
        first = self.item_offsets[self.graph]
        reasoned = np.flatnonzero(self.says("kind", "reasoned"))
        found[reasoned] &= self.rows[first[reasoned] + self.column("position")[reasoned]] == self.item[reasoned]
        position = self.column("cause_position")
        caused = np.flatnonzero(position >= 0)
        cause = self.table.mapped(self.column("cause")[caused], row)
        found[caused] &= (self.rows[first[caused] + position[caused]] == cause) & (cause > 0)
        return found
