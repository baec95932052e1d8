"""One request to a chat model: structured output where the model has it, else JSON in text; one repair turn; errors sorted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from llmrg.agents.replies import R, read_reply, read_value
from llmrg.core.errors import LlmrgError, ModelError, ModelReplyError, ModelUnavailableError

PASSING_STATUS = {408, 409, 425, 429}
"""HTTP statuses, besides 5xx, after which another try may succeed."""
PASSING_NAMES = {
    *("APIConnectionError", "APITimeoutError", "ConnectError", "ConnectTimeout", "NetworkError", "PoolTimeout", "ProtocolError"),
    *(
        "RateLimitError",
        "ReadError",
        "ReadTimeout",
        "ResourceExhausted",
        "ServiceUnavailable",
        "TimeoutException",
        "TransportError",
    ),
}
"""Class names of such errors in httpx and in the providers' packages, which are not imported here."""
CHARACTERS_PER_TOKEN = 4
"""Estimate for models that report no usage."""
_REPAIR = "That reply could not be read: {problem}. Reply again to the same request, with the JSON asked for and nothing else."
_REPEATED = 4_000
"""Characters of an unreadable reply that are sent back with it."""


class ChatCalls:
    """Sends requests to one model and counts what they cost."""

    def __init__(self, model: BaseChatModel, timeout_s: float, structured: bool) -> None:
        self.model, self.timeout_s = model, timeout_s
        self.structured = structured and has_structured_output(model)
        self.counts = dict.fromkeys(("calls", "tokens", "seconds", "input_tokens", "output_tokens", "repairs"), 0.0)

    async def ask(self, messages: Sequence[BaseMessage], schema: type[R]) -> R:
        """The model's reply, read.

        Raises:
            ModelReplyError: it cannot be read, and the repaired one cannot be either.
            ModelUnavailableError, ModelError: as `as_model_error`.
        """
        asked = list(messages)
        message = await self._send(asked, schema)
        try:
            return read_message(message, schema)
        except ModelReplyError as error:
            problem = str(error)[:300]
        self.counts["repairs"] += 1
        said = message.text[:_REPEATED] or "(nothing)"
        repair = [AIMessage(said), HumanMessage(_REPAIR.format(problem=problem))]
        return read_message(await self._send([*asked, *repair], schema), schema)

    async def _send(self, messages: list[BaseMessage], schema: type[R]) -> AIMessage:
        asked = self._form(schema)
        started = time.monotonic()
        self.counts["calls"] += 1
        try:
            got = await asyncio.wait_for(asked.ainvoke(messages), self.timeout_s)
        except Exception as error:  # providers' errors have no common root; `as_model_error` tells them apart
            raise as_model_error(error, self.timeout_s) from error
        finally:
            self.counts["seconds"] += time.monotonic() - started
        message: AIMessage = got["raw"] if isinstance(got, dict) else got
        self._count_tokens(messages, message)
        return message

    def _form(self, schema: type[R]) -> Any:
        """What to invoke: the model that fills in the schema, or the plain one."""
        if self.structured:
            try:
                return self.model.with_structured_output(schema, include_raw=True)
            except NotImplementedError:
                self.structured = False
        return self.model

    def _count_tokens(self, messages: list[BaseMessage], reply: AIMessage) -> None:
        used: Any = reply.usage_metadata or {}
        written = reply.text + "".join(str(call["args"]) for call in reply.tool_calls)
        read = used.get("input_tokens", sum(len(m.text) for m in messages) // CHARACTERS_PER_TOKEN)
        said = used.get("output_tokens", len(written) // CHARACTERS_PER_TOKEN)
        self.counts["input_tokens"] += read
        self.counts["output_tokens"] += said
        self.counts["tokens"] += read + said


def read_message(message: AIMessage, schema: type[R]) -> R:
    """The reply in a message: in its tool calls, else in its text. (Read by us in both cases: one bad element spoils no others.)

    Raises: ModelReplyError: it is in neither.
    """
    for call in message.tool_calls:
        if (found := read_value(call["args"], schema)) is not None:
            return found
    written = [message.text, *(str(call["args"]) for call in message.invalid_tool_calls)]
    return read_reply("\n".join(written), schema)


def has_structured_output(model: BaseChatModel) -> bool:
    """Whether the model's class brings tool calls or structured output of its own."""
    kind = type(model)
    own = kind.with_structured_output is not BaseChatModel.with_structured_output
    return own or kind.bind_tools is not BaseChatModel.bind_tools


def as_model_error(error: Exception, timeout_s: float) -> LlmrgError:
    """An error of a provider as one of ours: ModelUnavailableError if another try may succeed, else ModelError."""
    if isinstance(error, LlmrgError):
        return error
    if isinstance(error, TimeoutError):
        return ModelUnavailableError(f"the model did not answer within {timeout_s:g} s; raise `timeout_s` if it is only slow")
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    if isinstance(error, ConnectionError) or any(_passing(one) for one in _with_causes(error)):
        return ModelUnavailableError(f"the model is unavailable ({said})")
    return ModelError(f"the model refused the request ({said}); check its name, key and limits")


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__


def _passing(error: BaseException) -> bool:
    response = getattr(error, "response", None)
    for holder, name in ((error, "status_code"), (error, "http_status"), (error, "code"), (response, "status_code")):
        status = getattr(holder, name, None)
        if isinstance(status, int) and not isinstance(status, bool):
            return status in PASSING_STATUS or 500 <= status < 600
    return any(kind.__name__ in PASSING_NAMES for kind in type(error).__mro__)
