"""Which users of a wave have something to do, and what a build writes of them before it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from llmrg.agents.context import BuildContext
from llmrg.agents.machine.nodes.publish import asked_again, receipt
from llmrg.core.errors import DraftConflictError
from llmrg.core.records import History, ReasoningGraph, UserStatus

_PAGE = 200
"""Users looked at in one go."""


def unfinished(context: BuildContext, users: Sequence[str], statuses: Mapping[str, tuple[UserStatus, str]]) -> list[str]:
    """The users to build; their histories are written, and what stands of an older, shorter history becomes their draft."""
    todo: list[str] = []
    store, namespace = context.store, context.namespace
    alone = store.graphs_by_run(namespace).keys() <= {context.run}
    for page in (users[i : i + _PAGE] for i in range(0, len(users), _PAGE)):
        receipts = {user: statuses[user][1] for user in page if statuses.get(user, ("pending", ""))[0] == "done"}
        graphs = store.graphs(namespace, list(receipts), context.run) if receipts else {}
        left = [user for user in page if user not in receipts or not _stands(context, user, graphs.get(user), receipts[user])]
        for user in left:
            status, given = statuses.get(user, ("pending", ""))
            if status == "done":
                store.set_user_status(namespace, context.run, user, "pending")
            elif status == "pending":  # cut short after a useless reply
                context.usage.replies[user].since = asked_again(given)
        store.put_histories(namespace, [context.history(user) for user in left])
        if not alone:
            _make_newest(context, [graph for user, graph in graphs.items() if user not in left])
        todo += left
    return todo


def _make_newest(context: BuildContext, graphs: Sequence[ReasoningGraph]) -> None:
    """What was built last is what is read: graphs of this run that stand already are written once more over those of others."""
    newest = context.store.graphs(context.namespace, [graph.user for graph in graphs])
    run_of = dict(zip(newest.users, newest.runs, strict=True))
    for graph in graphs:
        if run_of.get(graph.user) != context.run:
            context.store.replace_graph(context.namespace, graph)


def _stands(context: BuildContext, user: str, graph: ReasoningGraph | None, given: str) -> bool:
    """Whether this run's graph covers the whole history; one that covers its beginning becomes the draft to go on from, as does
    the part before a useless reply. A draft that is there already, of a call that was cut short, goes before the
    published graph."""
    covered, since = _covered(context.history(user), given), asked_again(given)
    drafted = context.store.draft(context.namespace, context.run, user)[1]
    if graph is None or drafted or covered is None:
        return False
    if covered == len(context.history(user)) and since is None:
        context.usage.steps_before = context.usage.steps_before or any(step.accepted or step.waits for step in graph.steps)
        return True
    steps = graph.steps
    if since is not None:
        covered = min(covered, since)
        steps = tuple(s for s in steps if s.position < covered or (s.kind == "imagined" and s.position == covered))
    if covered:
        with suppress(DraftConflictError):  # another process has begun
            context.store.append_draft(context.namespace, context.run, user, steps, covered, 0)
    return False


def _covered(history: History, given: str) -> int | None:
    """How many items of the history a receipt is for; None if it is for other items."""
    count = given.partition(" ")[0]
    length = int(count) if count.isdigit() else -1
    fits = 0 <= length <= len(history) and receipt(history.before(length), asked_again(given)) == given
    return length if fits else None
