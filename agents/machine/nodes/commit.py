"""commit: the best verified steps of a block enter the user's draft; what a draft holds is done.

The knowledge base learns from them when the user's wave is over (`agents.run.share_knowledge`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from dataclasses import replace
from typing import Literal

from langgraph.runtime import Runtime

from llmrg.agents.context import BuildContext
from llmrg.agents.machine.chains import chains_at, continues, ending_in
from llmrg.agents.machine.nodes.plan import cuts_of
from llmrg.agents.machine.nodes.publish import asked_again_from
from llmrg.agents.machine.state import OpenCut, State, candidate_name
from llmrg.core.errors import StoreUnreachableError
from llmrg.core.records import Step, in_order

log = logging.getLogger(__name__)
REJECTED_KEPT = 2
"""Rejected steps kept per item (or per chain, of imagined ones), best first, for the eye and for calibration."""


async def commit(state: State, runtime: Runtime[BuildContext]) -> State:
    context, steps = runtime.context, state["steps"]
    if state["phase"] == "reason":
        kept, number = _reasoned(context, state, steps)
        (start, stop), before = state["blocks"][0], state["chains"]
        open_now: State = {"chains": chains_at(before, kept, stop), "next_chain": number}
        places = cuts_of(start, stop, context.cut_every) if context.config.divergence else []
        cuts = [OpenCut(cut, chains) for cut in places if (chains := chains_at(before, kept, cut))]
        if cuts:
            return {**open_now, "cuts": cuts, "steps": kept, "phase": "imagine"}
        return {**open_now, **_next_block(state, await _keep(context, state, kept))}
    reasoned = [step for step in steps if step.kind == "reasoned"]
    through = await _keep(context, state, reasoned + _imagined(context, steps, state["blocks"][0][1]))
    return {**_next_block(state, through), "phase": "reason"}


def _next_block(state: State, through: int) -> State:
    return {"blocks": state["blocks"][1:], "through": through, "steps": []}


def after_commit(state: State, _: Runtime[BuildContext]) -> Literal["diverge", "recall", "publish"]:
    if state["phase"] == "imagine":
        return "diverge"
    return "recall" if state["blocks"] else "publish"


async def _keep(context: BuildContext, state: State, steps: list[Step]) -> int:
    """Where the draft ends now. It stays as it is up to the first answer that can be used: what a draft holds is not asked
    again."""
    store, namespace, replies = context.store, context.namespace, context.usage.replies[state["user"]]
    start, stop = state["blocks"][0]
    if replies.end_block(start):
        await context.stored(store.set_user_status, namespace, context.run, state["user"], "pending", asked_again_from(start))
    if replies.nothing:
        return state["through"]
    keys = [state["knowledge"].get(candidate_name(step)) for step in steps if step.accepted]
    uses = {key: keys.count(key) for key in keys if key is not None}
    with context.usage.timed("commit"):
        block = (in_order(steps), stop, state["through"])
        await context.stored(store.append_draft, namespace, context.run, state["user"], *block)
        if uses:
            context.usage.add("recall.used", sum(uses.values()))
            await _count(context, uses)
    return stop


async def _count(context: BuildContext, uses: dict[str, int]) -> None:
    """Not repeated where the store's answer is lost: a use is rather missed than counted twice."""
    try:
        await asyncio.to_thread(context.store.count_uses, context.namespace, uses)
    except StoreUnreachableError as error:
        log.warning("the uses of %d knowledge entries were not counted: %s", len(uses), error)


def _reasoned(context: BuildContext, state: State, steps: list[Step]) -> tuple[list[Step], int]:
    """Steps to keep with their final chain numbers, in the order in which they got them, and the next free number.

    What was known first is numbered first, so that no chain looks different for a step that comes to be known later. Of equal
    scores the one proposed first is kept.
    """
    by_position: defaultdict[int, list[Step]] = defaultdict(list)
    for step in sorted(steps, key=lambda s: -s.score):
        by_position[step.position].append(step)
    accepted, others = list[Step](), list[Step]()
    for position in sorted(by_position):
        here = by_position[position]
        accepted += [s for s in here if s.accepted][: context.config.candidates]
        others += [s for s in here if s.waits][: context.config.candidates]
        others += [s for s in here if not s.accepted and not s.waits][:REJECTED_KEPT]
    chains = {chain.number: chain for chain in state["chains"]}
    number, kept = state["next_chain"], list[Step]()
    for step in sorted(accepted, key=lambda s: (s.seen, s.position)):
        continued = continues(chains.values(), step)
        step = _on_chain(step, number if continued is None else continued)
        number = max(number, step.chain + 1)
        chains[step.chain] = ending_in(step)
        kept.append(step)
    return kept + [_on_chain(step, -1) for step in others], number


def _on_chain(step: Step, chain: int) -> Step:
    return step if step.chain == chain else replace(step, chain=chain)


def _imagined(context: BuildContext, steps: list[Step], end: int) -> list[Step]:
    """The best of each cut and chain; what was not accepted only of the cut at the block's end, for the eye."""
    kept: list[Step] = []
    by_chain: defaultdict[tuple[int, int, bool, bool], int] = defaultdict(int)
    for step in sorted((s for s in steps if s.kind == "imagined"), key=lambda s: (-s.score, s.chain, s.item)):
        if not step.accepted and step.position < end:
            continue
        most = context.config.imagined_per_chain if step.accepted or step.waits else REJECTED_KEPT
        group = (step.position, step.chain, step.accepted, step.waits)
        if by_chain[group] < most:
            by_chain[group] += 1
            kept.append(step if step.accepted else _on_chain(step, -1))
    return kept
