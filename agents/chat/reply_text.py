"""Finds values in the text of a reply: JSON, or what is written like it, apart from the thought and the chatter around it."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import json_repair

LONGEST_REPLY: Final = 1_000_000
"""Characters of a reply, without its thought, that are looked at."""
_LONGEST_REPAIR: Final = 100_000
_DEEPEST: Final = 40
"""Brackets in one another; a reply of ours has six."""
_MOST_FALSE_STARTS: Final = 200
NO_VALUE: Final = object()

_NAMES = (
    r"(?:\w+:)?(?:ant)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|reflect|scratch_?pad|analysis|internal_monologue)"
)
_OPENS = (
    rf"<{_NAMES}(?:\s[^<>]*)?>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|START_THINKING\|>|<\|channel\|>analysis<\|message\|>"
)
_CLOSES = (
    rf"</{_NAMES}\s*>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|END_THINKING\|>|<\|channel\|>final<\|message\|>|assistantfinal"
)
_MARK = re.compile(rf"(?P<opens>{_OPENS})|(?P<closes>{_CLOSES})", re.IGNORECASE)
_OUTSIDE = re.compile(r"[\[{\]}]")
_INSIDE = re.compile(
    r"""(?P<skip>"(?:\\.|[^"\\])*"|“[^”]*”|(?<=[\[{,:\s])'(?:\\.|[^'\\\n])*'(?=\s*[,:\]}])"""
    r"""|//[^\n]*|/\*.*?\*/)|[\[{\]}]""",
    re.DOTALL,
)
_PARTNER: Final = {"]": "[", "}": "{"}


@dataclass(slots=True)
class Span:
    """A pair of brackets, from the first up to behind the second."""

    start: int
    stop: int
    deep: int = 1
    """How many pairs stand in one another, this one included."""
    parts: list[Span] = field(default_factory=list)
    inside: int = -1
    """Where the bracket around it opens that is never closed, since the reply was cut short; -1: there is none."""


@dataclass(frozen=True, slots=True)
class PlacedValue:
    """A value and where it stands."""

    value: Any
    start: int
    stop: int
    inside: int
    """As in `Span`."""


def without_thought(text: str) -> tuple[str, str]:
    """(answer, thought): what stands between the usual marks, before a closing or after an opening one alone is thought."""
    answer: list[str] = []
    thought: list[str] = []
    at = opened = 0
    for mark in _MARK.finditer(text):
        piece = text[at : mark.start()]
        if mark["closes"] is not None and not opened:  # what was kept so far was thought too
            thought += [*answer, piece]
            answer = []
        else:
            (thought if opened else answer).append(piece)
        opened = opened + 1 if mark["opens"] is not None else 0
        at = mark.end()
    (thought if opened else answer).append(text[at:])
    return "".join(answer), "".join(thought)


def values_in(text: str) -> list[PlacedValue]:
    """Outermost values that can be read, from left to right. Of a bracket that is never closed the parts are taken."""
    text = text[:LONGEST_REPLY]
    return _read(text, _spans(text, strings=True)) or _read(text, _spans(text, strings=False))


def parsed(text: str) -> Any:
    """The value of a text that is one, in JSON or nearly so; NO_VALUE for another text."""
    for form in (text, _bare(text)):
        try:
            return json.loads(form, strict=False)
        except RecursionError:
            return NO_VALUE
        except ValueError:
            pass
    if len(text) > _LONGEST_REPAIR:
        return NO_VALUE
    with warnings.catch_warnings(), suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        warnings.simplefilter("ignore", SyntaxWarning)
        return ast.literal_eval(text.strip())
    try:
        value = json_repair.loads(_plain_marks(text), skip_json_loads=True)
    except (ValueError, TypeError, RecursionError, IndexError):
        return NO_VALUE
    return value if isinstance(value, dict | list) else NO_VALUE


def _bare(text: str) -> str:
    """Without comments, and without commas that nothing follows."""
    for more in (r"//[^\n]*|#[^\n]*|/\*.*?\*/", r",(?=\s*[\]}])"):
        text = re.sub(rf'("(?:\\.|[^"\\])*")|{more}', lambda match: match[1] or "", text, flags=re.DOTALL)
    return text


def _plain_marks(text: str) -> str:
    """Typographic quotes and wide marks where JSON has its own."""
    text = re.sub(r"(?<=[\[{,:\s])[‘’](?=\w)|[‘’](?=\s*[,:\]}])", "'", text)
    text = re.sub(r"""(?<=["'”])\s*：\s*""", ": ", text)
    return re.sub(r"""(?<=["'”\d\]}le])\s*，\s*(?=["'“\[{])""", ", ", text)


def _read(text: str, spans: list[Span]) -> list[PlacedValue]:
    values: list[PlacedValue] = []
    left, false_starts = list(reversed(spans)), 0
    while left and false_starts <= _MOST_FALSE_STARTS:
        span = left.pop()
        value = parsed(text[span.start : span.stop]) if span.deep <= _DEEPEST else NO_VALUE
        if value is NO_VALUE:
            false_starts += 1
            for part in span.parts:
                part.inside = span.inside
            left += reversed(span.parts)
        else:
            values.append(PlacedValue(value, span.start, span.stop, span.inside))
    return values


def _spans(text: str, *, strings: bool) -> list[Span]:
    """Outermost pairs of brackets; in `strings` and comments inside of them brackets do not count."""
    stack: list[Span] = []
    outermost: list[Span] = []
    for bracket, at in _brackets(text, stack, strings):
        if bracket in "[{":
            stack.append(Span(at, -1))
            continue
        opened = next((n for n in range(len(stack) - 1, -1, -1) if text[stack[n].start] == _PARTNER[bracket]), None)
        if opened is None:
            continue
        span = stack[opened]
        span.parts += [part for lost in stack[opened + 1 :] for part in lost.parts]  # their own ends are missing
        span.stop, span.deep = at + 1, 1 + max((part.deep for part in span.parts), default=0)
        del stack[opened:]
        (stack[-1].parts if stack else outermost).append(span)
    for unclosed in stack:
        for part in unclosed.parts:
            part.inside = unclosed.start
        outermost += unclosed.parts
    return sorted(outermost, key=lambda span: span.start)


def _brackets(text: str, stack: list[Span], strings: bool) -> Iterator[tuple[str, int]]:
    """Quotes of the chatter around values mean nothing, so strings are looked for inside of brackets only."""
    at = 0
    while (mark := (_INSIDE if stack and strings else _OUTSIDE).search(text, at)) is not None:
        at = mark.end()
        if len(mark[0]) == 1 and mark[0] in "[{]}":
            yield mark[0], mark.start()
