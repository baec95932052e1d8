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
    """Explains each item `steps_per_item` times, answers every question, continues every chain."""

    model: str = "stand-in"
    steps_per_item: float = 1.5
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
            told = {"reason": "much the same mood", "title": "A title of middling length"}
            return {"continuations": [{"chain": n, **told} for n in numbers for _ in range(self.continuations)]}
        asked = [int(n) for n in _LABEL.findall(lines[-1])]
        again = "REJECTED BEFORE" in lines  # another reason than before, else it would not be looked at
        return {"steps": [self._step(n, k, again) for n in asked for k in range(self._steps(n))]}

    def _steps(self, number: int) -> int:
        """Whole numbers that come to `steps_per_item` on average."""
        return int(self.steps_per_item * (number + 1)) - int(self.steps_per_item * number)

    def _step(self, number: int, which: int, again: bool) -> dict[str, Any]:
        said = "another side of it" if again else "much the same mood"
        cause, reason = number - 1 - which, f"{said} {'again' * which}".strip()
        return {"position": number, "cause": cause if cause > 0 else None, "reason": reason}


def chance(*parts: object) -> float:
    """In [0, 1), by the parts alone."""
    return int(stable_key(*parts)[:8], 16) / 16**8
