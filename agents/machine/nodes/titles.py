"""Titles made comparable: case, punctuation, articles and a closing year set aside, numerals in one form."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
from rapidfuzz import utils

from llmrg.agents.chat.prompts import one_line
from llmrg.agents.context import Embed
from llmrg.data.dataset import Catalogue

_YEAR = re.compile(r"\s*\((?:1[89]|20)\d\d\)\s*$")
_ARTICLES = {"the", "a", "an"}
_ROMAN = re.compile(r"(?=[ivx])(x{0,3})(ix|iv|v?i{0,3})")
_UNITS = {"": 0, "i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8, "ix": 9}
_WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_PARTS = {"part", "episode", "chapter", "book", "volume", "vol", "act"}


def plain_title(title: str) -> str:
    """Lower case, without punctuation, articles and a closing year, numerals as digits; an article alone stays."""
    words = utils.default_process(_YEAR.sub("", title)).split()
    before = ["", *words]
    plain = [_as_digits(word, before[n], last=n == len(words) - 1) for n, word in enumerate(words)]
    return " ".join([word for word in plain if word not in _ARTICLES] or plain)


def _as_digits(word: str, before: str, last: bool) -> str:
    """`iii`, `three` -> `3`. A letter alone is a numeral at the end or after `part` and the like only: "I, Robot" has none."""
    if word in _WORDS:
        return str(1 + _WORDS.index(word))
    roman = _ROMAN.fullmatch(word)
    if roman is None or (len(word) == 1 and before not in _PARTS and not (last and before)):
        return word
    return str(10 * len(roman[1]) + _UNITS[roman[2]])


def in_words(plain: str) -> str:
    """The words sorted: the ratio of two such texts is rapidfuzz's `token_sort_ratio`, which sorts them at each comparison."""
    return " ".join(sorted(plain.split()))


def numerals(plain: str) -> frozenset[int]:
    """Numbers in a plain title; those of two titles must be equal, or they name two parts of a series."""
    return frozenset(map(int, re.findall(r"\d+", plain)))


class Titles:
    """The titles of a catalogue, made ready for matching."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.ids = catalogue.ids
        self.raw = [item.title for item in catalogue]
        # As it is, and as a request shows it: cleaned and cut. The first item of a title wins.
        both = [
            *((one_line(title), item) for title, item in zip(self.raw, self.ids, strict=True)),
            *zip(self.raw, self.ids, strict=True),
        ]
        self.exact = dict(reversed(both))
        self.names: defaultdict[frozenset[int], dict[int, str]] = defaultdict(dict)
        """Numerals -> row -> plain title, its words sorted."""
        for row, title in enumerate(self.raw):
            plain = plain_title(title)
            self.names[numerals(plain)][row] = in_words(plain)
        self._vectors: np.ndarray | None = None

    def cosines(self, text: str, rows: list[int], embed: Embed) -> np.ndarray:
        """(len(rows),) float32."""
        if self._vectors is None:
            self._vectors = embed(self.raw)
        cosines: np.ndarray = self._vectors[rows] @ embed([text])[0]
        return cosines
