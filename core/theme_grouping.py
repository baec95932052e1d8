"""From the texts of reasons to themes: texts that say the same get one name.

Texts are taken most frequent first, so a theme is named by the wording that is used most, and neither the order of users nor that
of the mapping matters. A text that was given a theme before keeps it, so that a growing knowledge base keeps its themes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from llmrg.core.errors import CallerError
from llmrg.core.themes import theme_name

Vectors = Callable[[Sequence[str]], np.ndarray]
"""Texts -> (N, D) float32 rows; a row of zeros is like no other."""

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_END: Final = " .,;:!?…"
_BLOCK: Final = 1024
"""Texts compared at once."""
_LEADERS: Final = 8192
"""Themes that a block is compared with at once: 32 MiB of cosines."""


def group_reasons(
    counts: Mapping[str, int], vectors: Vectors | None, known: Mapping[str, str] = _NOTHING, threshold: float = 0.85
) -> dict[str, str]:
    """Give each text of `counts` a theme; texts that are empty or all spaces get none.

    A text that is equal to another one but for case, spaces and end punctuation has its theme; else it has the theme whose name
    is nearest by text vector, if the cosine is `threshold` or more; else it is a theme of its own.

    Args:
        counts: text of a reason -> how many steps have it.
        vectors: for instance `TextVectors.embed`; None: texts are compared by wording alone.
        known: text -> theme, as given before; these texts and themes stay as they are.
        threshold: in (0, 1].
    Returns: text -> theme, the most frequent texts first.
    Raises: CallerError: a threshold outside (0, 1]; vectors of another shape, or not finite.
    """
    if not 0.0 < threshold <= 1.0:
        raise CallerError(f"the threshold must be in (0, 1], not {threshold!r}")
    texts = sorted((text for text in counts if text.strip()), key=lambda text: (-counts[text], text))
    themes = _by_wording(known)
    first: dict[str, str] = {}
    for text in texts:
        wording = folded(text)
        if text not in known and wording not in themes:
            first.setdefault(wording, text)
    new = list(first.values())
    named = _nearest(new, sorted(set(known.values())), vectors, threshold) if vectors else [theme_name(text) for text in new]
    themes |= dict(zip(first, named, strict=True))
    return {text: known[text] if text in known else themes[folded(text)] for text in texts}


def folded(text: str) -> str:
    """The text without what does not change its meaning: case, spaces, end punctuation."""
    plain = " ".join(text.casefold().split())
    return plain.rstrip(_END) or plain


def _by_wording(known: Mapping[str, str]) -> dict[str, str]:
    """Wording -> theme: of the themes' own names and, which counts more, of the texts that they were given to."""
    themes = {folded(theme): theme for theme in sorted(set(known.values()), reverse=True)}
    return themes | {folded(text): known[text] for text in sorted(known, reverse=True)}


def _nearest(texts: Sequence[str], themes: Sequence[str], vectors: Vectors, threshold: float) -> list[str]:
    """Themes of the texts, which are taken in this order; each that is near none of the themes so far becomes one itself."""
    names, leaders = list(themes), _Leaders()
    for block in _blocks(themes):
        leaders.add(_unit_rows(vectors, block))
    nearest: list[str] = []
    for block in _blocks(texts):
        rows = _unit_rows(vectors, block)
        cosines, places = leaders.nearest(rows)
        among = rows @ rows.T
        own = []
        for i, text in enumerate(block):
            if cosines[i] < threshold:
                nearer = among[i, i + 1 :] > cosines[i + 1 :]
                cosines[i + 1 :][nearer] = among[i, i + 1 :][nearer]
                places[i + 1 :][nearer] = len(names)
                places[i] = len(names)
                names.append(theme_name(text))
                own.append(i)
        leaders.add(rows[own])
        nearest += [names[place] for place in places]
    return nearest


class _Leaders:
    """Unit vectors of the themes so far, in a table that doubles where it is full."""

    def __init__(self) -> None:
        self._rows = np.empty((0, 0), np.float32)
        self._size = 0

    def add(self, rows: np.ndarray) -> None:
        size = self._size + len(rows)
        if size > len(self._rows):
            table = np.empty((max(size, 2 * len(self._rows)), rows.shape[1]), np.float32)
            if self._size:
                table[: self._size] = self._rows[: self._size]
            self._rows = table
        self._rows[self._size : size] = rows
        self._size = size

    def nearest(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Args: rows: (N, D). Returns: (N,) cosine of the nearest and (N,) its number; of equals the first; -1 and 0 for none.

        Raises: CallerError: rows of another dimension.
        """
        if self._size and rows.shape[1] != self._rows.shape[1]:
            raise CallerError(f"text vectors of {rows.shape[1]} numbers do not compare with those of {self._rows.shape[1]}")
        best, places = np.full(len(rows), -1.0, np.float32), np.zeros(len(rows), np.int64)
        for start in range(0, self._size, _LEADERS):
            cosines = rows @ self._rows[start : min(start + _LEADERS, self._size)].T
            at = cosines.argmax(axis=1)
            highest = cosines[np.arange(len(rows)), at]
            nearer = highest > best
            best[nearer], places[nearer] = highest[nearer], start + at[nearer]
        return best, places


def _unit_rows(vectors: Vectors, texts: Sequence[str]) -> np.ndarray:
    rows = np.array(vectors(texts), dtype=np.float32)
    if rows.ndim != 2 or len(rows) != len(texts) or not np.isfinite(rows).all():
        raise CallerError(f"text vectors must be {len(texts)} rows of finite numbers, not an array of shape {rows.shape}")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.maximum(lengths, np.finfo(np.float32).tiny)
    return rows


def _blocks(texts: Sequence[str]) -> Iterable[Sequence[str]]:
    return (texts[start : start + _BLOCK] for start in range(0, len(texts), _BLOCK))
