"""Intra positions while text is being written: whether a token goes on with an entity is seen only then (paper, inference)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class EntityPool:
    """A trie over the tokens of all entities (titles, attribute values). It decides positions; it does not constrain what is
    written."""

    def __init__(self, entities: Iterable[Sequence[int]]) -> None:
        self._below: list[dict[int, int]] = [{}]
        for entity in entities:
            node = 0
            for word in entity:
                child = self._below[node].get(int(word))
                if child is None:
                    child = len(self._below)
                    self._below[node][int(word)] = child
                    self._below.append({})
                node = child

    def step(self, node: int, intra: int, word: int) -> tuple[int, int]:
        """Read a word after a node at which the last token had the position `intra`; returns the new node and position.

        A word that continues the entity counts on; any other begins anew at 1, from the root's child where an entity begins so.
        """
        if node and word in self._below[node]:
            return self._below[node][word], intra + 1
        return self._below[0].get(word, 0), 1

    def begin(self, word: int) -> tuple[int, int]:
        """The first word of an answer, whose [S] has the position 1."""
        return self._below[0].get(word, 0), 2

    def entities(self, words: Sequence[int]) -> list[int]:
        """Of a whole answer the number of each word's entity, from 1: a training text with these has the positions that the same
        text gets while it is written."""
        numbers: list[int] = []
        for number, intra in enumerate(self.positions(words)):
            numbers.append(numbers[-1] + (intra == 1) if number else 1)
        return numbers

    def positions(self, words: Sequence[int]) -> list[int]:
        """Of a whole answer."""
        positions: list[int] = []
        node = 0
        for number, word in enumerate(words):
            node, intra = self.step(node, positions[-1], word) if number else self.begin(word)
            positions.append(intra)
        return positions
