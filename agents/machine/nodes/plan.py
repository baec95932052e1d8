"""plan: which blocks are still to do."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

from langgraph.runtime import Runtime

from llmrg.agents.context import BuildContext
from llmrg.agents.machine.chains import open_chains
from llmrg.agents.machine.state import State
from llmrg.core.errors import DataError


def blocks_of(length: int, start: int, block_size: int, held_out: int, resumed: bool = False) -> list[tuple[int, int]]:
    """(start, stop) pairs over positions start..length-1.

    A block ends before each of the last `held_out` items and after the last, since a recommender is asked there. What comes
    before is cut into equal blocks, as few as `block_size` allows but at least two (unless `resumed`: there was one before):
    a recommender learns from what it sees there, and what a block brings may be seen from its end on only.
    """
    training, stops = length - held_out, [start]
    if training > start:
        count = math.ceil((training - start) / block_size)
        if held_out and not resumed:
            count = max(count, min(2, training - start))
        for left in range(count, 0, -1):
            stops.append(stops[-1] + math.ceil((training - stops[-1]) / left))
    stops += range(max(training, start) + 1, length + 1)
    return list(pairwise(stops))


def cuts_of(start: int, stop: int, every: int) -> list[int]:
    """Positions from which a block is imagined beyond: its end, and before it those that `every` divides (0: none)."""
    return [*range(start + every - start % every, stop, every), stop] if every else [stop]


async def plan(state: State, runtime: Runtime[BuildContext]) -> State:
    """Go on after what the run's draft holds; start anew where it holds nothing.

    Raises: DataError: the history was changed, not only lengthened, since the run was cut short.
    """
    context, user = runtime.context, state["user"]
    history, config = context.history(user), context.config
    steps, done = await context.stored(context.store.draft, context.namespace, context.run, user)
    if any(step.kind == "reasoned" and history.items[step.position : step.position + 1] != (step.item,) for step in steps):
        raise DataError(
            f"the history of user {user!r} has changed since its draft of run {context.run} was made (it may grow, not change); "
            "build it anew, without resuming"
        )
    start = max(done, len(history) - config.l_tru, 0)
    chains, next_chain = open_chains(steps)
    blocks = blocks_of(len(history), start, context.block_size, context.held_out, resumed=done > 0)
    return {"blocks": blocks, "through": done, "phase": "reason", "chains": chains, "next_chain": next_chain}


def after_plan(state: State, _: Runtime[BuildContext]) -> Literal["recall", "publish"]:
    return "recall" if state["blocks"] else "publish"
