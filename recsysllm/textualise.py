"""Items, users and histories as text with marked entities (paper, data phase): titles and attribute values.

Ids mean nothing to a language model and enter no prompt, but of items without a title, which have no other name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from llmrg.core.errors import CallerError
from llmrg.core.records import Attributes, Item
from llmrg.recsysllm.entity_pool import EntityPool
from llmrg.recsysllm.pieces import Piece, PieceCoder, Tokens, joined
from llmrg.recsysllm.trie import TitleTrie

SEPARATORS = (";", "\n", " |", " #", " ;;", "\t", " ¶")
"""What ends an item; the first whose token stands in no title."""


@dataclass(frozen=True)
class Textualiser:
    """A catalogue in the words of one tokenizer."""

    coder: PieceCoder
    titles: tuple[tuple[int, ...], ...]
    """Tokens of each item's title, by catalogue row - 1."""
    items: tuple[Tokens, ...]
    """The title as an entity, its attributes as entities, and the end of the item."""
    end: int
    """The token that ends an item."""
    trie: TitleTrie

    @classmethod
    def of(cls, items: Sequence[Item], coder: PieceCoder, attributes: Sequence[str] = ()) -> Self:
        """Args: attributes: names of those written after a title.

        Raises: CallerError: no items.
        """
        if not items:
            raise CallerError("a catalogue without items has nothing to recommend")
        titles = [coder.entity(item.title.strip() or item.id) for item in items]
        end = _separator(coder, titles)
        titles = [tuple(word for word in title if word != end) or coder.ids("?") for title in titles]
        lines = tuple(_line(item, title, coder, attributes, end) for item, title in zip(items, titles, strict=True))
        return cls(coder, tuple(titles), lines, end, TitleTrie.of(titles, end))

    def nodes(self, row: int) -> tuple[int, ...]:
        """Trie node that each token of an item's title, and the end, is a child of."""
        path = self.trie.path_of_item[row - 1]
        return (0, *path[:-1])

    def title(self, row: int) -> Tokens:
        """An item's title as an entity."""
        ids = np.array(self.titles[row - 1], dtype=np.int64)
        return Tokens(ids, np.ones(len(ids), dtype=np.int64))

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest title, with its end."""
        return max(map(len, self.titles)) + 1

    def history(self, rows: Sequence[int]) -> Tokens:
        """Items of catalogue rows, each ended."""
        return joined([self.items[row - 1] for row in rows])

    def listed(self, rows: Sequence[int]) -> Tokens:
        """Titles alone, each ended, but not the last: candidates, or one item in a sentence."""
        parts = [self.title(row) for row in rows]
        stop = Tokens(np.array([self.end]), np.array([0]))
        return joined([part for title in parts for part in (title, stop)][:-1])

    @cached_property
    def pool(self) -> EntityPool:
        """All titles and attribute values, for the positions of what is written."""
        entities = dict.fromkeys(
            tuple(line.ids[line.entity == number].tolist())
            for line in self.items
            for number in range(1, int(line.entity.max(initial=0)) + 1)
        )
        return EntityPool(entities)

    def written(self, text: str, most: int) -> Tokens:
        """Free text as an answer: its entities are those that are found while it is written."""
        tokens = self.coder.prose(text, most)
        return Tokens(tokens.ids, np.array(self.pool.entities(tokens.ids.tolist()), dtype=np.int64))


def user_pieces(attributes: Attributes) -> list[Piece]:
    """A user as text: `age 25-34, occupation writer`; someone unknown is "someone"."""
    if not attributes:
        return [Piece(" someone")]
    pieces: list[Piece] = []
    for name, value in attributes:
        pieces += [Piece(("," if pieces else "") + f" {name}"), Piece(value, entity=True)]
    return pieces


def _line(item: Item, title: tuple[int, ...], coder: PieceCoder, attributes: Sequence[str], end: int) -> Tokens:
    words = [value for name in attributes for value in item.values(name)]
    pieces = [Piece(" (")] if words else []
    for number, word in enumerate(words):
        pieces += [*([Piece(",")] if number else []), Piece(word, entity=True)]
    about = coder.code([*pieces, *([Piece(")")] if words else [])])
    keep = about.ids != end
    parts = [
        Tokens(np.array(title, dtype=np.int64), np.ones(len(title), dtype=np.int64)),
        Tokens(about.ids[keep], about.entity[keep]),
        Tokens(np.array([end]), np.array([0])),
    ]
    return joined(parts)


def _separator(coder: PieceCoder, titles: Sequence[Sequence[int]]) -> int:
    """Of those that occur in no title, the first; where all do, the one in the fewest, which is then taken out of them."""
    counts = {}
    for text in SEPARATORS:
        ids = coder.ids(text)
        if ids:
            counts[ids[-1]] = sum(ids[-1] in title for title in titles)
            if not counts[ids[-1]]:
                return ids[-1]
    return min(counts, key=lambda word: counts[word])
