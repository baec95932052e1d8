"""One request to a chat model: the call cache first, then the limiter, the best form of structured output, one repair turn.

Every reply is kept in the cache before it is used. A request under way when the build is cancelled is waited for and kept too, as
it is paid for; cancelled a second time, it is dropped.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.caches import BaseCache
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration
from langchain_core.runnables import RunnableSequence

from llmrg.agents.charge import count, may_call, patience_or, pay, traced
from llmrg.agents.limiter import Limiter
from llmrg.agents.minds.chat_errors import as_model_error, cut_reply, refuses_the_form
from llmrg.agents.replies import R, read_reply, read_value
from llmrg.agents.tracing import tell
from llmrg.core.errors import ModelReplyError, RateLimitedError

log = logging.getLogger(__name__)
CHARACTERS_PER_TOKEN = 4
"""Estimate for models that report no usage."""
_REPAIR = "That reply could not be read: {problem}. Reply again to the same request, with the JSON asked for and nothing else."
_REPEATED = 4_000
"""Characters of an unreadable reply that are sent back with it."""
STALE_CONNECTIONS = 100
"""Of a client that served another event loop before; each is found out by a failure."""
_REPLY_TOKENS = 400
"""Tokens of a reply, for the limiter, until it is there."""
_ELSEWHERE = ("key", "url", "base", "host", "header", "timeout", "retries", "cache", "client", "proxy", "limiter")
"""Parts of names of model fields that say where and how a model is reached, not what it answers."""
_OF_LANGCHAIN = {"verbose", "callbacks", "tags", "metadata", "name", "custom_get_token_ids", "disable_streaming"}


@dataclass(frozen=True)
class Asked:
    """A request, and what the call cache notes beside its reply."""

    messages: tuple[BaseMessage, ...]
    role: str
    version: str
    """Of the prompt."""


class ChatCalls:
    """Sends requests to one model. What they cost is charged as `agents.charge` says."""

    def __init__(
        self,
        model: BaseChatModel,
        timeout_s: float = 120.0,
        structured: bool = True,
        *,
        cache: BaseCache | None = None,
        limiter: Limiter | None = None,
        patience_s: float = 600.0,
        reopen: Callable[[], BaseChatModel] | None = None,
    ) -> None:
        self.model, self.timeout_s, self.cache, self.patience_s = model, timeout_s, cache, patience_s
        self.limiter = limiter or Limiter()
        self._reopen = reopen
        self.name = model_name(model)
        self._parameters = parameters_of(model)
        self._made: dict[tuple[str, type], Any] = {}
        self._sent: set[asyncio.Task[Any] | None] = set()
        """Requests that have left for the model."""
        self._forms = ["native", "tools", "json", "text"] if structured and has_structured_output(model) else ["text"]

    async def aclose(self) -> None:
        """Close the model's connections, where it can be made anew."""
        client = getattr(self.model, "http_async_client", None)
        if self._reopen is not None and client is not None:
            self.model = self._reopen()
            self._made.clear()
            await client.aclose()

    async def ask(self, asked: Asked, schema: type[R]) -> R:
        """The model's reply, read.

        Raises:
            ModelReplyError: it cannot be read, and the repaired one cannot be either.
            BudgetSpentError; ModelUnavailableError, ModelAccessError, ModelError: as `as_model_error`.
        """
        message = await self._answer(asked, schema)
        try:
            return read_message(message, schema)
        except ModelReplyError as error:
            problem = str(error)[:300]
        count(repairs=1)
        said = message.text[:_REPEATED] or "(nothing)"
        repair = (AIMessage(said), HumanMessage(_REPAIR.format(problem=problem)))
        return read_message(await self._answer(Asked((*asked.messages, *repair), asked.role, asked.version), schema), schema)

    async def _answer(self, asked: Asked, schema: type[R]) -> AIMessage:
        """From the cache, else from the model."""
        prompt = json.dumps([[m.type, m.text] for m in asked.messages], ensure_ascii=False)
        # The form is no part of the key: what is asked for is the same, and a model may lose a form and find it again.
        told = {"model": self.name, "parameters": self._parameters, "reply": schema.__name__}
        key = json.dumps({**told, "prompt": asked.role, "version": asked.version}, sort_keys=True)
        if self.cache is not None and (kept := await self.cache.alookup(prompt, key)):
            count(cached=1)
            return _message(kept[0])
        request = asyncio.ensure_future(self._requested(asked, schema, prompt, key))
        try:
            return await asyncio.shield(request)
        except asyncio.CancelledError:
            if not request.done() and not request.cancelled():
                await self._last_words(request)
            raise

    async def _last_words(self, request: asyncio.Future[AIMessage]) -> None:
        """Wait for a reply that is paid for. Requests that still wait for their turn are dropped."""
        request.add_done_callback(lambda task: task.cancelled() or task.exception())  # nobody else asks how it ended
        if self.cache is None or request not in self._sent:
            request.cancel()
            return
        log.warning("stopping: a call is under way and is waited for, to keep its reply; an interrupt drops it")
        try:
            await asyncio.wait({request})
        finally:
            request.cancel()

    async def _requested(self, asked: Asked, schema: type[R], prompt: str, key: str) -> AIMessage:
        message = await self._patiently(asked, schema)
        if self.cache is not None:
            await self.cache.aupdate(prompt, key, [ChatGeneration(message=message)])
        return message

    async def _patiently(self, asked: Asked, schema: type[R]) -> AIMessage:
        """A request that is refused for its rate is sent again, when the limiter says so, as long as the build has patience."""
        patience = patience_or(self.patience_s)
        size = sum(len(m.text) for m in asked.messages) / CHARACTERS_PER_TOKEN
        while True:
            try:
                async with self.limiter.turn(size + _REPLY_TOKENS) as turn:
                    may_call()
                    with traced("chat", gen_ai__operation__name="chat", gen_ai__request__model=self.name) as span:
                        message = await self._in_some_form(asked, schema)
                        read, written = self._paid(asked, message)
                        tell(span, gen_ai__usage__input_tokens=read, gen_ai__usage__output_tokens=written)
                    turn.used(read + written)
                    return message
            except RateLimitedError:
                if patience.left() <= 0:
                    raise

    async def _in_some_form(self, asked: Asked, schema: type[R]) -> AIMessage:
        """In the best form of structured output that the endpoint takes; one it refuses is not tried again."""
        while True:
            form = self._forms[0]
            try:
                return await self._send(list(asked.messages), self._formed(form, schema))
            except NotImplementedError:
                pass
            except Exception as error:  # providers' errors have no common root; `as_model_error` tells them apart
                if form == "text" or not refuses_the_form(error):
                    raise as_model_error(error, self.timeout_s) from error
                may_call()
            if self._forms[0] == form:  # nobody else has found out meanwhile
                log.info("%s takes no structured output of the form %r", self.name, form)
                self._forms.pop(0)

    def _formed(self, form: str, schema: type[R]) -> Any:
        """The model that is asked for this form; made once, as it takes some milliseconds.

        Raises: NotImplementedError: the model's class does not know the form.
        """
        if (form, schema) not in self._made:
            self._made[form, schema] = self._make(form, schema)
        return self._made[form, schema]

    def _make(self, form: str, schema: type[R]) -> Any:
        if form == "text":
            return self.model
        options: Any = {"tools": {"method": "function_calling"}, "json": {"method": "json_mode"}}.get(form, {})
        try:
            # A dict, since a class makes some providers raise at the first element that does not fit it.
            made = self.model.with_structured_output(schema.model_json_schema(), include_raw=True, **options)
        except (TypeError, ValueError) as error:
            raise NotImplementedError(form) from error
        # Without LangChain's parser behind it: replies are read by us, and it takes minutes over a long one that is no JSON.
        return made.first if isinstance(made, RunnableSequence) else made

    async def _send(self, messages: list[BaseMessage], model: Any) -> AIMessage:
        started, request = time.monotonic(), asyncio.current_task()
        count(calls=1)
        self._sent.add(request)
        try:
            got = await asyncio.wait_for(self._fresh(model, messages), self.timeout_s)
        except Exception as error:
            if (cut := cut_reply(error)) is not None:
                return cut
            limited = isinstance(as_model_error(error, self.timeout_s), RateLimitedError)
            count(**{"calls": -1, "rate_limited": 1} if limited else {"failed": 1})
            raise
        finally:
            self._sent.discard(request)
            count(seconds=time.monotonic() - started)
        message: AIMessage = got["raw"] if isinstance(got, dict) else got
        return message

    async def _fresh(self, model: Any, messages: list[BaseMessage]) -> Any:
        """Past connections that a client has kept from an event loop that is gone: nothing was sent on those."""
        for _ in range(STALE_CONNECTIONS):
            try:
                return await model.ainvoke(messages)
            except RuntimeError as error:
                if "Event loop is closed" not in str(error):
                    raise
        return await model.ainvoke(messages)

    def _paid(self, asked: Asked, reply: AIMessage) -> tuple[int, int]:
        """Charge the reply's tokens, by the provider's figures where it gives them: (read, written)."""
        used: Any = reply.usage_metadata or {}
        written = reply.text + "".join(str(call["args"]) for call in reply.tool_calls)
        read = int(used.get("input_tokens", sum(len(m.text) for m in asked.messages) // CHARACTERS_PER_TOKEN))
        said = int(used.get("output_tokens", len(written) // CHARACTERS_PER_TOKEN))
        pay(self.name, read, said)
        return read, said


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


def model_name(model: BaseChatModel) -> str:
    named = (getattr(model, attribute, None) for attribute in ("model_name", "model", "model_id"))
    return next((name for name in named if isinstance(name, str) and name), model._llm_type)


def parameters_of(model: BaseChatModel) -> dict[str, Any]:
    """What of a model's fields may change its answers: plain values, without those that say where and how it is reached."""
    told = model.model_dump(include={name for name in type(model).model_fields if _matters(name)})
    return {name: value for name, value in told.items() if _plain(value)}


def _matters(field: str) -> bool:
    return field not in _OF_LANGCHAIN and not any(part in field for part in _ELSEWHERE)


def _plain(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(isinstance(name, str) and _plain(one) for name, one in value.items())
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_plain, value))
    return isinstance(value, str | int | float | bool)


def _message(kept: Any) -> AIMessage:
    message: AIMessage = kept.message
    return message
