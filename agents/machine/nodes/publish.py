"""publish: the draft becomes the user's graph, in one transaction.

The status comes first. A process killed between the two leaves a user who is done and still has a draft: the next call sees that
and publishes it. (The other way round it would leave a graph whose draft is gone, and pay for all of it again.)
"""

from __future__ import annotations

import re

from langgraph.runtime import Runtime

from llmrg.agents.context import BuildContext
from llmrg.agents.machine.state import State
from llmrg.core.errors import DraftConflictError, ModelReplyError
from llmrg.core.records import History, ReasoningGraph, in_order, stable_key


async def publish(state: State, runtime: Runtime[BuildContext]) -> State:
    context, user = runtime.context, state["user"]
    with context.usage.timed("publish"):
        await context.stored(_publish, context, user)
    return {}


def _publish(context: BuildContext, user: str) -> None:
    """Raises: DraftConflictError: the draft is not whole: another process has published it already; ModelReplyError: it is not,
    since no answer could be used."""
    replies = context.usage.replies[user]
    if replies.nothing:
        raise ModelReplyError(f"none of the {replies.useless:,} replies could be used; the last one: {replies.last}")
    steps, done = context.store.draft(context.namespace, context.run, user)
    if done < len(context.history(user)):
        raise DraftConflictError(user, context.run, len(context.history(user)), done)
    if replies.since is not None:
        context.usage.add("publish.asked_again")
    context.store.set_user_status(context.namespace, context.run, user, "done", receipt(context.history(user), replies.since))
    context.store.replace_graph(context.namespace, ReasoningGraph(user, in_order(steps), run=context.run))


def receipt(history: History, since: int | None = None) -> str:
    """Says which items a graph covers, and from which position on useless replies are asked for again; kept with the status of a
    user who is done."""
    covered = f"{len(history)} items {stable_key('history', *history.items)[:12]}"
    return covered if since is None else f"{covered}, {asked_again_from(since)}"


def asked_again_from(position: int) -> str:
    return f"useless replies from {position}"


def asked_again(status: str) -> int | None:
    """The position in a status; None where all replies could be used."""
    match = re.search(r"useless replies from (\d+)$", status)
    return int(match.group(1)) if match else None
