"""Item profiles that a catalogue gives by itself, without any model: its attributes, and the words of its titles."""

from __future__ import annotations

import re
from collections import Counter

from llmrg.core.themes import CATALOGUE, Appeal, Profile, ProfileSource, strongest, theme_name
from llmrg.data.dataset import Dataset

WORDS = "words"
"""Name of the profile source that reads the words of titles."""
_WORD = re.compile(r"[^\W\d_]{3,}")


def catalogue_profile(dataset: Dataset) -> Profile:
    """Every value of an item's reason attributes (of all its attributes, where the data set names none), each with score 1."""
    names = set(dataset.reason_attributes)
    appeals = [
        Appeal(item.id, theme_name(value))
        for item in dataset.catalogue
        for name, value in item.attributes
        if (not names or name in names) and value.strip()
    ]
    return Profile(ProfileSource(CATALOGUE, note="attributes of the catalogue"), strongest(appeals))


def words_profile(dataset: Dataset, least: int = 2, most: float = 0.25) -> Profile:
    """Every word of an item's title that is shared: by at least `least` items, and by no more than the share `most` of all."""
    words = {item.id: {word.casefold() for word in _WORD.findall(item.title)} for item in dataset.catalogue}
    counts = Counter(word for own in words.values() for word in own)
    shared = {word for word, count in counts.items() if least <= count <= max(most * len(words), least)}
    appeals = [Appeal(item, word) for item, own in words.items() for word in own & shared]
    return Profile(ProfileSource(WORDS, note="words of the titles"), strongest(appeals))
