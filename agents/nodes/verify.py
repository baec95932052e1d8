"""verify: score the waiting candidates; an item with none accepted goes back to the reasoner while tries are left."""

from __future__ import annotations

from typing import Any, Literal

from langgraph.runtime import Runtime

from llmrg.agents.calls import ask
from llmrg.agents.context import BuildContext
from llmrg.agents.nodes.reason import block_of, still_open
from llmrg.agents.protocols import Candidate, Verdict
from llmrg.agents.state import State, candidate_name
from llmrg.core.records import Step

UNVERIFIED = 1.0
"""Score of every step when verification is off."""


async def verify(state: State, runtime: Runtime[BuildContext]) -> State:
    context = runtime.context
    candidates = [Candidate(**row) for row in state["candidates"]]
    if not candidates:
        return {"candidates": []}
    imagined = state["phase"] == "imagine"
    positions = sorted({c.position for c in candidates})
    block = block_of(context, state, positions)
    if context.config.verification:
        useless = [Verdict(0.0, "no usable verdict") for _ in candidates]
        verdicts = await ask(context, "verify", lambda: context.minds.verifier.verify(block, candidates), useless)
    else:
        verdicts = [Verdict(UNVERIFIED) for _ in candidates]
    kind = "imagined" if imagined else "reasoned"
    steps = list(state["steps"])
    critiques = dict(state["critiques"])
    for candidate, verdict in zip(candidates, verdicts, strict=True):
        accepted = verdict.score >= context.tau
        steps.append(_step(state["user"], candidate, kind, verdict, accepted, context.tau))
        context.usage.add(f"verify.{kind}.{'accepted' if accepted else 'rejected'}")
        if not accepted:
            critiques[str(candidate.position)] = verdict.critique
    _count_uses(context, state, steps[-len(candidates) :])
    again = {} if imagined else {"critiques": critiques}
    return {"steps": steps, "candidates": [], **again}  # type: ignore[typeddict-item]


def _step(user: str, c: Candidate, kind: str, verdict: Verdict, accepted: bool, tau: float) -> dict[str, Any]:
    why = "" if accepted else verdict.critique or f"score {verdict.score:.2f} is below {tau:.2f}"
    score = min(max(float(verdict.score), 0.0), 1.0)
    chain = -1 if c.chain is None else c.chain
    known: dict[str, Any] = {"origin": c.origin, "grounding": c.grounding, "accepted": accepted, "why_rejected": why}
    cause = (c.cause_kind, c.cause, c.cause_position)
    return Step(user, c.position, kind, *cause, c.reason, c.item, score, chain, c.seen, **known).to_json()  # type: ignore[arg-type]


def _count_uses(context: BuildContext, state: State, steps: list[dict[str, Any]]) -> None:
    keys = [state["knowledge"].get(candidate_name(step)) for step in steps if step["accepted"]]
    uses = {key: keys.count(key) for key in keys if key is not None}
    if uses:
        context.store.count_uses(context.namespace, uses)
        context.usage.add("recall.used", sum(uses.values()))


def after_verify(state: State, runtime: Runtime[BuildContext]) -> Literal["reason", "commit"]:
    if state["phase"] == "reason" and still_open(state, runtime.context.config.tries):
        return "reason"
    return "commit"
