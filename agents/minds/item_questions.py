"""The two questions about items, in batches: why people take them, and which of some reasons are theirs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from langchain_core.messages import BaseMessage

from llmrg.agents.asks_items import Ask
from llmrg.agents.chat.prompts import ITEM_ROLES, Prompt, Role, render_items, render_pick
from llmrg.agents.chat.replies import ItemReasons, ItemsReply, Pick, PickReply
from llmrg.agents.chat.requests import ChatCalls, ChatRequest
from llmrg.agents.minds.item_themes import PickQuestion, cleaned
from llmrg.core.errors import ModelReplyError
from llmrg.data.dataset import Catalogue

T = TypeVar("T")


class ItemQuestions:
    """Asks one model. Items that a reply leaves out are asked for once more, in batches half as large; then they are counted."""

    def __init__(
        self,
        calls: ChatCalls,
        catalogue: Catalogue,
        prompts: Mapping[Role, tuple[Prompt, str]],
        attributes: Sequence[str],
        batch: int,
        reasons: int,
    ) -> None:
        """Args:
        prompts: role -> prompt and its version.
        attributes: of the items, shown beside their titles.
        batch: items a request.
        reasons: for an item, at most.
        """
        assert set(prompts) == set(ITEM_ROLES)
        self._calls, self._catalogue, self._prompts = calls, catalogue, prompts
        self._attributes, self._batch, self._most = attributes, batch, reasons

    def _request(self, role: Role, request: str) -> ChatRequest:
        prompt, version = self._prompts[role]
        messages: list[BaseMessage] = prompt.messages(request, self._catalogue.noun, self._most)
        return ChatRequest(tuple(messages), role, version)

    # -- why people take them ----------------------------------------------------------------------------------------
    async def reasons(
        self,
        items: Sequence[str],
        vocabulary: Sequence[str],
        rejected: Mapping[str, Sequence[str]],
        ask: Ask,
        counts: Counter[str],
    ) -> dict[str, list[str]]:
        """Item -> its reasons, best first; [] for one that the model does not know. Items without an answer are left out."""

        async def answers_of(batch: Sequence[str]) -> dict[str, list[str]]:
            request = render_items(batch, self._catalogue, vocabulary, rejected, self._attributes)
            reply = await self._calls.ask(
                self._request("items", request), ItemsReply, lambda reply: self._about(batch, reply, reply.items)
            )
            texts_of = self._by_item(batch, ((row.item, row.reasons) for row in reply.items), counts)
            themes_of = {item: cleaned(reasons, self._catalogue[item], self._most) for item, reasons in texts_of.items()}
            counts["answered"] += len(themes_of)
            counts["proposed"] += sum(map(len, themes_of.values()))
            counts["characters"] += sum(len(theme) for themes in themes_of.values() for theme in themes)
            return themes_of

        return await self._all("reason", items, answers_of, ask, counts)

    # -- which are theirs --------------------------------------------------------------------------------------------
    async def picks(self, questions: Sequence[PickQuestion], ask: Ask, counts: Counter[str]) -> dict[str, list[int]]:
        """Item -> numbers of the options picked. Items without an answer are left out."""
        by_item = {question.item: question for question in questions}

        async def answers_of(batch: Sequence[str]) -> dict[str, list[int]]:
            request = render_pick([(item, by_item[item].options) for item in batch], self._catalogue, self._attributes)
            reply = await self._calls.ask(
                self._request("pick", request), PickReply, lambda reply: self._about(batch, reply, reply.picks)
            )
            picked_of = self._by_item(batch, ((row.item, row.fits) for row in reply.picks), counts)
            for item, picked in picked_of.items():
                counts["checked"] += len(by_item[item].own)
                counts["accepted"] += len(by_item[item].found_again(picked))
                counts["foreign_picked"] += len(set(picked) - by_item[item].own)
            return picked_of

        return await self._all("verify", list(by_item), answers_of, ask, counts)

    # -- both --------------------------------------------------------------------------------------------------------
    async def _all(
        self,
        stage: str,
        items: Sequence[str],
        answers_of: Callable[[Sequence[str]], Awaitable[dict[str, T]]],
        ask: Ask,
        counts: Counter[str],
    ) -> dict[str, T]:
        answered: dict[str, T] = {}
        none: dict[str, T] = {}
        for size in (self._batch, max(1, self._batch // 2)):
            left = [item for item in items if item not in answered]
            batches = [left[start : start + size] for start in range(0, len(left), size)]
            for answers in await together([ask(stage, partial(answers_of, batch), none) for batch in batches]):
                answered |= answers
                counts["useless"] += answers is none
        counts[f"{stage}_unanswered"] += len(items) - len(answered)
        return {item: answered[item] for item in items if item in answered}

    @staticmethod
    def _about(batch: Sequence[str], reply: T, rows: Sequence[ItemReasons] | Sequence[Pick]) -> T:
        """The reply; an empty one is an answer too. Raises: ModelReplyError: it speaks of other things than the items."""
        if rows and not any(1 <= row.item <= len(batch) for row in rows):
            raise ModelReplyError(f"the reply speaks of none of the {len(batch)} items that were asked about")
        return reply

    @staticmethod
    def _by_item(batch: Sequence[str], rows: Iterable[tuple[int, T]], counts: Counter[str]) -> dict[str, T]:
        """The first answer for each item; further ones, and those for numbers that nobody asked about, are counted."""
        answer_of: dict[str, T] = {}
        for number, answer in rows:
            if not 1 <= number <= len(batch):
                counts["unknown"] += 1
            elif batch[number - 1] in answer_of:
                counts["repeated"] += 1
            else:
                answer_of[batch[number - 1]] = answer
        return answer_of


async def together(work: Sequence[Awaitable[T]]) -> list[T]:
    """All results in order. The first error ends the others."""

    async def waited(awaited: Awaitable[T]) -> T:
        return await awaited

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(waited(awaited)) for awaited in work]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
