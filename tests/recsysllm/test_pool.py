"""Positions within entities: found while writing, they are those of training."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.recsysllm.entity_pool import EntityPool
from llmrg.recsysllm.layout import Span, answer_intra, blank
from llmrg.recsysllm.pieces import PieceCoder, Tokens, intra_of

SEPARATOR = 9
entities_of = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=5), min_size=1, max_size=8)


def test_the_papers_example() -> None:
    """After [S] (1) an entity of three counts 2, 3, 4; a separator and a second entity begin anew."""
    pool = EntityPool([(1, 2, 3), (4, 5)])
    assert pool.positions([1, 2, 3]) == [2, 3, 4]
    assert pool.positions([1, 2, 3, SEPARATOR, 4, 5]) == [2, 3, 4, 1, 1, 2]
    assert pool.positions([7, 7, 1, 2]) == [2, 1, 1, 2], "words of no entity have no place in one"
    assert pool.positions([1, 3, 2]) == [2, 1, 1], "an entity that is left begins anew"
    assert pool.positions([]) == []


def trained(*entities: list[int]) -> list[int]:
    """Intra positions of a span that holds these, with separators between, in the layout of training."""
    ids, entity = list[int](), list[int]()
    for number, words in enumerate(entities, start=1):
        ids += [*([SEPARATOR] if ids else []), *words]
        entity += [*([0] if number > 1 else []), *[number] * len(words)]
    span = Tokens(np.array(ids), np.array(entity))
    made = blank(span, [Span(0, len(ids))], "document", "running", SEPARATOR, range(7))
    return made.intra[made.part > 0].tolist()[1:]


@given(entities_of)
def test_positions_are_those_of_training(entities: list[list[int]]) -> None:
    """For every entity, and every pair with a separator between."""
    pool = EntityPool(entities)
    for words in entities:
        assert pool.positions(words) == trained(words)
    for one, other in product(entities[:4], entities[:4]):
        assert pool.positions([*one, SEPARATOR, *other]) == trained(one, other)


def test_positions_of_titles_and_attributes(coder: PieceCoder) -> None:
    """As tokens of texts: titles that begin alike, one within another, equal ones."""
    known = [list(coder.entity(text)) for text in ("Dune", "Dune Messiah", "Emma", "Emma", "a", "a a", "love", "lovers")]
    pool = EntityPool(known)
    end = coder.ids(";")[0]
    for one, other in product(known, known):
        found = pool.positions([*one, end, *other])
        assert found == [*range(2, len(one) + 2), 1, *range(1, len(other) + 1)]


def test_places_within_entities() -> None:
    assert intra_of(np.array([0, 1, 1, 2, 0, 3, 3, 3, 0, 0])).tolist() == [0, 1, 2, 1, 0, 1, 2, 3, 0, 0]
    assert intra_of(np.zeros(0, dtype=np.int64)).tolist() == []
    assert answer_intra(np.array([1, 1, 0, 0, 2, 3])).tolist() == [2, 3, 1, 1, 1, 1]
    assert answer_intra(np.zeros(0, dtype=np.int64)).tolist() == []


@pytest.mark.parametrize("layout", ["causal", "blank"])
def test_constrained_titles_are_read_at_the_positions_of_training(small: Callable[..., Any], layout: str) -> None:
    """A title's token at depth d of the trie has the position d + 1 in training: what the searches feed."""
    desk = small(["Dune", "Dune Messiah", "Emma"], layout=layout, loss="vocabulary")
    for row in (1, 2, 3):
        made = desk.question([1, 2], answer=row)
        branch = made.part == made.part.max()
        start = int(np.flatnonzero(made.control == 4)[-1])
        words = made.ids[start + 1 :]
        assert words.tolist() == list(desk.text.titles[row - 1])
        assert branch[start:].all()
        assert made.intra[start:].tolist() == list(range(1, len(words) + 2))
        assert EntityPool(desk.text.titles).positions(words.tolist()) == made.intra[start + 1 :].tolist()
