"""Item sequences as a recommender reads them: catalogue rows of all users, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from llmrg.core.graph_table import offsets_of
from llmrg.data.dataset import Dataset


class Sequences(Mapping[str, np.ndarray]):
    """User id -> (n,) int64 catalogue rows, oldest first: views into one array."""

    def __init__(self, numbers: Mapping[str, int], flat: np.ndarray, lengths: np.ndarray) -> None:
        """Args:
        numbers: user id -> u.
        flat: (N,) int64 catalogue rows.
        lengths: (U,) int64 of each user.
        """
        self.numbers, self.flat, self.lengths, self.offsets = numbers, flat, lengths, offsets_of(lengths)

    @classmethod
    def of(cls, dataset: Dataset, final: bool = False) -> Sequences:
        """What training may see; whole histories in a final fit.

        Raises: UnknownItemError: a history names an item that the catalogue lacks.
        """
        arrays = dataset.arrays
        lengths = arrays.lengths if final else dataset.split.train_lengths(arrays.lengths)
        codes, lengths = arrays.until(lengths)
        return cls(arrays.number, catalogue_rows(dataset, codes), lengths)

    def __getitem__(self, user: str) -> np.ndarray:
        number = self.numbers[user]
        return self.flat[self.offsets[number] : self.offsets[number + 1]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


def catalogue_rows(dataset: Dataset, codes: np.ndarray) -> np.ndarray:
    """(N,) int64 1-based rows of items that histories name. Raises: UnknownItemError: the catalogue lacks one."""
    if len(codes) and (last := int(codes.max())) >= len(dataset.catalogue):
        dataset.catalogue.row(dataset.arrays.ids[last])
    return codes.astype(np.int64) + 1
