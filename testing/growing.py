"""A data set as it was some time ago: for tests and measurements of what happens when it grows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from llmrg.data.dataset import Catalogue, Dataset


def before_growth(dataset: Dataset, share: float, new_items: int = 0) -> Dataset:
    """Without the last `share` of each history (one item at least), and without so many of the least taken items.

    Users keep all their other items. Raises: ValueError: share is not in [0, 1).
    """
    if not 0 <= share < 1:
        raise ValueError(f"share must be in [0, 1), not {share!r}")
    taken = Counter(item for history in dataset.histories.values() for item in history.items)
    new = set(sorted(dataset.catalogue.ids, key=lambda item: (taken[item], item))[:new_items])
    histories = {}
    for user, history in dataset.histories.items():
        length = len(history) - max(1, round(share * len(history)))
        places = [place for place in range(length) if history.items[place] not in new]
        at = tuple(history.at[place] for place in places) if history.at else ()
        histories[user] = replace(history, items=tuple(history.items[place] for place in places), at=at)
    catalogue = Catalogue((item for item in dataset.catalogue if item.id not in new), dataset.catalogue.noun)
    return replace(dataset, catalogue=catalogue, histories=histories, opinions={})
