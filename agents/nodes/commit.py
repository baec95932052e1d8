"""commit: the best verified steps of a block enter the user's draft; what a draft holds is done.

The knowledge base learns from them when the user's wave is over (`agents.learning`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

from langgraph.runtime import Runtime

from llmrg.agents.chains import by_recency, read_chains
from llmrg.agents.context import BuildContext
from llmrg.agents.protocols import OpenChain
from llmrg.agents.state import State, candidate_name, plain
from llmrg.core.errors import StoreUnreachableError
from llmrg.core.records import Step, in_order

log = logging.getLogger(__name__)
REJECTED_KEPT = 2
"""Rejected steps kept per item (or per chain, of imagined ones), best first, for the eye and for calibration."""


async def commit(state: State, runtime: Runtime[BuildContext]) -> State:
    context = runtime.context
    steps = [Step(**row) for row in state["steps"]]
    if state["phase"] == "reason":
        kept, chains, number = _reasoned(context, state, steps)
        open_now: State = {"chains": chains, "next_chain": number}
        if context.config.divergence and chains:
            return {**open_now, "steps": [s.to_json() for s in kept], "phase": "imagine"}
        await _keep(context, state, kept)
        return {**open_now, **_next_block(state)}
    before = [step for step in steps if step.kind == "reasoned"]
    await _keep(context, state, before + _imagined(context, steps))
    return {**_next_block(state), "phase": "reason"}


def _next_block(state: State) -> State:
    return {"blocks": state["blocks"][1:], "through": state["blocks"][0][1], "steps": []}


def after_commit(state: State, _: Runtime[BuildContext]) -> Literal["diverge", "recall", "publish"]:
    if state["phase"] == "imagine":
        return "diverge"
    return "recall" if state["blocks"] else "publish"


async def _keep(context: BuildContext, state: State, steps: list[Step]) -> None:
    store, namespace = context.store, context.namespace
    keys = [state["knowledge"].get(candidate_name(step.to_json())) for step in steps if step.accepted]
    uses = {key: keys.count(key) for key in keys if key is not None}
    with context.usage.timed("commit"):
        block = (in_order(steps), state["blocks"][0][1], state["through"])
        await context.stored(store.append_draft, namespace, context.run, state["user"], *block)
        if uses:
            context.usage.add("recall.used", sum(uses.values()))
            await _count(context, uses)


async def _count(context: BuildContext, uses: dict[str, int]) -> None:
    """Not repeated where the store's answer is lost: a use is rather missed than counted twice."""
    try:
        await asyncio.to_thread(context.store.count_uses, context.namespace, uses)
    except StoreUnreachableError as error:
        log.warning("the uses of %d knowledge entries were not counted: %s", len(uses), error)


def _reasoned(context: BuildContext, state: State, steps: list[Step]) -> tuple[list[Step], list[dict[str, Any]], int]:
    """Steps to keep with their final chain numbers, the open chains after them, and the next free number."""
    chains = {chain.number: chain for chain in read_chains(state["chains"])}
    number = state["next_chain"]
    by_position: defaultdict[int, list[Step]] = defaultdict(list)
    for step in sorted(steps, key=lambda s: (s.position, -s.score, s.reason, s.cause)):
        by_position[step.position].append(step)
    kept = []
    for position in sorted(by_position):
        for step in [s for s in by_position[position] if s.accepted][: context.config.candidates]:
            continued = continues(chains.values(), step)
            step = _on_chain(step, number if continued is None else continued)
            number = max(number, step.chain + 1)
            chains[step.chain] = OpenChain(step.chain, step.item, step.position, step.reason, step.score)
            kept.append(step)
        kept += [_on_chain(s, -1) for s in by_position[position] if s.waits][: context.config.candidates]
        kept += [_on_chain(s, -1) for s in by_position[position] if not s.accepted and not s.waits][:REJECTED_KEPT]
    return kept, [plain(chain) for chain in by_recency(chains.values())], number


def _on_chain(step: Step, chain: int) -> Step:
    return step if step.chain == chain else replace(step, chain=chain)


def continues(chains: Iterable[OpenChain], step: Step) -> int | None:
    """The chain that ends in the step's cause: the one it was proposed for, else one of the same reason, else the best.

    A second step from the same tail finds no chain there any more, and so branches off as a new one.
    """
    ends = [c for c in chains if (c.tail_item, c.tail_position) == (step.cause, step.cause_position)]
    return max(ends, key=lambda c: (c.number == step.chain, c.reason == step.reason, c.score, -c.number)).number if ends else None


def _imagined(context: BuildContext, steps: list[Step]) -> list[Step]:
    kept: list[Step] = []
    by_chain: defaultdict[tuple[int, bool, bool], int] = defaultdict(int)
    for step in sorted((s for s in steps if s.kind == "imagined"), key=lambda s: (-s.score, s.chain, s.item)):
        most = context.config.imagined_per_chain if step.accepted or step.waits else REJECTED_KEPT
        group = (step.chain, step.accepted, step.waits)
        if by_chain[group] < most:
            by_chain[group] += 1
            kept.append(step if step.accepted else _on_chain(step, -1))
    return kept
