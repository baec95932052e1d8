"""reason: propose steps for the items that have none yet."""

from __future__ import annotations

from dataclasses import replace

from langgraph.runtime import Runtime

from llmrg.agents.accounting.asking import ask
from llmrg.agents.context import BuildContext
from llmrg.agents.machine.state import CandidateName, State, candidate_name
from llmrg.agents.protocols import Block, Candidate

VETOED = "verify.why.vetoed"
"""Counts reasons that may not become steps."""


def still_open(state: State, tries: int) -> list[int]:
    """Positions of the block without an accepted step for which the reasoner may be asked (again)."""
    start, stop = state["blocks"][0]
    explained = {step.position for step in state["steps"] if step.accepted}
    return [p for p in range(start, stop) if p not in explained and state["tries"].get(p, 0) <= tries]


def block_of(context: BuildContext, state: State, positions: list[int]) -> Block:
    """What a mind may see: the history up to the block's end."""
    history = context.history(state["user"]).before(state["blocks"][0][1])
    critiques = {p: text for p, text in state["critiques"].items() if p in positions}
    first = context.first_cause(state["user"])
    return Block(state["user"], history, tuple(positions), state["chains"], first, critiques)


async def reason(state: State, runtime: Runtime[BuildContext]) -> State:
    context = runtime.context
    waiting = {candidate.position for candidate in state["candidates"]}
    positions = [p for p in still_open(state, context.config.tries) if p not in waiting]
    if not positions:
        return {}
    block = block_of(context, state, positions)
    none: list[Candidate] = []
    proposed = await ask(
        context, "reason", context.minds.reasoner.name, block.user, lambda: context.minds.reasoner.reason(block), none
    )
    tries = state["tries"] | {p: state["tries"].get(p, 0) + 1 for p in positions}
    context.usage.add("reason.asked", len(positions))
    context.usage.add("reason.proposed", len(proposed))
    context.usage.add("reason.recalibrations", sum(times > 1 for p, times in tries.items() if p in positions))
    tried = {candidate_name(step) for step in state["steps"]}
    good = [c for c in proposed if _about_this(c, block)]
    context.usage.add("reason.dropped", len(proposed) - len(good))
    wanted = [c for c in good if not context.vetoes.refuse(c.reason)]
    context.usage.add(VETOED, len(good) - len(wanted))
    vetoed = {c.position: f"{c.reason!r} may not be a reason here; give another one" for c in good if c not in wanted}
    fresh: dict[CandidateName, Candidate] = {}
    for candidate in wanted:
        fresh.setdefault(candidate_name(candidate), replace(candidate, origin="model"))
    candidates = state["candidates"] + [candidate for name, candidate in fresh.items() if name not in tried]
    return {"tries": tries, "candidates": candidates, "critiques": state["critiques"] | vetoed}


def _about_this(candidate: Candidate, block: Block) -> bool:
    """Whether it speaks of the block's own items, its cause comes earlier, and its maker had seen no more than the block."""
    p, cause, history = candidate.position, candidate.cause_position, block.history
    if p not in block.positions or candidate.item != history.items[p] or not p < candidate.seen <= len(history):
        return False
    if not candidate.reason.strip():
        return False
    if candidate.cause_kind == "item":
        return cause is not None and block.first <= cause < p and history.items[cause] == candidate.cause
    return cause is None
