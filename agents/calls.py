"""Asking a mind: budget first, passing failures again after a wait, useless answers counted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from llmrg.agents.context import BuildContext
from llmrg.core.errors import ModelReplyError, ModelUnavailableError

T = TypeVar("T")
log = logging.getLogger(__name__)


async def ask(context: BuildContext, stage: str, call: Callable[[], Awaitable[T]], useless: T) -> T:
    """The mind's answer, or `useless` where it answered with nothing that can be used.

    Raises: BudgetSpentError; ModelUnavailableError after all retries.
    """
    wait, config = context.config.retry_wait_s, context.config
    for attempt in range(config.retries + 1):
        context.check_budget()
        try:
            with context.usage.timed(stage):
                return await call()
        except ModelReplyError as error:
            context.usage.add(f"{stage}.useless_replies")
            log.info("%s: %s", stage, error)
            return useless
        except ModelUnavailableError:
            context.usage.add(f"{stage}.retries")
            if attempt == config.retries:
                raise
            await asyncio.sleep(wait)
            wait *= 2
    raise AssertionError("unreachable")
