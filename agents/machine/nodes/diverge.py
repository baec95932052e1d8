"""diverge: continue the live chains beyond each cut of the block."""

from __future__ import annotations

from functools import cache, partial

from langgraph.runtime import Runtime

from llmrg.agents.accounting.asking import ask
from llmrg.agents.context import BuildContext
from llmrg.agents.machine.state import State
from llmrg.agents.protocols import Cut, Imagined

SUGGESTIONS = 20
"""Items that often follow a chain's tail, shown to the imaginer at most."""


async def diverge(state: State, runtime: Runtime[BuildContext]) -> State:
    context, user = runtime.context, state["user"]
    history = context.history(user)

    @cache
    def follow(tail: str) -> list[str]:
        return [item for item, _ in context.successors.ranked(tail, without=history)]

    imagined: list[tuple[int, Imagined]] = []
    none: list[Imagined] = []
    for position, chains in ((cut.position, cut.chains[: context.config.live_chains]) for cut in state["cuts"]):
        known = history.before(position)
        seen = set(known.items)
        suggestions = {
            chain.number: tuple(item for item in follow(chain.tail_item) if item not in seen)[:SUGGESTIONS] for chain in chains
        }
        cut = Cut(user, known, position, chains, suggestions)
        imaginer = context.minds.imaginer
        continuations = await ask(context, "diverge", imaginer.name, user, partial(imaginer.imagine, cut), none)
        imagined += [(position, continuation) for continuation in continuations]
    context.usage.add("diverge.cuts", len(state["cuts"]))
    context.usage.add("diverge.imagined", len(imagined))
    return {"imagined": imagined}
