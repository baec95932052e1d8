"""Reasoning graphs of many users as flat arrays: what a store reads in one call, and what training walks over."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from llmrg.core.conversions import package
from llmrg.core.errors import CallerError
from llmrg.core.records import ReasoningGraph, Step

if TYPE_CHECKING:
    import pandas as pd

STEP: Final = np.dtype(
    [(name, "<i8") for name in ("position", "cause_position", "chain", "seen")]
    + [(name, "<f8") for name in ("score", "grounding")]
    + [(name, "<u4") for name in ("kind", "cause_kind", "cause", "reason", "item", "why_rejected", "origin")]
    + [("accepted", "?")]
)
"""One step. `cause_position` is -1 where there is none; text fields hold rows of `GraphTable.texts`."""
TEXT_FIELDS: Final = tuple(name for name in STEP.names or () if STEP[name] == np.dtype("<u4"))
STEP_FIELDS: Final = tuple(field.name for field in fields(Step) if field.name != "user")

_SET: Final = {field.name: getattr(Step, field.name).__set__ for field in fields(Step)}


class GraphTable(Mapping[str, ReasoningGraph]):
    """U graphs with N steps in all. A mapping from user to graph, whose records are made when they are asked for."""

    def __init__(
        self,
        users: Sequence[str],
        runs: Sequence[str],
        versions: Sequence[int],
        offsets: np.ndarray,
        steps: np.ndarray,
        texts: Sequence[str],
    ) -> None:
        """Args:
        offsets: (U + 1,) int64, graph g has steps[offsets[g] : offsets[g + 1]].
        steps: (N,) of `STEP`.
        texts: each once, so that equal rows are equal texts.
        """
        self.users, self.runs, self.versions = users, runs, versions
        self.offsets, self.steps, self.texts = offsets, steps, texts
        self._number = {user: number for number, user in enumerate(users)}
        self._asked_rows: dict[str, int] = {}

    @classmethod
    def of(cls, graphs: Iterable[ReasoningGraph]) -> Self:
        """Raises: CallerError: a whole number of a step has more than 64 bits."""
        listed = list(graphs)
        steps = [step for graph in listed for step in graph.steps]
        columns = {name: [getattr(step, name) for step in steps] for name in STEP_FIELDS}
        heads = [(graph.user, graph.run, graph.version, len(graph.steps)) for graph in listed]
        return cls.from_columns(heads, columns)

    @classmethod
    def of_mapping(cls, graphs: Mapping[str, ReasoningGraph]) -> GraphTable:
        """Graphs by user; a table is taken as it is."""
        return graphs if isinstance(graphs, GraphTable) else cls.of(graphs.values())

    @classmethod
    def from_columns(cls, heads: Sequence[tuple[str, str, int, int]], columns: Mapping[str, Sequence[Any]]) -> Self:
        """From the fields of all steps by name.

        Args: heads: (user, run, version, number of steps) of each graph.
        Raises: CallerError: a whole number of a step has more than 64 bits.
        """
        users, runs, versions, counts = zip(*heads, strict=True) if heads else ((), (), (), ())
        rows: dict[str, int] = {}
        steps = np.empty(len(columns["position"]), STEP)
        for name in STEP_FIELDS:
            values = columns[name]
            if name in TEXT_FIELDS:
                values = [rows.setdefault(text, len(rows)) for text in values]
            elif name == "cause_position":
                values = [-1 if position is None else position for position in values]
            try:
                steps[name] = values
            except OverflowError as error:
                raise CallerError(f"a step's {name} must have 64 bits at most: {error}") from error
        return cls(users, runs, versions, offsets_of(counts), steps, tuple(rows))

    @classmethod
    def joined(cls, tables: Sequence[GraphTable]) -> Self:
        """The graphs of all tables, one after the other, with one list of texts."""
        counts = [len(table.steps) for table in tables]
        steps = np.concatenate([table.steps for table in tables]) if tables else np.empty(0, STEP)
        rows: dict[str, int] = {}
        row = np.array([rows.setdefault(text, len(rows)) for table in tables for text in table.texts], dtype=np.uint32)
        shift = np.repeat(offsets_of([len(table.texts) for table in tables])[:-1], counts)
        for name in TEXT_FIELDS:
            steps[name] = row[steps[name] + shift]
        return cls(
            [user for table in tables for user in table.users],
            [run for table in tables for run in table.runs],
            [version for table in tables for version in table.versions],
            offsets_of([size for table in tables for size in np.diff(table.offsets)]),
            steps,
            tuple(rows),
        )

    def __getitem__(self, user: str) -> ReasoningGraph:
        number = self._number[user]
        part = self.steps[self.offsets[number] : self.offsets[number + 1]]
        columns: dict[str, list[Any]] = {name: part[name].tolist() for name in STEP_FIELDS}
        for name in TEXT_FIELDS:
            columns[name] = [self.texts[row] for row in columns[name]]
        columns["cause_position"] = [None if position < 0 else position for position in columns["cause_position"]]
        return ReasoningGraph(user, steps_from(user, len(part), columns), self.runs[number], self.versions[number])

    def __contains__(self, user: object) -> bool:
        return user in self._number  # the mapping's own way would make the records

    @property
    def owners(self) -> np.ndarray:
        """(N,) int64: which graph each step belongs to."""
        return np.repeat(np.arange(len(self.users)), np.diff(self.offsets))

    def says(self, name: str, text: str) -> np.ndarray:
        """(N,) bool: whether a text field of each step holds this text."""
        return np.asarray(self.steps[name] == self.row(text))

    def row(self, text: str) -> int:
        """Of `texts`; -1 where no step has this text."""
        if text not in self._asked_rows:
            self._asked_rows[text] = self.texts.index(text) if text in self.texts else -1
        return self._asked_rows[text]

    def numbers(self, users: Sequence[str]) -> np.ndarray:
        """(n,) int64: which graph each user has, -1 for users without one."""
        return np.fromiter((self._number.get(user, -1) for user in users), dtype=np.int64, count=len(users))

    def mapped(self, rows: np.ndarray, value: Callable[[str], int]) -> np.ndarray:
        """(n,) int64: `value` of the text in each of the (n,) rows of `texts`, asked once a row."""
        used = np.zeros(len(self.texts), dtype=bool)
        used[rows] = True
        values = np.zeros(len(self.texts), dtype=np.int64)
        values[used] = [value(self.texts[row]) for row in np.flatnonzero(used).tolist()]
        return np.asarray(values[rows])

    def to_pandas(self) -> pd.DataFrame:
        """One row a step of any user, rejected ones too; one column a field of `Step`; `cause_position` is empty (`<NA>`) for a
        step without a cause item. Raises: MissingPackageError."""
        texts = np.array(self.texts, dtype=object)
        columns = {name: texts[self.steps[name]] if name in TEXT_FIELDS else self.steps[name] for name in STEP_FIELDS}
        frame: pd.DataFrame = package("pandas").DataFrame({"user": np.array(self.users, dtype=object)[self.owners], **columns})
        frame["cause_position"] = frame["cause_position"].astype("Int64").mask(frame["cause_position"] < 0)
        return frame

    def __iter__(self) -> Iterator[str]:
        return iter(self.users)

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        return f"GraphTable({len(self.users)} users, {len(self.steps)} steps)"


def offsets_of(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """(n + 1,) int64: where each of n parts of these sizes begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)


def spans(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(sum of counts,) int64: the numbers starts[k] .. starts[k] + counts[k] of each span in turn. Args: both (K,) int64."""
    return np.asarray(np.arange(counts.sum(), dtype=np.int64) + np.repeat(starts - offsets_of(counts)[:-1], counts))


def steps_from(user: str, count: int, columns: Mapping[str, Iterable[Any]]) -> tuple[Step, ...]:
    """As many steps of one user, from their fields by name.

    The values must have been checked by `Step` before they were stored: doing it again would take most of the time of a read, so
    the fields are set directly.
    """
    steps = tuple(object.__new__(Step) for _ in range(count))
    for name in STEP_FIELDS:
        deque(map(_SET[name], steps, columns[name]), maxlen=0)
    deque(map(_SET["user"], steps, repeat(user)), maxlen=0)
    return steps
