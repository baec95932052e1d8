"""The reply in a chat model's message, wherever it stands there."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.messages import AIMessage

from llmrg.agents.chat.replies import R, joined, read_reply, read_value
from llmrg.core.errors import ModelReplyError

_CUT = {"length", "max_tokens", "MAX_TOKENS"}
_FILTERED = {"content_filter", "SAFETY", "refusal"}


def read_message(message: AIMessage, schema: type[R]) -> R:
    """The reply in a message: in its tool calls, else in its text, else, where there is no text, at the end of its thought. (Read
    by us in all cases: one bad element spoils no others.)

    Raises: ModelReplyError: it is nowhere there; says what the server says of it.
    """
    (name,) = schema.model_fields
    called = joined(_called(message, schema), schema)
    if called is not None and getattr(called, name):
        return called
    thought = "" if message.text.strip() or _finish(message) in _CUT else _thought(message)
    try:
        return read_reply(f"<think>{thought}</think>" if thought else message.text, schema)
    except ModelReplyError as error:
        if called is not None:
            return called
        raise ModelReplyError(f"{error}{_aside(message)}") from None


def _called(message: AIMessage, schema: type[R]) -> list[R | None]:
    """A reply, or None, per call of a tool; several calls may each hold a part."""
    calls: list[Any] = [call["args"] for call in message.tool_calls]
    calls += [call["args"] for call in message.invalid_tool_calls]
    if isinstance(older := message.additional_kwargs.get("function_call"), dict):
        calls.append(older.get("arguments"))
    return [read_value(call, schema) for call in calls]


def _thought(message: AIMessage) -> str:
    """In the fields in which providers keep it apart from the answer."""
    fields = [message.additional_kwargs.get(name) for name in ("reasoning_content", "reasoning", "thinking")]
    blocks = [block for block in message.content if isinstance(block, dict)] if isinstance(message.content, list) else []
    fields += [block.get(name) for block in blocks for name in ("reasoning", "thinking")]
    return "\n".join(field for field in fields if isinstance(field, str) and field)


def _finish(message: AIMessage) -> str:
    metadata = message.response_metadata
    return str(metadata.get("finish_reason") or metadata.get("stop_reason") or metadata.get("done_reason") or "")


def _aside(message: AIMessage) -> str:
    """What the server says besides the reply, and the way out."""
    if refusal := message.additional_kwargs.get("refusal"):
        return f"; the model refuses: {' '.join(str(refusal).split())[:200]!r}"
    if _finish(message) in _CUT:
        return (
            f" (finish reason {_finish(message)!r}: it was cut short; allow more output tokens, as in "
            f"LLMRG_MODEL_OPTIONS={json.dumps({'max_tokens': 4000})!r}, or ask for less at once: --block-size)"
        )
    if _finish(message) in _FILTERED:
        return f" (finish reason {_finish(message)!r}: the server's filter held it back)"
    return ""
