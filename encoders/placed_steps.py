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
        steps = table.steps[where]
        usable = steps["accepted"] & (steps["seen"] <= lengths[graph])
        steps, graph, number = steps[usable], graph[usable], number[usable]
        item = table.mapped(steps["item"], row)
        fits = _fits(table, steps, item, rows, offsets[graph], row)
        left_out = np.bincount(graph[~fits], minlength=len(histories))
        order = np.lexsort((steps["seen"], graph))
        order = order[fits[order]]
        return cls(table, rows, offsets, steps[order], graph[order], number[order], item[order], left_out)

    @classmethod
    def of_records(
        cls, graphs: Sequence[ReasoningGraph | None], histories: Sequence[np.ndarray], row: Callable[[str], int]
    ) -> Self:
        """The same for graphs at hand; None where a user has none, and a user may come more than once."""
        has = np.array([graph is not None for graph in graphs], dtype=bool)
        table = GraphTable.of(graph for graph in graphs if graph is not None)
        return cls.of(table, np.where(has, np.cumsum(has) - 1, -1), histories, row)

    def only(self, kind: StepKind | None) -> Self:
        """The steps of one kind; no step at all for None."""
        if kind is None:
            return self.where(np.zeros(len(self.steps), dtype=bool))
        return self.where(self.table.mapped(self.steps["kind"], lambda text: text == kind) > 0)

    def where(self, keep: np.ndarray) -> Self:
        """The steps of a (S,) bool mask."""
        parts = {name: getattr(self, name)[keep] for name in ("steps", "graph", "number", "item")}
        return replace(self, **parts)

    def __len__(self) -> int:
        return len(self.steps)


def _fits(
    table: GraphTable, steps: np.ndarray, item: np.ndarray, rows: np.ndarray, first: np.ndarray, row: Callable[[str], int]
) -> np.ndarray:
    """(S,) bool: cause and reasoned item stand in the history at their positions, an imagined item in the catalogue.

    Args: first: (S,) int64 where the history of each step begins in `rows`.
    """
    found = item > 0
    reasoned = np.flatnonzero(table.mapped(steps["kind"], lambda text: text == "reasoned"))
    found[reasoned] &= rows[first[reasoned] + steps["position"][reasoned]] == item[reasoned]
    caused = np.flatnonzero(steps["cause_position"] >= 0)
    cause = table.mapped(steps["cause"][caused], row)
    found[caused] &= (rows[first[caused] + steps["cause_position"][caused]] == cause) & (cause > 0)
    return found
