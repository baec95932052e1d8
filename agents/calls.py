"""Asking a mind: charged to its stage, passing failures again after a wait, useless answers counted."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from llmrg.agents.charge import Charge, charging
from llmrg.agents.context import BuildContext
from llmrg.core.errors import ModelReplyError, ModelUnavailableError

T = TypeVar("T")
log = logging.getLogger(__name__)
LONGEST_WAIT_S = 60.0


async def ask(context: BuildContext, stage: str, mind: str, user: str, call: Callable[[], Awaitable[T]], useless: T) -> T:
    """The mind's answer, or `useless` where it answered with nothing that can be used.

    Raises: BudgetSpentError; ModelUnavailableError after all retries; other ModelErrors.
    """
    charge = Charge(context.usage, stage, mind, user, context.prices, context.check_call, context.tracing)
    wait, config = context.config.retry_wait_s, context.config
    for attempt in range(config.retries + 1):
        context.check_time()
        try:
            with context.usage.timed(stage), charging(charge):
                return await call()
        except ModelReplyError as error:
            context.usage.add(f"{stage}.useless_replies")
            log.info("%s: %s", stage, error)
            return useless
        except ModelUnavailableError:
            context.usage.add(f"{stage}.retries")
            if attempt == config.retries:
                raise
            await asyncio.sleep(wait * random.uniform(0.5, 1))  # users who failed together do not come back together
            wait = min(2 * wait, LONGEST_WAIT_S)
    raise AssertionError("unreachable")
