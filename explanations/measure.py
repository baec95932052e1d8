"""How wide a text will be, near enough to keep labels apart where no font can be asked."""

from __future__ import annotations

import unicodedata

_NARROW, _WIDE = frozenset("iljtfrI.,:;'’|!()[]/ -·”"), frozenset("mwMW@%—")
_SLACK = 1.06
"""Common system fonts differ by a few per cent: rather a little too much room than too little."""


def width(text: str, size: float) -> float:
    """Width in px at a font size in px."""
    return _SLACK * size * sum(map(_em, text))


def _em(char: str) -> float:
    if unicodedata.combining(char):
        return 0.0
    if unicodedata.east_asian_width(char) in "WF":
        return 1.0
    if char in _NARROW:
        return 0.34
    if char in _WIDE:
        return 0.88
    return 0.68 if char.isupper() else 0.56


def shorten(text: str, room: float, size: float) -> str:
    """The text, or as much of it as fits into `room` px, with an ellipsis; empty where not even four letters fit."""
    if width(text, size) <= room:
        return text
    short = text
    while short and width(short + "…", size) > room:
        short = short[:-1]
    short = short.rstrip(" ,;:-–(")
    return f"{short}…" if len(short) >= 4 or (short and width(short, size) >= 3 * size) else ""


def wrap(text: str, room: float, size: float, most: int) -> tuple[str, ...]:
    """The text in at most `most` lines of `room` px, broken at spaces; the last line ends in an ellipsis if text is left."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < most:
        last = len(lines) == most - 1
        taken = 1
        while taken < len(words) and width(" ".join(words[: taken + 1]), size) <= room:
            taken += 1
        line = " ".join(words if last else words[:taken])
        lines.append(shorten(line, room, size) or line[:3] + "…")
        words = [] if last else words[taken:]
    return tuple(lines)
