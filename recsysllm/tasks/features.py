"""What a sentence of a review speaks of: a noun that other users' reviews use too. Made for English; others find none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from llmrg.data.dataset import Dataset

OTHERS = 3
"""Other users whose training reviews must have a word as a noun."""
SHARE = 0.2
"""Of those who have the word at all, how many must."""
_BEFORE = "the|a|an|this|these|those|its|my|your|his|her|their|our|some|any|no|every|each"
_AFTER = (
    "is|are|was|were|and|or|but|of|for|to|in|on|at|with|from|that|which|who|has|have|had|will|would|can|could|does|did|as|so|"
    "than|by|because|when|while|if"
)
_OTHER = (
    "same|other|another|more|most|less|least|little|better|best|worse|worst|first|second|last|next|only|whole|such|very|rest|"
    "both|many|much|several|being|been|they|them|there|here|what|thing|things|stuff|kind|sort|type"
)
_NOUN = re.compile(rf"\b(?:{_BEFORE})\s+([^\W\d_]{{4,}})(?=\s*(?:[.,;:!?)]|$)|\s+(?:{_AFTER})\b)")
"""A word of four letters or more between an article and what seldom follows an adjective."""
_NO_NOUN = re.compile(f"{_BEFORE}|{_AFTER}|{_OTHER}")
_WORD = re.compile(r"[^\W\d_]{4,}")
_STOP = re.compile(r"[.!?…]+(?=\s|$)")


def first_sentence(text: str) -> str:
    """Up to the first full stop, question or exclamation mark that a blank follows and a word comes before; else the whole text.

    "" where there is no letter or digit.
    """
    text = " ".join(text.split())
    for stop in _STOP.finditer(text):
        if _has_words(text[: stop.start()]):
            return text[: stop.end()]
    return text if _has_words(text) else ""


def _has_words(text: str) -> bool:
    return any(letter.isalnum() for letter in text)


@dataclass(frozen=True, slots=True)
class Used:
    """Words of one user's training reviews."""

    words: frozenset[str] = frozenset()
    nouns: frozenset[str] = frozenset()
    """Those that stand as a noun at least once."""


@dataclass(frozen=True)
class Features:
    """How many users have each word in their training reviews."""

    words: Mapping[str, int]
    nouns: Mapping[str, int]

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Read all training reviews."""
        words, nouns = Counter[str](), Counter[str]()
        for user in dataset.opinions:
            used = used_by(dataset, user)
            words.update(used.words)
            nouns.update(used.nouns)
        return cls({word: words[word] for word in nouns}, nouns)

    def of_sentence(self, sentence: str, own: Used) -> str:
        """The rarest noun of a sentence that at least three others have, of equals the first; "" for none.

        Args: own: of the user who wrote it; their own reviews, later ones among them, do not count.
        """
        counts: dict[str, int] = {}
        for word in _WORD.findall(sentence.lower()):
            count = self.nouns.get(word, 0) - (word in own.nouns)
            if count >= OTHERS and count >= SHARE * (self.words[word] - (word in own.words)):
                counts[word] = count
        return min(counts, key=lambda word: counts[word], default="")


def used_by(dataset: Dataset, user: str) -> Used:
    """Words of a user's training reviews. Raises: UnknownUserError: not in the data."""
    opinions = dataset.opinions_before(user, dataset.split.train_length(dataset.history(user)))
    texts = [opinion.text.lower() for opinion in opinions if opinion is not None and opinion.text]
    words = {word for text in texts for word in _WORD.findall(text)}
    nouns = {word for text in texts for word in _NOUN.findall(text) if not _NO_NOUN.fullmatch(word)}
    return Used(frozenset(words), frozenset(nouns))
