"""What a build will replace: there is one graph a user, whichever run made it, so it is said before it goes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from llmrg.agents.context import BuildContext

log = logging.getLogger(__name__)
_PAGE = 1000
"""Users looked at in one go."""


def replaced(context: BuildContext, users: Sequence[str]) -> Counter[str]:
    """Other run -> how many of these users have a graph of it. Graphs are read of those users alone whom such a run finished."""
    store, namespace = context.store, context.namespace
    others = [run.id for run in store.runs(namespace) if run.id != context.run]
    done = {user for run in others for user, (status, _) in store.user_statuses(namespace, run).items() if status == "done"}
    asked = [user for user in users if user in done]
    found = Counter[str]()
    for page in (asked[i : i + _PAGE] for i in range(0, len(asked), _PAGE)):
        found.update(run for run in store.graphs(namespace, page).runs if run in others)
    return found


def tell_replaced(context: BuildContext, users: Sequence[str]) -> None:
    """A warning where a build is about to replace graphs of other runs."""
    found = replaced(context, users)
    if not found:
        return
    reasoners = {run.id: run.settings.get("reasoner", "?") for run in context.store.runs(context.namespace)}
    runs = ", ".join(f"{run} by {reasoners.get(run, '?')}" for run, _ in found.most_common(3))
    log.warning(
        "%d of %d users have a graph of another run (%s), which this run (%s) replaces as it gets to them; to keep those graphs, "
        "stop now and copy them (`llmrg export FOLDER`, then `llmrg import FOLDER --as NAME`), or build into another store",
        found.total(),
        len(users),
        runs + (", ..." if len(found) > 3 else ""),
        context.run,
    )
