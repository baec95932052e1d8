"""A chat model that thinks nothing: it replies to the chat mind's requests in form and length, for estimates of cost."""

from __future__ import annotations

import json
import re
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from llmrg.core.records import stable_key

_LABEL = re.compile(r"\[[acq]?(\d+)\]")


class StandInModel(BaseChatModel):
    """Explains each item `steps_per_item` times, answers every question, continues every chain; asked about items, names
    `reasons_per_item` of a stock of `themes` for each, and picks every other one."""

    model: str = "stand-in"
    steps_per_item: float = 1.5
    reasons_per_item: float = 6.0
    themes: int = 400
    theme_length: int = 15
    """Characters."""
    continuations: int = 3

    @property
    def _llm_type(self) -> str:
        return "stand-in"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        reply = json.dumps(self._reply(messages[-1].text.splitlines()))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(reply))])

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return self._generate(messages)

    def _reply(self, lines: list[str]) -> dict[str, Any]:
        if "QUESTIONS" in lines:
            numbers = [int(n) for line in lines for n in re.findall(r"^\[q(\d+)\]", line)]
            return {"answers": [{"question": n, "choice": 1, "confidence": 0.85} for n in numbers]}
        if "CHAINS" in lines:
            numbers = [int(n) for line in lines for n in re.findall(r"^\[c(\d+)\]", line)]
            texts = {"reason": "much the same mood", "title": "A title of middling length"}
            return {"continuations": [{"chain": n, **texts} for n in numbers for _ in range(self.continuations)]}
        if "ITEMS" in lines:
            return {"items": self._items(lines)}
        if "PICK" in lines:
            return {"picks": self._picks(lines)}
        labels = [int(n) for n in _LABEL.findall(lines[-1])]
        again = "REJECTED BEFORE" in lines  # another reason than before, else it would not be looked at
        return {"steps": [self._step(n, k, again) for n in labels for k in range(self._steps(n))]}

    def _items(self, lines: list[str]) -> list[dict[str, Any]]:
        start, again = lines.index("ITEMS") + 1, "REJECTED BEFORE" in lines
        shown = lines[start : lines.index("REJECTED BEFORE") if again else None]
        return [{"item": n, "reasons": self._reasons(line, n, again)} for n, line in enumerate(shown, start=1)]

    def _reasons(self, line: str, number: int, again: bool) -> list[str]:
        drawn = (int(chance(line, k, again) * self.themes) for k in range(_whole(self.reasons_per_item, number)))
        return [f"{count} {'of much the same mood' * 3}"[: self.theme_length] for count in drawn]

    def _picks(self, lines: list[str]) -> list[dict[str, Any]]:
        picks: list[dict[str, Any]] = []
        for line in lines[1:]:
            if label := _LABEL.match(line):
                picks.append({"item": int(label.group(1)), "fits": []})
            elif (number := int(line[1 : line.index(")")])) % 2:
                picks[-1]["fits"].append(number)
        return picks

    def _steps(self, number: int) -> int:
        return _whole(self.steps_per_item, number)

    def _step(self, number: int, which: int, again: bool) -> dict[str, Any]:
        words = "another side of it" if again else "much the same mood"
        cause, reason = number - 1 - which, f"{words} {'again' * which}".strip()
        return {"position": number, "cause": cause if cause > 0 else None, "reason": reason}


def _whole(average: float, number: int) -> int:
    """Whole numbers that come to the average over many numbers."""
    return int(average * (number + 1)) - int(average * number)


def chance(*parts: object) -> float:
    """In [0, 1), by the parts alone."""
    return int(stable_key(*parts)[:8], 16) / 16**8
