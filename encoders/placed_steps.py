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
    numbers: np.ndarray
    """(G,) int64 graph of each history in the table, -1 for none."""
    rows: np.ndarray
    """(T,) int64 catalogue rows of all histories, one after the other."""
    item_offsets: np.ndarray
    """(G + 1,) int64 where each history begins in `rows`."""
    at: np.ndarray
    """(S,) int64 where each step stands in the table."""
    graph: np.ndarray
    """(S,) int64."""
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
        at, counts = ranges(np.append(table.offsets, table.offsets[-1]), np.where(numbers < 0, len(table.users), numbers))
        graph = np.repeat(np.arange(len(histories)), counts)
        usable = np.flatnonzero(table.steps["accepted"][at] & (table.steps["seen"][at] <= lengths[graph]))
        at, graph = at[usable], graph[usable]
        item = table.mapped(table.steps["item"][at], row)
        usable_steps = cls(table, numbers, rows, offsets_of(lengths), at, graph, item, np.zeros(0, np.int64))
        fits = usable_steps._fits(row)
        order = np.lexsort((usable_steps.column("seen"), graph))
        left_out = np.bincount(graph[~fits], minlength=len(histories))
        return replace(usable_steps.take(order[fits[order]]), left_out=left_out)

    @classmethod
    def of_records(
        cls, graphs: Sequence[ReasoningGraph | None], histories: Sequence[np.ndarray], row: Callable[[str], int]
    ) -> Self:
        """The same for graphs at hand; None where a user has none, and a user may come more than once."""
        has = np.array([graph is not None for graph in graphs], dtype=bool)
        table = GraphTable.of(graph for graph in graphs if graph is not None)
        return cls.of(table, np.where(has, np.cumsum(has) - 1, -1), histories, row)

    @property
    def number(self) -> np.ndarray:
        """(S,) int64 number of the step within its graph."""
        return np.asarray(self.at - self.table.offsets[self.numbers[self.graph]])

    def column(self, name: str) -> np.ndarray:
        """(S,) values of one field of `STEP`."""
        return np.asarray(self.table.steps[name][self.at])

    def says(self, name: str, text: str) -> np.ndarray:
        """(S,) bool: whether a text field holds this text."""
        return np.asarray(self.column(name) == self.table.row(text))

    def only(self, kind: StepKind | None) -> Self:
        """The steps of one kind; no step at all for None."""
        return self.take(np.flatnonzero(self.says("kind", kind)) if kind is not None else np.zeros(0, dtype=np.int64))

    def take(self, which: np.ndarray) -> Self:
        """The steps numbered by (n,) int64, in that order."""
        return replace(self, at=self.at[which], graph=self.graph[which], item=self.item[which])

    def __len__(self) -> int:
        return len(self.at)

    def _fits(self, row: Callable[[str], int]) -> np.ndarray:
        """(S,) bool: cause and reasoned item stand in the history at their positions, an imagined item in the catalogue."""
        fits = self.item > 0
        first = self.item_offsets[self.graph]
        reasoned = np.flatnonzero(self.says("kind", "reasoned"))
        fits[reasoned] &= self.rows[first[reasoned] + self.column("position")[reasoned]] == self.item[reasoned]
        position = self.column("cause_position")
        caused = np.flatnonzero(position >= 0)
        cause = self.table.mapped(self.column("cause")[caused], row)
        fits[caused] &= (self.rows[first[caused] + position[caused]] == cause) & (cause > 0)
        return fits
