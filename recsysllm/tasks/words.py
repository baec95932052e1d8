"""The few words that can be answers: stars, yes and no."""

from __future__ import annotations

import math

import numpy as np

from llmrg.core.errors import ConfigError
from llmrg.recsysllm.pieces import PieceCoder, Tokens

STARS = (1, 2, 3, 4, 5)
LIKED = 4
"""Stars from which on an item is liked (P5, Geng et al. 2022)."""
YES, NO = " yes", " no"


def star_of(rating: float) -> int:
    """1 to 5: the nearest, half a star up, in the units of a source whose best is 5."""
    return int(min(max(math.floor(rating + 0.5), STARS[0]), STARS[-1]))


def star_words(coder: PieceCoder) -> tuple[int, ...]:
    """The token of each of 1 to 5: one alone, so that all five are predicted at one place.

    Raises: ConfigError: the tokenizer has no token of its own for each.
    """
    words = tuple(coder.ids(str(star))[-1] for star in STARS)
    if len(set(words)) < len(words):
        raise ConfigError("the tokenizer of this model has no token of its own for each of 1 to 5; choose another model")
    return words


def star_answer(star: int, coder: PieceCoder) -> Tokens:
    return _word((star_words(coder)[star - 1],))


def yes_no_answer(yes: bool, coder: PieceCoder) -> Tokens:
    return _word(coder.ids(YES if yes else NO))


def _word(ids: tuple[int, ...]) -> Tokens:
    return Tokens(np.array(ids, dtype=np.int64), np.ones(len(ids), dtype=np.int64))
