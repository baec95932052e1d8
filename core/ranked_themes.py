"""Scores for themes that come in order of how characteristic they are, without a number of their own."""

from __future__ import annotations

from collections.abc import Iterable

LEAST = 0.5
"""Score of the last of several themes: named at all is worth half of named first."""


def scored_by_rank(themes: Iterable[str]) -> dict[str, float]:
    """Theme -> score, which falls evenly from 1 for the first to `LEAST` for the last; a theme that comes again counts once."""
    ranked = list(dict.fromkeys(themes))
    fall = (1.0 - LEAST) / max(len(ranked) - 1, 1)
    return {theme: round(1.0 - fall * rank, 4) for rank, theme in enumerate(ranked)}
