"""Which attributes of a catalogue can serve as reasons, when no one has said so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from llmrg.core.records import Item

MOST_CHARACTERS = 40


def reason_attributes(items: Iterable[Item]) -> tuple[str, ...]:
    """Attributes whose values are short words that items share: most of their uses are of values that at least two items have."""
    uses: dict[str, Counter[str]] = {}
    for item in items:
        for name, value in item.attributes:
            uses.setdefault(name, Counter())[value] += 1
    return tuple(name for name, values in uses.items() if _can_be_reason(values))


def _can_be_reason(values: Counter[str]) -> bool:
    total = values.total()
    shared = sum(count for count in values.values() if count > 1)
    wordy = sum(count for value, count in values.items() if len(value) <= MOST_CHARACTERS and any(map(str.isalpha, value)))
    return len(values) > 1 and shared * 2 > total and wordy * 2 > total
