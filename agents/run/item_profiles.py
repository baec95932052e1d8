"""Before the first user of a build: minds that ask once per item ask for the items that the store has no answer for."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from llmrg.agents.accounting.asking import ask
from llmrg.agents.asks_items import AsksItems
from llmrg.agents.context import BuildContext
from llmrg.core.errors import ConfigError, ModelReplyError

T = TypeVar("T")
log = logging.getLogger(__name__)
COUNTED = "items."
"""Counters of what asking brought begin so."""


async def ask_for_items(context: BuildContext, tell: Callable[[], Awaitable[None]]) -> None:
    """Their answers become a profile in the store; what they cost is charged to the stages `reason` and `verify`.

    Args: tell: called after each request.
    Raises: ConfigError: two of the minds ask; ModelReplyError: no reply could be used; as `agents.accounting.asking.ask`.
    """
    minds = [mind for mind in context.minds.distinct() if isinstance(mind, AsksItems)]
    if not minds:
        return
    if len(minds) > 1:
        raise ConfigError(
            f"{' and '.join(mind.name for mind in minds)} would each ask once per item, in words of their own; let one of them "
            "fill all roles, or name another kind of mind to verify (`--verifier likelihood`)"
        )
    mind, config, store = minds[0], context.config, context.store
    at_once = asyncio.Semaphore(config.concurrency)

    async def charged(stage: str, call: Callable[[], Awaitable[T]], useless: T) -> T:
        async with at_once:
            answer = await ask(context, stage, mind.name, "", call, useless)
        await tell()
        return answer

    known = (await context.stored(store.themes, context.namespace)).profile(mind.profile_name(config.verification))
    how: dict[str, Any] = {"tries": config.tries, "verification": config.verification}
    if known is not None and {appeal.item for appeal in known.appeals} & set(mind.left_to_ask(known, **how)):
        log.warning("%s: the answers of %s were asked for in another way: all are asked anew", mind.name, known.source.made)
    counts: Counter[str] = Counter()
    try:
        profile = await mind.ask_items(known, charged, **how, counts=counts)
    finally:
        for what, number in counts.items():
            context.usage.add(f"{COUNTED}{what}", number)
    if counts["asked"] and not counts["answered"]:
        raise ModelReplyError(
            f"no reply of {mind.name} spoke of any of the {counts['asked']:,.0f} items that were asked about"
            f"{', the last one: ' + last if (last := context.usage.replies[''].last) else ''}; when this is mended, run the same "
            "command again"
        )
    if profile is not known:
        await context.stored(store.put_profile, context.namespace, profile)
