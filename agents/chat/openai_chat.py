"""OpenAI's protocol as other servers speak it: errors under status 200, and replies with parts that OpenAI has not."""

from __future__ import annotations

import json
from typing import Any

import openai
from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI

from llmrg.agents.chat.errors import error_in, model_error, retry_after_in, shortened
from llmrg.core.errors import ModelUnavailableError

_THOUGHT = ("reasoning_content", "reasoning")
"""Fields of a message in which vLLM, DeepSeek, OpenRouter and others keep the thought apart from the answer."""

_ANSWER = ("content", "tool_calls", "function_call")


class LenientChatOpenAI(ChatOpenAI):
    """Reads what servers put elsewhere or in another type than OpenAI: thought, arguments and content as objects."""

    def _get_request_payload(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The form of the reply goes past OpenAI's own parser, which stumbles over what is read here."""
        payload: dict[str, Any] = super()._get_request_payload(*args, **kwargs)
        if "messages" in payload and "response_format" in payload:
            payload["extra_body"] = {**(payload.get("extra_body") or {}), "response_format": payload.pop("response_format")}
        return payload

    def _create_chat_result(self, response: dict[str, Any] | openai.BaseModel, generation_info: Any = None) -> ChatResult:
        content = response if isinstance(response, dict) else response.model_dump(warnings=False)
        content["choices"] = _answered_first(content.get("choices") or [])
        messages = [_mended(choice["message"]) for choice in content["choices"]]
        result = super()._create_chat_result(content, generation_info)
        for message, generation in zip(messages, result.generations, strict=True):
            thought = next((message[name] for name in _THOUGHT if isinstance(message.get(name), str)), "")
            if thought:
                generation.message.additional_kwargs["reasoning_content"] = thought
        return result


def _answered_first(choices: list[Any]) -> list[Any]:
    """Choices that are messages, those that say something first: LangChain takes the first one, and some servers leave it
    empty."""
    messages = [choice for choice in choices if isinstance(choice, dict) and isinstance(choice.get("message"), dict)]
    return sorted(messages, key=lambda choice: not any(choice["message"].get(part) for part in _ANSWER))


def _mended(message: dict[str, Any]) -> dict[str, Any]:
    """The message itself, its parts in the types that LangChain wants."""
    message["role"] = message.get("role") or "assistant"
    if isinstance(message.get("content"), dict):
        message["content"] = json.dumps(message["content"], ensure_ascii=False)
    calls = [call.get("function") for call in message.get("tool_calls") or () if isinstance(call, dict)]
    for function in (*calls, message.get("function_call")):
        if isinstance(function, dict):
            function["arguments"] = _arguments(function.get("arguments"))
    return message


def _arguments(arguments: Any) -> str:
    """The text of an object, which is what LangChain wants: arguments may come as an object, a list, or as text of text.
    Text that is no JSON stays, to be read leniently."""
    value = arguments
    for _ in range(3):
        try:
            value = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            return str(value)
    return json.dumps(value if isinstance(value, dict) else {"arguments": value}, ensure_ascii=False)


async def refuse_no_replies(response: Any) -> None:
    """A hook of OpenAI's HTTP client, called with its response. A request that was answered with an error, or with no reply
    at all, under a status of success (2xx) has failed.

    Raises: ModelError, with the server's words.
    """
    if not response.is_success or not response.request.url.path.endswith("/chat/completions"):
        return
    if "event-stream" in response.headers.get("content-type", ""):
        return
    text = (await response.aread()).decode("utf-8", "replace")
    try:
        body = json.loads(text.removeprefix("\ufeff"))
    except ValueError:
        raise _nothing(text, response.status_code) from None
    status, words = error_in(body)
    if words:
        raise model_error(
            status or 500, f"status {response.status_code} with an error: {words}", retry_after_in(response.headers)
        )
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not any(isinstance(c, dict) and isinstance(c.get("message"), dict) for c in choices):
        raise _nothing(text, response.status_code)


def _nothing(text: str, status: int) -> ModelUnavailableError:
    shown = shortened(text) or "nothing at all"
    return ModelUnavailableError(f"the model's server answered with no reply under status {status} ({shown})")
