"""One request to a chat model: the call cache first, then the limiter, the best form of structured output, one repair turn.

Every reply is kept in the cache before it is used, unless it is useless: then the request is asked again. A request under way
when the build is cancelled is waited for and kept too, as it is paid for; cancelled a second time, it is dropped.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from langchain_core.caches import BaseCache
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration

from llmrg.agents.accounting.charge import count, may_call, patience_or, pay, resting, traced
from llmrg.agents.accounting.tracing import tell
from llmrg.agents.chat.errors import as_model_error, cut_reply, form_trouble, names_a_form, words_of
from llmrg.agents.chat.forms import ChatForms, Form, has_structured_output
from llmrg.agents.chat.limiter import Limiter
from llmrg.agents.chat.messages import read_message
from llmrg.agents.chat.replies import R
from llmrg.agents.chat.servers import server_of
from llmrg.core.errors import ModelReplyError, RateLimitedError

T = TypeVar("T")
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
class ChatRequest:
    """A request, and what the call cache notes beside its reply."""

    messages: tuple[BaseMessage, ...]
    role: str
    version: str
    """Of the prompt."""


@dataclass(frozen=True)
class _Unreadable:
    message: AIMessage
    problem: ModelReplyError


class ChatCalls:
    """Sends requests to one model. What they cost is charged as `agents.accounting.charge` says."""

    def __init__(
        self,
        model: BaseChatModel,
        timeout_s: float = 120.0,
        form: Form = "auto",
        *,
        cache: BaseCache | None = None,
        limiter: Limiter | None = None,
        patience_s: float = 600.0,
        reopen: Callable[[], BaseChatModel] | None = None,
    ) -> None:
        self.model, self.timeout_s, self.cache, self.patience_s = model, timeout_s, cache, patience_s
        self.limiter = limiter or Limiter()
        self._reopen = reopen
        self.name, self.server = model_name(model), server_of(model)
        self.priced_as = f"{self.name}@{self.server}" if self.server else self.name
        self._parameters = parameters_of(model)
        self._sent: set[asyncio.Task[Any] | None] = set()
        """Requests that have left for the model."""
        self._forms = ChatForms(form, has_structured_output(model))

    async def aclose(self) -> None:
        """Close the model's connections, where it can be made anew."""
        client = getattr(self.model, "http_async_client", None)
        if self._reopen is not None and client is not None:
            self.model = self._reopen()
            self._forms.forget()
            await client.aclose()

    async def ask(self, request: ChatRequest, schema: type[R], use: Callable[[R], T]) -> T:
        """What `use` makes of the model's reply. A reply that cannot be read, or that `use` refuses as useless, is not kept.

        Raises:
            ModelReplyError: it cannot be read, and the repaired one cannot be either; or `use` raises it.
            BudgetSpentError; ModelUnavailableError, ModelPromptError, ModelAccessError, ModelError: as `as_model_error`.
        """
        prompt, key = self._cached_as(request, schema) if self.cache is not None else ("", "")
        if self.cache is not None and (kept := await self.cache.alookup(prompt, key)):
            with suppress(ModelReplyError):
                answer = use(read_message(_message(kept[0]), schema))
                count(cached=1)
                return answer

        async def keep(message: AIMessage) -> None:
            """Also a repaired one stands for the request that was asked at first."""
            if self.cache is not None:
                await self.cache.aupdate(prompt, key, [ChatGeneration(message=message)])

        got = await self._waited(self._requested(request, schema, use, keep))
        if isinstance(got, _Unreadable):
            count(repairs=1)
            words = got.message.text[:_REPEATED] or "(nothing)"
            repair = (AIMessage(words), HumanMessage(_REPAIR.format(problem=str(got.problem)[:300])))
            again = ChatRequest((*request.messages, *repair), request.role, request.version)
            got = await self._waited(self._requested(again, schema, use, keep))
        if isinstance(got, _Unreadable):
            raise got.problem
        return got

    def _cached_as(self, asked: ChatRequest, schema: type[R]) -> tuple[str, str]:
        """(prompt, what else the reply depends on), as the cache takes them.

        The form is no part of it: what is asked for is the same, and a model may lose a form and find it again.
        """
        prompt = json.dumps([[m.type, m.text] for m in asked.messages], ensure_ascii=False)
        of_model = {"model": self.name, "server": self.server, "parameters": self._parameters, "reply": schema.__name__}
        return prompt, json.dumps({**of_model, "prompt": asked.role, "version": asked.version}, sort_keys=True)

    async def _waited(self, work: Coroutine[Any, Any, T]) -> T:
        request = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(request)
        except asyncio.CancelledError:
            if not request.done() and not request.cancelled():
                await self._last_words(request)
            raise

    async def _last_words(self, request: asyncio.Future[Any]) -> None:
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

    async def _requested(
        self, request: ChatRequest, schema: type[R], use: Callable[[R], T], keep: Callable[[AIMessage], Awaitable[None]]
    ) -> T | _Unreadable:
        """What is made of the reply, which is kept first."""
        message = await self._patiently(request, schema)
        try:
            reply = read_message(message, schema)
        except ModelReplyError as error:
            return _Unreadable(message, error)
        answer = use(reply)
        await keep(message)
        return answer

    async def _patiently(self, request: ChatRequest, schema: type[R]) -> AIMessage:
        """A request that is refused for its rate is sent again, when the limiter says so, as long as the build has patience."""
        patience = patience_or(self.patience_s)
        size = sum(len(m.text) for m in request.messages) / CHARACTERS_PER_TOKEN
        while True:
            try:
                async with self.limiter.turn(size + _REPLY_TOKENS) as turn:
                    may_call()
                    with traced("chat", gen_ai__operation__name="chat", gen_ai__request__model=self.name) as span:
                        message = await self._in_some_form(request, schema)
                        read, written = self._paid(request, message)
                        tell(span, gen_ai__usage__input_tokens=read, gen_ai__usage__output_tokens=written)
                    turn.used(read + written)
                    return message
            except RateLimitedError as error:
                if patience.left() <= 0:
                    raise
                resting(self.limiter.rest_s(), str(error))

    async def _in_some_form(self, request: ChatRequest, schema: type[R]) -> AIMessage:
        """In the best form of structured output that the endpoint takes. One that it does not know is not tried again; one over
        which it fails is left for this request."""
        forms = self._forms.left(schema)
        while True:
            form = forms.pop(0)
            try:
                return await self._send(list(request.messages), self._forms.formed(self.model, form, schema))
            except NotImplementedError:
                self._forms.leave(form)
            except Exception as error:  # providers' errors have no common root; `as_model_error` tells them apart
                trouble = form_trouble(error)
                if not forms or trouble is None:
                    raise as_model_error(error, self.timeout_s) from error
                if trouble != "failed":
                    self._forms.leave(form, schema if trouble == "schema" else None)
                elif not names_a_form(error):  # whatever it is, it is not in the plainest
                    forms = forms[-1:]
                log.info("%s: the form %r is left (%s): %s", self.name, form, trouble, words_of(error))
                may_call()

    async def _send(self, messages: list[BaseMessage], model: Any) -> AIMessage:
        started, request = time.monotonic(), asyncio.current_task()
        count(calls=1)
        self._sent.add(request)
        try:
            async with asyncio.timeout(self.timeout_s):  # in this task; `wait_for` would make another one for each request
                got = await self._fresh(model, messages)
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

    def _paid(self, request: ChatRequest, reply: AIMessage) -> tuple[int, int]:
        """Charge the reply's tokens, by the provider's figures where it gives them: (read, written)."""
        used: Any = reply.usage_metadata or {}
        written = reply.text + "".join(str(call["args"]) for call in reply.tool_calls)
        read = int(used.get("input_tokens", sum(len(m.text) for m in request.messages) // CHARACTERS_PER_TOKEN))
        written_tokens = int(used.get("output_tokens", len(written) // CHARACTERS_PER_TOKEN))
        pay(self.priced_as, read, written_tokens)
        return read, written_tokens


def model_name(model: BaseChatModel) -> str:
    named = (getattr(model, attribute, None) for attribute in ("model_name", "model", "model_id"))
    return next((name for name in named if isinstance(name, str) and name), model._llm_type)


def parameters_of(model: BaseChatModel) -> dict[str, Any]:
    """What of a model's fields may change its answers: plain values, without those that say where and how it is reached."""
    fields = model.model_dump(include={name for name in type(model).model_fields if _matters(name)})
    return {name: value for name, value in fields.items() if _plain(value)}


def _matters(field: str) -> bool:
    return field not in _OF_LANGCHAIN and not any(part in field for part in _ELSEWHERE)


def _plain(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(isinstance(name, str) and _plain(field) for name, field in value.items())
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_plain, value))
    return isinstance(value, str | int | float | bool)


def _message(kept: Any) -> AIMessage:
    message: AIMessage = kept.message
    return message
