"""Which items follow which, counted over the training parts of all users."""

from __future__ import annotations

from collections import Counter, defaultdict

from llmrg.core.records import History
from llmrg.data.dataset import Dataset
from llmrg.data.splits import train_length


class Successors:
    """Counts of (item, later item) within `window` steps, each pair weighted by 1 / distance.

    Only training parts are counted. `ranked` takes a user's own pairs out again, so that a suggestion for a user never rests on
    that user's later items.
    """

    def __init__(self, dataset: Dataset, window: int = 3) -> None:
        self.window = window
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for history in dataset.histories.values():
            for item, later, weight in self._pairs(history):
                self._counts[item][later] += weight  # type: ignore[assignment]

    def _pairs(self, history: History) -> list[tuple[str, str, float]]:
        items = history.items[: train_length(history)]
        reach = range(1, self.window + 1)
        return [(a, items[i + d], 1.0 / d) for i, a in enumerate(items) for d in reach if i + d < len(items)]

    def ranked(self, item: str, without: History | None = None) -> list[tuple[str, float]]:
        """Items that follow `item`, heaviest first (ties by id), the pairs of the history `without` not counted."""
        counts: dict[str, float] = dict(self._counts.get(item, {}))
        if without is not None:
            for own, later, weight in self._pairs(without):
                if own == item:
                    counts[later] = counts.get(later, 0.0) - weight
        return sorted(((i, w) for i, w in counts.items() if w > 1e-9), key=lambda pair: (-pair[1], pair[0]))
