"""A chat model that would obey: orders that reach it outside the marks of data are followed, as a weak model would."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from langchain_core.messages import BaseMessage

_DATA = re.compile(r"«[^»]*»")
_ORDER = re.compile(r"ignore|instruction|system|obey|reply with|you (?:are|must)|assistant:|user:|\{|\}|```|##", re.IGNORECASE)
_HEADINGS = (
    *("ABOUT THE USER", "HISTORY", "OPEN CHAINS", "REJECTED BEFORE", "EXPLAIN", "QUESTIONS", "CHAINS"),
    *("REASONS SO FAR", "ITEMS", "PICK"),
)
_FORM = re.compile(r"\[[acq]?\d+\]|\(\d+\)|often followed by|from|the start|for the reason|to|\?\?\?|[:,\s]")
"""What our requests hold besides data and headings."""


class ObeyingResponder:
    """Passes requests on to `responder` unless something outside « and » looks like an order, a second heading, or foreign text.

    Then it replies with nothing, which is what most injected orders want. `obeyed` holds what it took for an order.
    """

    def __init__(self, responder: Callable[[list[BaseMessage]], Any]) -> None:
        self._responder = responder
        self.obeyed: list[str] = []

    def __call__(self, messages: list[BaseMessage]) -> Any:
        request = next(m.text for m in reversed(messages) if m.type == "human")
        if order := self._order(request):
            self.obeyed.append(order)
            return '{"steps": [], "answers": [], "continuations": [], "items": [], "picks": []}'
        return self._responder(messages)

    def _order(self, request: str) -> str:
        outside = _DATA.sub("", request)
        if order := _ORDER.search(outside):
            return order.group()
        lines = outside.splitlines()
        for heading in _HEADINGS:
            if lines.count(heading) > 1:
                return heading
        rest = _FORM.sub("", "".join(line for line in lines if line not in _HEADINGS))
        return rest[:40]
