"""plan: which blocks are still to do."""

from __future__ import annotations

from typing import Literal

from langgraph.runtime import Runtime

from llmrg.agents.chains import open_chains
from llmrg.agents.context import BuildContext
from llmrg.agents.state import State
from llmrg.core.errors import DataError


def blocks_of(length: int, start: int, block_size: int, held_out: int) -> list[list[int]]:
    """[start, stop) pairs over positions start..length-1.

    Block ends fall on every cut that a recommender is asked at: before each of the last `held_out` items, and after the last.
    """
    ends = {end for end in range(length - held_out, length + 1) if end > start}
    ends |= set(range(start + block_size, length - held_out, block_size))
    stops = sorted(end for end in ends if end <= length)
    return [[begin, stop] for begin, stop in zip([start, *stops], stops, strict=False)]


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
    blocks = blocks_of(len(history), start, context.block_size, config.held_out)
    return {"blocks": blocks, "through": done, "phase": "reason", "chains": chains, "next_chain": next_chain}


def after_plan(state: State, _: Runtime[BuildContext]) -> Literal["recall", "publish"]:
    return "recall" if state["blocks"] else "publish"
