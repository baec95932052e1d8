"""publish: the draft becomes the user's graph, in one transaction.

The status comes first. A process killed between the two leaves a user who is done and still has a draft: the next call sees that
and publishes it. (The other way round it would leave a graph whose draft is gone, and pay for all of it again.)
"""

from __future__ import annotations

from langgraph.runtime import Runtime

from llmrg.agents.context import BuildContext
from llmrg.agents.state import State
from llmrg.core.errors import DraftConflictError
from llmrg.core.records import History, ReasoningGraph, in_order, stable_key


async def publish(state: State, runtime: Runtime[BuildContext]) -> State:
    context, user = runtime.context, state["user"]
    with context.usage.timed("publish"):
        await context.stored(_publish, context, user)
    return {}


def _publish(context: BuildContext, user: str) -> None:
    """Raises: DraftConflictError: the draft is not whole: another process has published it already."""
    steps, done = context.store.draft(context.namespace, context.run, user)
    if done < len(context.history(user)):
        raise DraftConflictError(user, context.run, len(context.history(user)), done)
    context.store.set_user_status(context.namespace, context.run, user, "done", receipt(context.history(user)))
    context.store.replace_graph(context.namespace, ReasoningGraph(user, in_order(steps), run=context.run))


def receipt(history: History) -> str:
    """Says which items a graph covers; kept with the status of a user who is done."""
    return f"{len(history)} items {stable_key('history', *history.items)[:12]}"
