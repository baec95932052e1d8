"""Item ids to row numbers, kept with every fitted recommender."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

from llmrg.core.errors import UnknownItemError


class ItemRows:
    """The catalogue's ids in order; rows count from 1, row 0 is padding."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = tuple(ids)
        self._rows = {item: row for row, item in enumerate(self.ids, start=1)}

    def row(self, item: str) -> int:
        """Raises: UnknownItemError: not in the catalogue the recommender was fitted on."""
        try:
            return self._rows[item]
        except KeyError:
            nearest = difflib.get_close_matches(item, self.ids, n=1)
            raise UnknownItemError(item, nearest[0] if nearest else "") from None

    def get(self, item: str, default: int = 0, /) -> int:
        """Row number of an item, or the default where the catalogue lacks it."""
        return self._rows.get(item, default)

    def rows(self, items: Sequence[str]) -> np.ndarray:
        """(n,) int64 row numbers, in the order given."""
        return np.fromiter((self.row(item) for item in items), dtype=np.int64, count=len(items))

    def __contains__(self, item: object) -> bool:
        return item in self._rows

    def __len__(self) -> int:
        return len(self.ids)
