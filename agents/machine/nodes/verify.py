"""verify: score the waiting candidates; an item with none accepted goes back to the reasoner while tries are left."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

from langgraph.runtime import Runtime

from llmrg.agents.accounting.asking import ask
from llmrg.agents.context import BuildContext
from llmrg.agents.machine.nodes.reason import block_of, still_open
from llmrg.agents.machine.state import State
from llmrg.agents.protocols import Block, Candidate, Verdict
from llmrg.core.errors import ModelReplyError
from llmrg.core.records import WAITS_FOR_REVIEW, Step

UNVERIFIED = 1.0
"""Score of every step when verification is off."""
NONE = Verdict(-1.0)
"""Below all others."""


async def verify(state: State, runtime: Runtime[BuildContext]) -> State:
    context, steps, candidates = runtime.context, list(state["steps"]), state["candidates"]
    imagined = state["phase"] == "imagine"
    best: dict[int, Verdict] = {}  # of the rejected ones; what came nearest is worth mending
    for block, part in _blocks(context, state, candidates):
        for candidate, verdict in zip(part, await _verdicts(context, block, part), strict=True):
            seen = min(max(candidate.seen, verdict.seen), len(block.history))
            step = _step(context, state["user"], candidate, "imagined" if imagined else "reasoned", verdict, seen)
            steps.append(step)
            outcome = "accepted" if step.accepted else "waiting" if step.waits else "rejected"
            context.usage.add(f"verify.{step.kind}.{outcome}")
            if not step.accepted and verdict.score > best.get(candidate.position, NONE).score:
                best[candidate.position] = verdict
            if outcome == "rejected":
                context.usage.add(f"verify.why.{verdict.cause or 'score below tau'}")
    if imagined or not candidates:
        return {"steps": steps, "candidates": []}
    critiques = {position: _critique(context, verdict) for position, verdict in best.items()}
    return {"steps": steps, "candidates": [], "critiques": state["critiques"] | critiques}


def _blocks(context: BuildContext, state: State, candidates: list[Candidate]) -> list[tuple[Block, list[Candidate]]]:
    """What is judged together: reasoned candidates of the block in one go, imagined ones cut by cut, nothing later in view."""
    if not candidates:
        return []
    if state["phase"] == "reason":
        return [(block_of(context, state, sorted({c.position for c in candidates})), candidates)]
    history, first = context.history(state["user"]), context.first_cause(state["user"])
    blocks = []
    for cut in state["cuts"]:
        if part := [c for c in candidates if c.position == cut.position]:
            blocks.append((Block(state["user"], history.before(cut.position), (cut.position,), cut.chains, first), part))
    return blocks


async def _verdicts(context: BuildContext, block: Block, candidates: list[Candidate]) -> list[Verdict]:
    if not context.config.verification:
        return [Verdict(UNVERIFIED) for _ in candidates]
    useless = [Verdict(0.0, "no usable verdict", cause="no usable verdict") for _ in candidates]
    verifier = context.minds.verifier.name
    return await ask(context, "verify", verifier, block.user, lambda: _judged(context, block, candidates), useless)


def _critique(context: BuildContext, verdict: Verdict) -> str:
    return verdict.critique or f"score {verdict.score:.2f} is below {context.tau:.2f}"


async def _judged(context: BuildContext, block: Block, candidates: list[Candidate]) -> list[Verdict]:
    """The verifier's verdicts, with scores in [0, 1].

    Raises: ModelReplyError: not one verdict per candidate, or a score that is no number.
    """
    verifier = context.minds.verifier
    verdicts = await verifier.verify(block, candidates)
    if len(verdicts) != len(candidates):
        raise ModelReplyError(f"{verifier.name} gave {len(verdicts)} verdicts for {len(candidates)} candidates")
    if any(math.isnan(verdict.score) for verdict in verdicts):
        raise ModelReplyError(f"{verifier.name} gave a score that is not a number")
    fits = [type(v.score) is float and 0 <= v.score <= 1 for v in verdicts]
    return [v if fit else replace(v, score=min(max(float(v.score), 0.0), 1.0)) for v, fit in zip(verdicts, fits, strict=True)]


def _step(context: BuildContext, user: str, c: Candidate, kind: str, verdict: Verdict, seen: int) -> Step:
    accepted, lowest = verdict.score >= context.tau, context.config.review_from
    why = "" if accepted else _critique(context, verdict)
    if not accepted and lowest is not None and verdict.score >= lowest:
        why = f"{WAITS_FOR_REVIEW}: {why}"
    elif why.startswith(WAITS_FOR_REVIEW):  # a verifier's own words do not make a step wait
        why = f"critique: {why}"
    chain = -1 if c.chain is None else c.chain
    known: dict[str, Any] = {"origin": c.origin, "grounding": c.grounding, "accepted": accepted, "why_rejected": why}
    cause = (c.cause_kind, c.cause, c.cause_position)
    return Step(user, c.position, kind, *cause, c.reason, c.item, verdict.score, chain, seen, **known)  # type: ignore[arg-type]


def after_verify(state: State, runtime: Runtime[BuildContext]) -> Literal["reason", "commit"]:
    if state["phase"] == "reason" and still_open(state, runtime.context.config.tries):
        return "reason"
    return "commit"
