"""What a data set looks like, in a few figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from llmrg.core.records import Attributes
from llmrg.data.dataset import Dataset

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
EXAMPLES = 3
MOST_VALUES = 5


@dataclass(frozen=True)
class AttributeSummary:
    """One attribute of items or users."""

    name: str
    of: str
    """`items` or `users`."""
    carriers: int
    """How many items or users have it."""
    values: int
    """Different values."""
    most_common: tuple[tuple[str, int], ...]
    can_be_reason: bool


@dataclass(frozen=True)
class DatasetSummary:
    """What `llmrg data inspect` prints."""

    name: str
    users: int
    items: int
    interactions: int
    density: float
    """Interactions / (users * items)."""
    lengths: tuple[int, ...]
    """Shortest history, lower quartile, median, upper quartile, longest."""
    time_ties: int
    attributes: tuple[AttributeSummary, ...]
    reason_phrases: int
    examples: tuple[tuple[str, tuple[str, ...]], ...]
    """Some users, each with the titles of the last items."""
    first_titles: tuple[str, ...] = ()
    """Titles of the items of `report.first`; "" for one that was taken out."""


def inspect(dataset: Dataset) -> DatasetSummary:
    """Figures and examples of a data set."""
    histories, catalogue = dataset.histories, dataset.catalogue
    lengths = sorted(dataset.arrays.lengths.tolist())
    interactions = sum(lengths)
    of_items = _attributes("items", (item.attributes for item in catalogue), dataset.reason_attributes)
    of_users = _attributes("users", dataset.arrays.attributes.values(), ())
    return DatasetSummary(
        name=dataset.name,
        users=len(histories),
        items=len(catalogue),
        interactions=interactions,
        density=interactions / max(1, len(histories) * len(catalogue)),
        lengths=tuple(lengths[round(q * (len(lengths) - 1))] for q in QUANTILES) if lengths else (),
        time_ties=dataset.report.time_ties,
        attributes=of_items + of_users,
        reason_phrases=len(dataset.reason_phrases),
        examples=tuple(
            (user, tuple(catalogue[item].title for item in history.items[-EXAMPLES:]))
            for user, history in ((user, histories[user]) for user in dataset.arrays.users[:EXAMPLES])
        ),
        first_titles=tuple(catalogue[row.item].title if row.item in catalogue else "" for row in dataset.report.first),
    )


def _attributes(of: str, carriers: Iterable[Attributes], reasons: tuple[str, ...]) -> tuple[AttributeSummary, ...]:
    values: dict[str, Counter[str]] = {}
    counts: Counter[str] = Counter()
    for attributes in carriers:
        counts.update({name for name, _ in attributes})
        for name, value in attributes:
            values.setdefault(name, Counter())[value] += 1
    return tuple(
        AttributeSummary(name, of, counts[name], len(counted), tuple(counted.most_common(MOST_VALUES)), name in reasons)
        for name, counted in values.items()
    )
