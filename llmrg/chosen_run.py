"""The run whose graphs are meant: by its id, or by the beginning of it."""

from __future__ import annotations

from collections.abc import Iterable

from llmrg.core.errors import ConfigError
from llmrg.graph_store.protocol import GraphStore


def chosen_run(store: GraphStore, namespace: str, run: str, more: Iterable[str] = ()) -> str:
    """The id of the one run that `run` is, or begins, of those with graphs.

    Args: more: further runs to choose from.
    Raises: ConfigError: no such run has graphs, or several begin so.
    """
    users = store.graphs_by_run(namespace)
    runs = users.keys() | set(more)
    if run in runs:
        return run
    matches = [name for name in runs if name.startswith(run)]
    if len(matches) == 1:
        return matches[0]
    what = f"{len(matches)} runs begin with {run!r}" if matches else f"no run {run!r} of {namespace!r} has graphs"
    raise ConfigError(f"{what}; {runs_with_graphs(store, namespace, users)}")


def runs_with_graphs(store: GraphStore, namespace: str, users: dict[str, int]) -> str:
    """In words, the newest run first. Args: users: run -> how many have a graph of it."""
    reasoners = {run.id: str(run.settings.get("reasoner", "?")) for run in store.runs(namespace)}
    ordered = [*(run for run in reasoners if run in users), *(run for run in users if run not in reasoners)]
    listed = (
        f"{run or '(no name)'} by {reasoners.get(run, '?')} ({users[run]:,} user{'s' * (users[run] != 1)})" for run in ordered
    )
    return f"runs with graphs: {', '.join(listed)}" if ordered else "no graph is built yet; build some with `llmrg build`"
