"""One namespace of two stores: copy it over, or say where the two differ.

Only the protocol is used, so any two stores will do: `llmrg export` moves an embedded store into Neo4j with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from llmrg.core.records import Knowledge, ReasoningGraph
from llmrg.graph_store.protocol import GraphStore

_PAGE = 500
"""Users or knowledge entries a call."""

Progress = Callable[[int, int], None]
"""(users done, users in all)."""


@dataclass(frozen=True)
class CopyReport:
    """What was written; what the target had already is not counted."""

    items: int
    histories: int
    graphs: int
    knowledge: int
    runs: int
    users_equal: int
    """Users whose history and graph the target had already."""


def copy_store(source: GraphStore, target: GraphStore, namespace: str, progress: Progress | None = None) -> CopyReport:
    """Copy items, histories, graphs, knowledge and runs; drafts are left behind, since their runs go on where they began.

    Repeating it after an interruption goes on where it stopped: what is equal is skipped. Where the two differ the source wins,
    except that knowledge keeps its source and the larger use count and score; what only the target has stays. Versions are the
    target's own.

    Raises: StoreError: either store failed; what was copied by then stays.
    """
    items = _copy_items(source, target, namespace)
    histories = graphs = equal = done = 0
    total = source.counts(namespace).users
    for users in _pages_of_users(source, namespace):
        new_histories, new_graphs, same = _copy_users(source, target, namespace, users)
        histories, graphs, equal, done = histories + new_histories, graphs + new_graphs, equal + same, done + len(users)
        if progress:
            progress(done, max(done, total))
    knowledge = _copy_knowledge(source, target, namespace)
    return CopyReport(items, histories, graphs, knowledge, _copy_runs(source, target, namespace), equal)


def differences(one: GraphStore, other: GraphStore, namespace: str) -> Iterator[str]:
    """What is in one store and not, or not equal, in the other; drafts and versions do not count."""
    yield from _differing("item", {i.id: i for i in one.items(namespace)}, {i.id: i for i in other.items(namespace)})
    here, there = set(_all_users(one, namespace)), set(_all_users(other, namespace))
    users = sorted(here | there)
    for start in range(0, len(users), _PAGE):
        page = users[start : start + _PAGE]
        yield from _differing("history", one.histories(namespace, page), other.histories(namespace, page))
        yield from _differing("graph", _contents(one.graphs(namespace, page)), _contents(other.graphs(namespace, page)))
    yield from _differing("knowledge", _all_knowledge(one, namespace), _all_knowledge(other, namespace))
    yield from _differing("run", {r.id: r for r in one.runs(namespace)}, {r.id: r for r in other.runs(namespace)})
    for run in {r.id for r in one.runs(namespace)} & {r.id for r in other.runs(namespace)}:
        statuses, others = one.user_statuses(namespace, run), other.user_statuses(namespace, run)
        yield from _differing(f"status in run {run!r} of user", statuses, others)


def _copy_items(source: GraphStore, target: GraphStore, namespace: str) -> int:
    there = {item.id: item for item in target.items(namespace)}
    new = [item for item in source.items(namespace) if there.get(item.id) != item]
    if new:
        target.put_items(namespace, new)
    return len(new)


def _copy_users(source: GraphStore, target: GraphStore, namespace: str, users: list[str]) -> tuple[int, int, int]:
    histories, there = source.histories(namespace, users), target.histories(namespace, users)
    new_histories = [history for user, history in histories.items() if there.get(user) != history]
    if new_histories:
        target.put_histories(namespace, new_histories)
    graphs, known = source.graphs(namespace, users), _contents(target.graphs(namespace, users))
    new_graphs = [graph for user, graph in graphs.items() if known.get(user) != (graph.run, graph.steps)]
    for graph in new_graphs:
        target.replace_graph(namespace, graph)
    changed = {history.user for history in new_histories} | {graph.user for graph in new_graphs}
    return len(new_histories), len(new_graphs), len(users) - len(changed)


def _copy_knowledge(source: GraphStore, target: GraphStore, namespace: str) -> int:
    written = 0
    there = _all_knowledge(target, namespace)
    for page in _pages_of_knowledge(source, namespace):
        new = [entry for entry in page if _adds(entry, there.get(entry.key))]
        if new:
            target.put_knowledge(namespace, new)
        used = {e.key: e.uses - there[e.key].uses for e in page if e.key in there and e.uses > there[e.key].uses}
        if used:
            target.count_uses(namespace, used)
        written += len({entry.key for entry in new} | used.keys())
    return written


def _adds(entry: Knowledge, known: Knowledge | None) -> bool:
    return known is None or entry.score > known.score or (bool(entry.vector) and not known.vector)


def _copy_runs(source: GraphStore, target: GraphStore, namespace: str) -> int:
    there = {run.id: run for run in target.runs(namespace)}
    new = [run for run in source.runs(namespace) if there.get(run.id) != run]
    for run in new:
        target.put_run(namespace, run)
    for run in source.runs(namespace):
        known = target.user_statuses(namespace, run.id)
        for user, (status, cause) in source.user_statuses(namespace, run.id).items():
            if known.get(user) != (status, cause):
                target.set_user_status(namespace, run.id, user, status, cause)
    return len(new)


def _pages_of_users(store: GraphStore, namespace: str) -> Iterator[list[str]]:
    page = store.users(namespace, limit=_PAGE)
    while page:
        yield page
        page = store.users(namespace, after=page[-1], limit=_PAGE)


def _all_users(store: GraphStore, namespace: str) -> Iterator[str]:
    for page in _pages_of_users(store, namespace):
        yield from page


def _pages_of_knowledge(store: GraphStore, namespace: str) -> Iterator[list[Knowledge]]:
    page = store.knowledge(namespace, limit=_PAGE)
    while page:
        yield page
        page = store.knowledge(namespace, after=page[-1].key, limit=_PAGE)


def _all_knowledge(store: GraphStore, namespace: str) -> dict[str, Knowledge]:
    return {entry.key: entry for page in _pages_of_knowledge(store, namespace) for entry in page}


def _contents(graphs: Mapping[str, ReasoningGraph]) -> dict[str, tuple[object, ...]]:
    return {user: (graph.run, graph.steps) for user, graph in graphs.items()}


def _differing(what: str, here: Mapping[str, object], there: Mapping[str, object]) -> Iterator[str]:
    for name in sorted(here.keys() | there.keys()):
        if name not in here or name not in there:
            yield f"{what} {name!r} is only in the {'second' if name not in here else 'first'} store"
        elif here[name] != there[name]:
            yield f"{what} {name!r} differs"
