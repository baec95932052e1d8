"""Vectors as stores keep them: near what they were, whatever their length, and rounded once and for all."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llmrg.graph_store.half_precision import to_half

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=True)
VECTORS = st.lists(NUMBERS, min_size=1, max_size=100).filter(any)


def _unit(vector: np.ndarray) -> np.ndarray:
    """Of length 1, whatever the length of what is given."""
    values = np.asarray(vector, dtype=np.longdouble)
    values = values / np.abs(values).max()
    return values / np.sqrt((values**2).sum())


@given(VECTORS)
def test_the_direction_stays(vector: list[float]) -> None:
    """The distance of two unit vectors bounds what the cosine with any third changes by."""
    assert np.linalg.norm((_unit(np.array(vector)) - _unit(to_half(vector))).astype(float)) < 0.001


@given(st.integers(0, 2**32 - 1), st.integers(1, 4096))
def test_the_cosine_of_a_unit_vector_is_off_by_less_than_a_two_thousandth(seed: int, size: int) -> None:
    vector = _unit(np.random.default_rng(seed).standard_normal(size) ** 3).astype(np.float64)
    assert np.linalg.norm((_unit(vector) - _unit(to_half(vector))).astype(float)) < 0.0005
    assert np.abs(vector - to_half(vector)).max() < 0.0005, "a unit vector is rounded, and not scaled"


@given(VECTORS)
def test_what_was_rounded_is_not_rounded_again(vector: list[float]) -> None:
    rounded = to_half(vector)
    assert np.isfinite(rounded).all()
    assert rounded.any()
    assert np.array_equal(to_half(rounded), rounded)
    assert np.array_equal(to_half(rounded.tolist()), rounded)


@given(st.lists(st.integers(-2048, 2048), min_size=1, max_size=20).filter(any), st.integers(-8, 4))
def test_numbers_of_eleven_bits_stay_as_they_are(numbers: list[int], exponent: int) -> None:
    vector = np.ldexp(np.array(numbers, dtype=np.float64), exponent)
    assert np.array_equal(to_half(vector), vector)
