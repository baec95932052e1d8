"""The bank of short reasons that a small model chooses from: it cannot write good ones, but it can rank them."""

from __future__ import annotations

import re
from collections import Counter

from llmrg.core.errors import ConfigError
from llmrg.core.records import Item
from llmrg.core.vetoes import Vetoes
from llmrg.data.dataset import Dataset

_WORD = re.compile(r"\w{4,}")


def reason_bank(dataset: Dataset, most: int, vetoes: Vetoes | None = None) -> tuple[str, ...]:
    """Values of the data set's reason attributes and its reason phrases, the most used first, in alphabetical order at the end.

    Args: vetoes: those that may not be reasons.
    Raises: ConfigError: the data set has neither, or the vetoes leave fewer than two.
    """
    names = set(dataset.reason_attributes)
    counts = Counter(value.strip() for item in dataset.catalogue for name, value in item.attributes if name in names)
    counts.update(phrase.strip() for phrase in dataset.reason_phrases)
    counts.pop("", None)
    known = len(counts)
    counts = Counter({value: count for value, count in counts.items() if not (vetoes and vetoes.refuse(value))})
    if known >= 2 > len(counts):
        raise ConfigError(
            f"of the {known:,} reasons of data set {dataset.name!r} the lists of denied and allowed ones (--deny, --allow, "
            f"--no-sensitive) leave {len(counts)}, and the mind needs two to choose from; loosen the lists"
        )
    if len(counts) < 2:
        raise ConfigError(
            f"data set {dataset.name!r} has no item attributes or phrases to choose reasons from; name them with "
            "reason_attributes=... when loading, or take a mind that writes reasons (--mind chat)"
        )
    ranked = sorted(counts, key=lambda value: (-counts[value], value))
    return tuple(sorted(ranked[:most]))


def echoes_title(reason: str, item: Item) -> bool:
    """Whether the reason says no more than a word of the title: a language model finds such a reason likely for no good cause."""
    title = {_stem(word) for word in _WORD.findall(item.title.lower())}
    words = {_stem(word) for word in _WORD.findall(reason.lower())}
    return bool(words) and words <= title


def _stem(word: str) -> str:
    return word[:-1] if word.endswith("s") else word
