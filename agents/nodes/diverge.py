"""diverge: continue the live chains beyond the cut at the block's end."""

from __future__ import annotations

from langgraph.runtime import Runtime

from llmrg.agents.calls import ask
from llmrg.agents.chains import read_chains
from llmrg.agents.context import BuildContext
from llmrg.agents.protocols import Cut, Imagined
from llmrg.agents.state import State, plain

SUGGESTIONS = 20
"""Items that often follow a chain's tail, shown to the imaginer at most."""


async def diverge(state: State, runtime: Runtime[BuildContext]) -> State:
    context, user = runtime.context, state["user"]
    position = state["blocks"][0][1]
    history = context.history(user)
    known = history.before(position)
    chains = read_chains(state["chains"])[: context.config.live_chains]
    seen = set(known.items)
    suggestions = {}
    for chain in chains:
        follow = context.successors.ranked(chain.tail_item, without=history)
        suggestions[chain.number] = tuple(item for item, _ in follow if item not in seen)[:SUGGESTIONS]
    cut = Cut(user, known, position, chains, suggestions)
    none: list[Imagined] = []
    imagined = await ask(context, "diverge", context.minds.imaginer.name, user, lambda: context.minds.imaginer.imagine(cut), none)
    context.usage.add("diverge.cuts")
    context.usage.add("diverge.imagined", len(imagined))
    return {"imagined": [plain(one) for one in imagined]}
