"""Many questions in columns; and what recommenders read of questions, whether they come in columns or one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self, overload

import numpy as np

from llmrg.core.graph_table import GraphTable, offsets_of, spans
from llmrg.core.records import History
from llmrg.data.dataset import Dataset
from llmrg.data.histories import Histories
from llmrg.encoders.placed_steps import PlacedSteps
from llmrg.recommenders.items import ItemRows
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.sequences import catalogue_rows


class Queries(Sequence[Query]):
    """B questions about users of a data set, as `Query.at` cuts them; a `Query` is made when it is asked for."""

    def __init__(self, histories: Histories, numbers: np.ndarray, positions: np.ndarray, graphs: GraphTable) -> None:
        """Args:
        histories: whole ones.
        numbers: (B,) int64 number of each question's user in `histories`.
        positions: (B,) int64: what comes at this position of the history?
        graphs: whole ones, by user; users may have none.
        """
        self.histories, self.numbers, self.graphs = histories, numbers, graphs
        self.positions = np.minimum(positions, histories.lengths[numbers])

    @classmethod
    def at_the_end(cls, dataset: Dataset, users: Sequence[str], graphs: GraphTable) -> Self:
        """What comes after the whole history of each user? Raises: UnknownUserError: not in the data."""
        for user in users:
            if user not in dataset.histories:
                dataset.history(user)
        numbers = np.array([dataset.arrays.number[user] for user in users], dtype=np.int64)
        return cls(dataset.arrays, numbers, dataset.arrays.lengths[numbers], graphs)

    @overload
    def __getitem__(self, index: int) -> Query: ...
    @overload
    def __getitem__(self, index: slice) -> Queries: ...
    def __getitem__(self, index: int | slice) -> Query | Queries:
        if isinstance(index, slice):
            return Queries(self.histories, self.numbers[index], self.positions[index], self.graphs)
        user = self.histories.users[self.numbers[index]]
        return Query.at(self.histories[user], int(self.positions[index]), self.graphs.get(user))

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def users(self) -> list[str]:
        return [self.histories.users[number] for number in self.numbers.tolist()]

    @property
    def codes(self) -> np.ndarray:
        """(T,) codes of all items before the positions, one history after the other."""
        return np.asarray(self.histories.codes[spans(self.histories.offsets[self.numbers], self.positions)])

    def held_out(self, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
        """What is asked for, and what is not to be recommended: (B,) int64 columns of the catalogue (from 0) of the items at the
        positions, and (B, N) bool, whether the history before holds each item.

        Raises: UnknownItemError: the catalogue lacks one.
        """
        log = self.histories
        answers = catalogue_rows(dataset, log.codes[log.offsets[self.numbers] + self.positions]) - 1
        taken = np.zeros((len(self), len(dataset.catalogue)), dtype=bool)
        taken[np.repeat(np.arange(len(self)), self.positions), catalogue_rows(dataset, self.codes) - 1] = True
        return answers, taken


def take(queries: Sequence[Query], which: np.ndarray) -> Sequence[Query]:
    """The questions numbered by (n,) int64, in that order."""
    if isinstance(queries, Queries):
        return Queries(queries.histories, queries.numbers[which], queries.positions[which], queries.graphs)
    return [queries[number] for number in which.tolist()]


def users_of(queries: Sequence[Query]) -> list[str]:
    """(B,) user ids."""
    return queries.users if isinstance(queries, Queries) else [query.history.user for query in queries]


def histories_of(queries: Sequence[Query]) -> Iterator[History]:
    """What is known of each user's history; no record of a step is made for it."""
    if not isinstance(queries, Queries):
        return (query.history for query in queries)
    return (queries.histories[user].before(p) for user, p in zip(queries.users, queries.positions.tolist(), strict=True))


def items_of(queries: Sequence[Query]) -> set[str]:
    """All items of the histories."""
    if isinstance(queries, Queries):
        return {queries.histories.ids[code] for code in np.unique(queries.codes).tolist()}
    return {item for query in queries for item in query.history.items}


def rows_of(queries: Sequence[Query], items: ItemRows) -> list[np.ndarray]:
    """B arrays (n,) int64: rows of each history's items. Raises: UnknownItemError: the recommender was not fitted on one."""
    if not isinstance(queries, Queries):
        return [items.rows(query.history.items) for query in queries]
    codes, place = np.unique(queries.codes, return_inverse=True)
    rows = items.rows([queries.histories.ids[code] for code in codes.tolist()])[place]
    return np.split(rows, offsets_of(queries.positions)[1:-1]) if len(queries) else []


def steps_of(queries: Sequence[Query], rows: Sequence[np.ndarray], items: ItemRows) -> PlacedSteps:
    """The steps of the questions' graphs, laid upon the rows of their histories."""
    if isinstance(queries, Queries):
        return PlacedSteps.of(queries.graphs, queries.graphs.numbers(queries.users), rows, items.get)
    return PlacedSteps.of_records([query.graph for query in queries], rows, items.get)
