"""Text with marked entities, as tokens: an entity is tokenised alone, so its tokens are the same wherever it stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
LONGEST_ENTITY = 64
"""Tokens of an entity at most; the rest of a longer title is cut."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a prompt. An entity (an item's title, a user's attribute) is never cut by a mask (paper, section on masks)."""

    text: str
    entity: bool = False


@dataclass(frozen=True, slots=True)
class Tokens:
    """L tokens."""

    ids: IntArray
    """(L,) numbers in the vocabulary."""
    entity: IntArray
    """(L,) number of the entity that a token is part of, counted from 1; 0 for none."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def intra(self) -> IntArray:
        """(L,) 1, 2, ... within an entity, 0 outside (paper, positions)."""
        return intra_of(self.entity)


def intra_of(entity: IntArray) -> IntArray:
    """(L,) entity numbers -> (L,) place within the entity, from 1; 0 outside."""
    new = np.concatenate([[True], entity[1:] != entity[:-1]]) if len(entity) else np.zeros(0, dtype=bool)
    start = np.maximum.accumulate(np.where(new, np.arange(len(entity)), 0)) if len(entity) else np.zeros(0, dtype=np.int64)
    return np.where(entity > 0, np.arange(len(entity)) - start + 1, 0)


class PieceCoder:
    """Pieces to tokens with one tokenizer; each text is tokenised once."""

    def __init__(self, tokenizer: Any) -> None:
        """Args: tokenizer: a `tokenizers.Tokenizer`."""
        self._tokenizer = tokenizer
        self._ids_of: dict[str, tuple[int, ...]] = {}

    def ids(self, text: str) -> tuple[int, ...]:
        """Of a text as it stands, without special tokens."""
        ids = self._ids_of.get(text)
        if ids is None:
            ids = self._ids_of[text] = tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)
        return ids

    def entity(self, text: str) -> tuple[int, ...]:
        """Of an entity: with its leading blank, white space made single, cut after `LONGEST_ENTITY` tokens; never empty."""
        return self.ids(" " + (" ".join(text.split()) or "?"))[:LONGEST_ENTITY]

    def prose(self, text: str, most: int) -> Tokens:
        """Free text with a leading blank, white space made single, cut after `most` tokens. It is seldom read twice, so it is not
        kept."""
        ids = self._tokenizer.encode(" " + " ".join(text.split()), add_special_tokens=False).ids[:most]
        return Tokens(np.array(ids, dtype=np.int64), np.zeros(len(ids), dtype=np.int64))

    def code(self, pieces: Iterable[Piece]) -> Tokens:
        """All pieces, one after the other."""
        ids: list[int] = []
        entity: list[int] = []
        number = 0
        for piece in pieces:
            piece_ids = self.entity(piece.text) if piece.entity else self.ids(piece.text)
            number += piece.entity
            ids += piece_ids
            entity += [number if piece.entity else 0] * len(piece_ids)
        return Tokens(np.array(ids, dtype=np.int64), np.array(entity, dtype=np.int64))

    def text(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(list(map(int, ids)))
        return text

    def save(self, path: Path) -> None:
        """Write the tokenizer as it was read."""
        self._tokenizer.save(str(path))

    def start(self) -> tuple[int, ...]:
        """What the tokenizer puts before every text."""
        return tuple(self._tokenizer.encode("").ids)


def joined(parts: Sequence[Tokens]) -> Tokens:
    """One after the other; entities are numbered on."""
    number, entity = 0, []
    for part in parts:
        entity.append(np.where(part.entity > 0, part.entity + number, 0))
        number += int(part.entity.max(initial=0))
    empty = np.zeros(0, dtype=np.int64)
    return Tokens(np.concatenate([empty, *(part.ids for part in parts)]), np.concatenate([empty, *entity]))
