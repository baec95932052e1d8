"""Who took what and when, in columns; a `History` is a view that is made when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Self

import numpy as np

from llmrg.core.graph_table import offsets_of, spans
from llmrg.core.records import Attributes, History


class Histories(Mapping[str, History]):
    """User id -> history, over arrays: user u took `ids[codes[k]]` at `times[k]` for k in offsets[u] .. offsets[u + 1]."""

    def __init__(
        self,
        users: Sequence[str],
        ids: Sequence[str],
        offsets: np.ndarray,
        codes: np.ndarray,
        times: np.ndarray | None = None,
        attributes: Mapping[str, Attributes] | None = None,
    ) -> None:
        self.users = tuple(users)
        """U user ids."""
        self.ids = tuple(ids)
        """Item ids by code: the catalogue's, in its order, then those that a history names and the catalogue lacks."""
        self.offsets = offsets
        """(U + 1,) int64: where each user's rows begin."""
        self.codes = codes
        """(N,) int32 codes, each user's oldest first."""
        self.times = times
        """(N,) float64 Unix seconds, NaN for none; None where the source has no clock and said so."""
        self.attributes = attributes or {}
        """User id -> attributes, of those who have any."""

    @classmethod
    def of(cls, histories: Mapping[str, History], ids: Sequence[str]) -> Self:
        """Records as columns. Args: ids: the catalogue's."""
        table = {item: code for code, item in enumerate(ids)}
        codes = [table.setdefault(item, len(table)) for history in histories.values() for item in history.items]
        times: np.ndarray | None = None
        if any(history.at for history in histories.values()):
            padded = ((*h.at[: len(h)], *[None] * (len(h) - len(h.at))) for h in histories.values())
            times = np.array([np.nan if at is None else at for row in padded for at in row], dtype=np.float64)
        return cls(
            tuple(histories),
            tuple(table),
            offsets_of(np.array([len(history) for history in histories.values()], dtype=np.int64)),
            np.array(codes, dtype=np.int32),
            times,
            {user: history.attributes for user, history in histories.items() if history.attributes},
        )

    def coded(self, ids: Sequence[str]) -> Histories:
        """The same with codes of another catalogue."""
        numbers = {item: code for code, item in enumerate(ids)}
        used = np.unique(self.codes)
        table = np.zeros(len(self.ids), dtype=np.int32)
        table[used] = [numbers.setdefault(self.ids[code], len(numbers)) for code in used.tolist()]
        return Histories(self.users, tuple(numbers), self.offsets, table[self.codes], self.times, self.attributes)

    def take(self, users: Sequence[str]) -> Histories:
        """Some of the users. Raises: KeyError: one is not here."""
        numbers = np.array([self.number[user] for user in users], dtype=np.int64)
        lengths = self.lengths[numbers]
        rows = spans(self.offsets[numbers], lengths)
        attributes = {user: self.attributes[user] for user in users if user in self.attributes}
        times = None if self.times is None else self.times[rows]
        return Histories(tuple(users), self.ids, offsets_of(lengths), self.codes[rows], times, attributes)

    def until(self, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each history's first so many items, (U,): their codes one after the other, and the lengths again."""
        position = np.arange(len(self.codes)) - np.repeat(self.offsets[:-1], self.lengths)
        return self.codes[position < np.repeat(lengths, self.lengths)], lengths

    @cached_property
    def number(self) -> Mapping[str, int]:
        """User id -> u."""
        return {user: number for number, user in enumerate(self.users)}

    @cached_property
    def lengths(self) -> np.ndarray:
        """(U,) int64."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> np.ndarray:
        """(N,) int64: whose each row is."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @cached_property
    def _names(self) -> np.ndarray:
        return np.array(self.ids, dtype=object)

    def __getitem__(self, user: str) -> History:
        return self._view(self.number[user])

    def _view(self, number: int) -> History:
        rows, user = slice(self.offsets[number], self.offsets[number + 1]), self.users[number]
        at = () if self.times is None else tuple(None if time != time else time for time in self.times[rows].tolist())
        return History(user, tuple(self._names[self.codes[rows]].tolist()), at, self.attributes.get(user, ()))

    def __contains__(self, user: object) -> bool:
        return user in self.number

    def __iter__(self) -> Iterator[str]:
        return iter(self.users)

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        return f"Histories({len(self):,} users, {len(self.codes):,} interactions)"
