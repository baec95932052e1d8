"""publish: the draft becomes the user's graph, in one transaction."""

from __future__ import annotations

from langgraph.runtime import Runtime

from llmrg.agents.context import BuildContext
from llmrg.agents.state import State
from llmrg.core.records import ReasoningGraph, in_order


async def publish(state: State, runtime: Runtime[BuildContext]) -> State:
    context, user = runtime.context, state["user"]
    with context.usage.timed("publish"):
        steps, _ = context.store.draft(context.namespace, context.run, user)
        context.store.replace_graph(context.namespace, ReasoningGraph(user, in_order(steps), run=context.run))
        context.store.set_user_status(context.namespace, context.run, user, "done")
    return {}
