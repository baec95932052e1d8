"""A chat model that says what it is told to say: for tests without a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field, PrivateAttr

from llmrg.core.errors import ConfigError

Reply = str | AIMessage | BaseException
"""A text, a whole message (tool calls, usage figures), or an exception to raise."""
Script = Sequence[Reply] | Callable[[list[BaseMessage]], Reply]


class ScriptedChatModel(BaseChatModel):
    """Replies from a list, one after the other, or from a function of the request.

    Every request is kept in `requests`, those answered with an exception included. Sync and async calls share one script.
    """

    script: Any
    """A list of replies, or a function from the messages of a request to a reply."""
    model: str = "scripted"
    """Name that minds record."""
    requests: list[list[BaseMessage]] = Field(default_factory=list)
    """Messages of each request so far."""
    _next: int = PrivateAttr(default=0)

    def __init__(self, script: Script, **fields: Any) -> None:
        super().__init__(**{"script": script, **fields})

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _reply(self, messages: list[BaseMessage]) -> ChatResult:
        self.requests.append(list(messages))
        reply = self.script(messages) if callable(self.script) else self._next_of_list()
        if isinstance(reply, BaseException):
            raise reply
        message = reply if isinstance(reply, AIMessage) else AIMessage(reply)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _next_of_list(self) -> Reply:
        if self._next >= len(self.script):
            raise ConfigError(f"the script has {len(self.script)} replies, and request {self._next + 1} came; add a reply")
        self._next += 1
        reply: Reply = self.script[self._next - 1]
        return reply

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        return self._reply(messages)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        return self._reply(messages)
