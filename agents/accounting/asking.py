"""Asking a mind: charged to its stage, passing failures again after a wait, useless answers counted."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from llmrg.agents.accounting.charge import Charge, Patience, charging
from llmrg.agents.context import BuildContext
from llmrg.core.errors import ModelReplyError, ModelUnavailableError, RateLimitedError

T = TypeVar("T")
log = logging.getLogger(__name__)
LONGEST_WAIT_S = 60.0
SHORTEST_REST_S = 0.25
"""After a refusal for the rate that names no wait; doubled by each further one."""


async def ask(context: BuildContext, stage: str, mind: str, user: str, call: Callable[[], Awaitable[T]], useless: T) -> T:
    """The mind's answer, or `useless` where it answered with nothing that can be used.

    A refusal for the rate is no failed try: it is asked again for `patience_s`, which a mind that waits by itself uses up too.

    Raises: BudgetSpentError; ModelUnavailableError after all retries; other ModelErrors.
    """
    config, patience = context.config, Patience(context.config.patience_s)
    charge = Charge(
        context.usage, stage, mind, user, context.prices, context.check_call, context.tracing, patience, context.usage.rests.rest
    )
    wait, rest, failures = config.retry_wait_s, SHORTEST_REST_S, 0
    while True:
        context.check_time()
        try:
            with context.usage.timed(stage), charging(charge):
                answer = await call()
            context.usage.replies[user].usable += 1
            return answer
        except ModelReplyError as error:
            context.usage.add(f"{stage}.useless_replies")
            context.usage.replies[user].refuse(str(error))
            log.info("%s: %s", stage, error)
            return useless
        except RateLimitedError as error:
            if (left := patience.left()) <= 0:
                raise
            await asyncio.sleep(min(rest if error.retry_after_s is None else error.retry_after_s, left))
            rest = min(2 * rest, LONGEST_WAIT_S)
        except ModelUnavailableError:
            context.usage.add(f"{stage}.retries")
            if failures == config.retries:
                raise
            failures += 1
            await asyncio.sleep(wait * random.uniform(0.5, 1))  # users who failed together do not come back together
            wait = min(2 * wait, LONGEST_WAIT_S)
