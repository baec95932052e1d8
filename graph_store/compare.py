"""One namespace of two stores: copy it over, or say where the two differ.

Only the protocol is used, so any two stores will do: `llmrg export` moves an embedded store into Neo4j with it, and
`llmrg import` fills a store from a folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from llmrg.core.records import Knowledge, ReasoningGraph
from llmrg.core.themes import Profile, Themes
from llmrg.graph_store.contents import (
    PAGE,
    Contents,
    Progress,
    StoreContents,
    UserContents,
    followed,
    graphs_of,
    pages_of_users,
)
from llmrg.graph_store.half_precision import to_half
from llmrg.graph_store.protocol import GraphStore


@dataclass(frozen=True)
class CopyReport:
    """What was written; what the target had already is not counted."""

    items: int
    histories: int
    graphs: int
    knowledge: int
    runs: int
    theme_texts: int
    """Texts of reasons whose theme the target did not know."""
    profiles: int
    """Sources whose profile was put, as a whole."""
    users_equal: int
    """Users whose history and graphs the target had already."""


def copy_store(source: GraphStore, target: GraphStore, namespace: str, progress: Progress | None = None) -> CopyReport:
    """Copy a namespace of one store into another: see `copy_contents`."""
    return copy_contents(StoreContents(source, namespace), target, namespace, progress)


def copy_contents(contents: Contents, target: GraphStore, namespace: str, progress: Progress | None = None) -> CopyReport:
    """Copy items, histories, graphs, knowledge, themes and runs into `namespace` of the target.

    Runs, knowledge and themes come first: Neo4j ties the steps of a graph to them when it is written. Statuses come last, so that
    no user is marked done without a graph.

    Repeating it after an interruption goes on where it stopped: what is equal is skipped. Where the two differ the source wins,
    except that knowledge keeps its source and the larger use count and score; what only the target has stays. The newest graph
    of a user in the source is then the newest in the target; versions are the target's own.

    Raises: StoreError: the source cannot be read or the target not written; what was copied by then stays.
    """
    items, runs = _copy_items(contents, target, namespace), _copy_runs(contents, target, namespace)
    _copy_vector_space(contents, target, namespace)
    pages = followed(contents.knowledge(), "knowledge", contents, progress)
    knowledge = sum(_copy_knowledge(page, target, namespace) for page in pages)
    texts, profiles = _copy_themes(contents, target, namespace)
    histories = graphs = equal = 0
    for users in followed(contents.users(), "users", contents, progress):
        new_histories, new_graphs, same = _copy_users(users, target, namespace)
        histories, graphs, equal = histories + new_histories, graphs + new_graphs, equal + same
    _copy_statuses(contents, target, namespace)
    return CopyReport(items, histories, graphs, knowledge, runs, texts, profiles, equal)


def differences(first: GraphStore, other: GraphStore, namespace: str) -> Iterator[str]:
    """What is in one store and not, or not equal, in the other; of versions only the newest counts, and drafts do not."""
    yield from _differing("item", {i.id: i for i in first.items(namespace)}, {i.id: i for i in other.items(namespace)})
    users = sorted(_all_users(first, namespace) | _all_users(other, namespace))
    for start in range(0, len(users), PAGE):
        page = users[start : start + PAGE]
        yield from _differing("history", first.histories(namespace, page), other.histories(namespace, page))
        here, there = graphs_of(first, namespace, page), graphs_of(other, namespace, page)
        for run in sorted({graph.run for graphs in (*here.values(), *there.values()) for graph in graphs}):
            yield from _differing(f"graph in run {run!r} of user", _steps_of(here, run), _steps_of(there, run))
        newest = [{user: graphs[-1].run for user, graphs in graphs_there.items()} for graphs_there in (here, there)]
        yield from _differing("the run of the newest graph of user", *newest)
    if first.vector_space(namespace) != other.vector_space(namespace):
        spaces = first.vector_space(namespace), other.vector_space(namespace)
        yield f"vectors are of {spaces[0]} in the first store, of {spaces[1]} in the second"
    yield from _differing("knowledge", _all_knowledge(first, namespace), _all_knowledge(other, namespace))
    themes, others = first.themes(namespace), other.themes(namespace)
    yield from _differing("the theme of", themes.of_text, others.of_text)
    yield from _differing("profile", _profiles(themes), _profiles(others))
    yield from _differing("run", {r.id: r for r in first.runs(namespace)}, {r.id: r for r in other.runs(namespace)})
    for run in {r.id for r in first.runs(namespace)} & {r.id for r in other.runs(namespace)}:
        yield from _differing(
            f"status in run {run!r} of user", first.user_statuses(namespace, run), other.user_statuses(namespace, run)
        )


def _copy_items(contents: Contents, target: GraphStore, namespace: str) -> int:
    there = {item.id: item for item in target.items(namespace)}
    new = [item for item in contents.items() if there.get(item.id) != item]
    if new:
        target.put_items(namespace, new)
    return len(new)


def _copy_users(page: Sequence[UserContents], target: GraphStore, namespace: str) -> tuple[int, int, int]:
    users = [history.user for history, _ in page]
    there, known = target.histories(namespace, users), graphs_of(target, namespace, users)
    new_histories = [history for history, _ in page if there.get(history.user) != history]
    if new_histories:
        target.put_histories(namespace, new_histories)
    new_graphs = [graph for history, graphs in page for graph in _lacking(graphs, known.get(history.user, ()))]
    for graph in new_graphs:
        target.replace_graph(namespace, graph)
    changed = {history.user for history in new_histories} | {graph.user for graph in new_graphs}
    return len(new_histories), len(new_graphs), len(users) - len(changed)


def _lacking(source: Sequence[ReasoningGraph], target: Sequence[ReasoningGraph]) -> Sequence[ReasoningGraph]:
    """The graphs to write, in this order, so that the newest graphs of a user in the target are those of the source."""
    for done in reversed(range(len(source) + 1)):
        coming = {graph.run for graph in source[done:]}
        kept = [(graph.run, graph.steps) for graph in target if graph.run not in coming]
        if kept[len(kept) - done :] == [(graph.run, graph.steps) for graph in source[:done]]:
            return source[done:]
    return source


def _copy_vector_space(contents: Contents, target: GraphStore, namespace: str) -> None:
    """A space of which nobody has said the encoder comes with the vectors."""
    space = contents.vector_space()
    if space and space.encoder:
        target.claim_vector_space(namespace, space)


def _copy_knowledge(page: Sequence[Knowledge], target: GraphStore, namespace: str) -> int:
    there: dict[str, Knowledge] = {}
    for mind in {entry.mind for entry in page}:
        pairs = [(entry.from_item, entry.to_item) for entry in page if entry.mind == mind]
        there |= {entry.key: entry for entry in target.knowledge_for(namespace, pairs, mind)}
    new = [entry for entry in page if _adds(entry, there.get(entry.key))]
    if new:
        target.put_knowledge(namespace, new)
    used = {e.key: e.uses - there[e.key].uses for e in page if e.key in there and e.uses > there[e.key].uses}
    if used:
        target.count_uses(namespace, used)
    return len({entry.key for entry in new} | used.keys())


def _adds(entry: Knowledge, known: Knowledge | None) -> bool:
    return known is None or entry.score > known.score or (bool(entry.vector) and not known.vector)


def _copy_themes(contents: Contents, target: GraphStore, namespace: str) -> tuple[int, int]:
    themes, there = contents.themes(), target.themes(namespace)
    new_texts = {text: theme for text, theme in themes.of_text.items() if there.of_text.get(text) != theme}
    if new_texts:
        target.put_theme_texts(namespace, new_texts)
    new_profiles = [profile for profile in themes.profiles if there.profile(profile.source.name) != profile]
    for profile in new_profiles:
        target.put_profile(namespace, profile)
    return len(new_texts), len(new_profiles)


def _profiles(themes: Themes) -> dict[str, Profile]:
    return {profile.source.name: profile for profile in themes.profiles}


def _copy_runs(contents: Contents, target: GraphStore, namespace: str) -> int:
    there = {run.id: run for run in target.runs(namespace)}
    new = [run for run, _ in contents.runs() if there.get(run.id) != run]
    for run in new:
        target.put_run(namespace, run)
    return len(new)


def _copy_statuses(contents: Contents, target: GraphStore, namespace: str) -> None:
    for run, statuses in contents.runs():
        known = target.user_statuses(namespace, run.id)
        for user, (status, cause) in statuses.items():
            if known.get(user) != (status, cause):
                target.set_user_status(namespace, run.id, user, status, cause)


def _all_users(store: GraphStore, namespace: str) -> set[str]:
    return {user for page in pages_of_users(store, namespace) for user in page}


def _all_knowledge(store: GraphStore, namespace: str) -> dict[str, Knowledge]:
    """With vectors as every store keeps them: a Neo4j store may have some of before they were rounded."""
    return {entry.key: _rounded(entry) for page in StoreContents(store, namespace).knowledge() for entry in page}


def _rounded(entry: Knowledge) -> Knowledge:
    return replace(entry, vector=tuple(to_half(entry.vector).tolist())) if entry.vector else entry


def _steps_of(graphs: Mapping[str, Sequence[ReasoningGraph]], run: str) -> dict[str, object]:
    return {user: graph.steps for user, of_user in graphs.items() for graph in of_user if graph.run == run}


def _differing(what: str, here: Mapping[str, object], there: Mapping[str, object]) -> Iterator[str]:
    for name in sorted(here.keys() | there.keys()):
        if name not in here or name not in there:
            yield f"{what} {name!r} is only in the {'second' if name not in here else 'first'} store"
        elif here[name] != there[name]:
            yield f"{what} {name!r} differs"
