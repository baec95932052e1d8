"""What a sentence of a review speaks of: a noun that other users' reviews use too. Made for English; others find none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from llmrg.data.dataset import Dataset
from llmrg.data.splits import train_length

OTHERS = 3
"""Other users whose training reviews must have a word."""
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


@dataclass(frozen=True)
class Features:
    """Words that stand as nouns in the reviews of the training parts."""

    users: Mapping[str, int]
    """By word, how many users have it."""

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Read all training reviews."""
        return cls(Counter(word for user in dataset.opinions for word in own_nouns(dataset, user)))

    def of_sentence(self, sentence: str, own: Collection[str]) -> str:
        """The rarest noun of a sentence that at least three others have, of equals the first; "" for none.

        Args: own: nouns of the user's own training reviews, which do not count.
        """
        words = list(dict.fromkeys(_WORD.findall(sentence.lower())))
        others = {word: self.users.get(word, 0) - (word in own) for word in words}
        return min((word for word in words if others[word] >= OTHERS), key=lambda word: others[word], default="")


def own_nouns(dataset: Dataset, user: str) -> frozenset[str]:
    """Nouns of a user's training reviews."""
    known = dataset.opinions_before(user, train_length(dataset.history(user)))
    return frozenset(_nouns(said.text for said in known if said is not None and said.text))


def _nouns(texts: Iterable[str]) -> set[str]:
    words = {word for text in texts for word in _NOUN.findall(text.lower())}
    return {word for word in words if not _NO_NOUN.fullmatch(word)}
