"""Which items follow which in the training parts of all users but one."""

from __future__ import annotations

from llmrg.core.records import History
from llmrg.data.dataset import Dataset
from llmrg.data.transitions import transitions


class Successors:
    """Counts of (item, later item) within `window` steps, each pair weighted by 1 / distance.

    Only training parts are counted. `ranked` takes a user's own pairs out again, so that a suggestion for a user never rests on
    that user's later items.
    """

    def __init__(self, dataset: Dataset, window: int = 3) -> None:
        self.window = window
        self._split, self._ids = dataset.split, dataset.arrays.ids
        self._codes = {item: code for code, item in enumerate(self._ids)}
        items, lengths = dataset.arrays.until(dataset.split.train_lengths(dataset.arrays.lengths))
        self._counts = transitions(items, lengths, len(self._ids), window)

    def ranked(self, item: str, without: History | None = None) -> list[tuple[str, float]]:
        """Items that follow `item`, heaviest first (ties by id), the pairs of the history `without` not counted."""
        if item not in self._codes:
            return []
        row = self._counts[self._codes[item]]
        counts = {self._ids[code]: weight for code, weight in zip(row.indices.tolist(), row.data.tolist(), strict=True)}
        if without is not None:
            known = without.items[: self._split.train_length(without)]
            for place in (place for place, own in enumerate(known) if own == item):
                for distance, later in enumerate(known[place + 1 : place + 1 + self.window], start=1):
                    counts[later] = counts.get(later, 0.0) - 1.0 / distance
        return sorted(((i, w) for i, w in counts.items() if w > 1e-9), key=lambda pair: (-round(pair[1], 9), pair[0]))
