"""Reasoning graphs for other graph tools (Gephi, yEd, networkx): the shape of the Neo4j store, as GraphML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import networkx as nx

from llmrg.core.errors import CallerError, StoreError
from llmrg.core.records import History, Item, Knowledge, Step, stable_key
from llmrg.core.themes import Themes
from llmrg.graph_store.contents import Progress, UserContents, filled, followed
from llmrg.graph_store.protocol import GraphStore

MOST_STEPS = 200_000
"""The whole graph is held in memory, and no such tool draws more."""
_CAPTION = 40
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Graph: TypeAlias = Any
"""networkx.MultiDiGraph, which has no types."""


def export_graphml(
    store: GraphStore, namespace: str, path: Path, user: str | None = None, progress: Progress | None = None, run: str = ""
) -> tuple[int, int]:
    """Write one user's graph, or those of all users and the knowledge base; returns (nodes, edges).

    Of each user the graph of a run, or the newest.

    Raises:
        UnknownUserError, GraphNotFoundError: about `user`.
        CallerError: the file is there already, or the namespace has more than `MOST_STEPS` steps.
        StoreError: the namespace holds nothing, or the file cannot be written.
    """
    if path.exists():
        raise CallerError(f"{path} is there already; name another file, or remove it first")
    contents = filled(store, namespace, run)
    if user is not None:
        graph = as_networkx(contents.items(), [(store.history(namespace, user), (store.graph(namespace, user, run),))])
    else:
        _check_size(store, namespace)
        users = chain.from_iterable(followed(contents.users(), "users", contents, progress))
        knowledge = chain.from_iterable(followed(contents.knowledge(), "knowledge", contents, progress))
        graph = as_networkx(contents.items(), users, knowledge, contents.themes())
    try:
        part = path.with_name(f"{path.name}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        nx.write_graphml(graph, part)
        part.rename(path)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error}") from error
    return graph.number_of_nodes(), graph.number_of_edges()


def as_networkx(
    items: Iterable[Item], users: Iterable[UserContents], knowledge: Iterable[Knowledge] = (), themes: Themes | None = None
) -> Graph:
    """Nodes and edges with the attributes `kind` and `label` (the caption), and what else is known of them; of each user the last
    graph given.

    Nodes: User, Item (those that something speaks of), Attribute, Reasoned, Imagined, Rejected (one for each step), Knowledge,
    Theme. Edges: TOOK, HAS, REJECTED, ABOUT, LEADS_TO, KNOWN_FOR, OF, APPEALS_FOR.
    """
    graph = nx.MultiDiGraph()
    titles = {item.id: item.title for item in items}
    for history, graphs in users:
        _add_user(graph, titles, history, graphs[-1].steps if graphs else ())
    for entry in knowledge:
        _add_knowledge(graph, titles, entry)
    _add_themes(graph, titles, themes or Themes())
    return graph


def _add_user(graph: Graph, titles: dict[str, str], history: History, steps: Sequence[Step]) -> None:
    user = _node(graph, "User", history.user, history.user, identifier=history.user)
    for position, item in enumerate(history.items):
        at = history.at[position] if history.at else None
        _edge(graph, "TOOK", user, _item(graph, titles, item), position=position, at=at)
    for rank, step in enumerate(steps):
        _add_step(graph, titles, user, rank, step)


def _add_step(graph: Graph, titles: dict[str, str], user: str, rank: int, step: Step) -> None:
    """As in Neo4j, a walk along LEADS_TO meets accepted steps only."""
    kind = step.kind.capitalize() if step.accepted else "Rejected"
    fields = {name: getattr(step, name) for name in ("reason", "position", "score", "chain", "seen", "origin", "why_rejected")}
    reason = _node(graph, kind, f"{step.user}\n{rank}", step.reason, **fields)
    item = _item(graph, titles, step.item)
    _edge(graph, "HAS" if step.accepted else "REJECTED", user, reason)
    _edge(graph, "LEADS_TO" if step.accepted else "ABOUT", reason, item)
    if step.accepted and step.cause_kind != "root":
        is_item = step.cause_kind == "item"
        _edge(graph, "LEADS_TO", _item(graph, titles, step.cause) if is_item else _attribute(graph, step.cause), reason)


def _add_knowledge(graph: Graph, titles: dict[str, str], entry: Knowledge) -> None:
    node = _node(graph, "Knowledge", entry.key, entry.reason, reason=entry.reason, score=entry.score, uses=entry.uses)
    _edge(graph, "KNOWN_FOR", _item(graph, titles, entry.from_item), node)
    _edge(graph, "LEADS_TO", node, _item(graph, titles, entry.to_item))


def _add_themes(graph: Graph, titles: dict[str, str], themes: Themes) -> None:
    """Themes that an item stands for or a text belongs to, with the accepted steps whose reasons are of them."""
    named = set(themes.of_text.values())
    for profile in themes.profiles:
        for appeal in profile.appeals:
            named.add(appeal.theme)
            fields = {"source": profile.source.name, "score": appeal.score, "uses": appeal.uses}
            _edge(graph, "APPEALS_FOR", _item(graph, titles, appeal.item), _theme(graph, appeal.theme), **fields)
    reasons = [(node, data["reason"]) for node, data in graph.nodes(data=True) if data["kind"] in ("Reasoned", "Imagined")]
    for node, reason in reasons:
        if themes.theme(reason) in named:
            _edge(graph, "OF", node, _theme(graph, themes.theme(reason)))


def _theme(graph: Graph, theme: str) -> str:
    return _node(graph, "Theme", theme, theme, identifier=theme)


def _item(graph: Graph, titles: dict[str, str], item: str) -> str:
    title = titles.get(item, item)
    return _node(graph, "Item", item, title or item, identifier=item, title=title)


def _attribute(graph: Graph, attribute: str) -> str:
    return _node(graph, "Attribute", attribute, attribute, identifier=attribute)


def _node(graph: Graph, kind: str, name: str, label: str, **more: Any) -> str:
    """Keys are hashes: an id may hold what XML cannot."""
    key = stable_key(kind, name)
    graph.add_node(key, kind=kind, label=_text(" ".join(label.split())[:_CAPTION]), **_plain(more))
    return key


def _edge(graph: Graph, kind: str, start: str, end: str, **more: Any) -> None:
    graph.add_edge(start, end, kind=kind, label=kind, **_plain(more))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """What GraphML can hold: no None, no control characters."""
    return {name: _text(v) if isinstance(v, str) else v for name, v in values.items() if v is not None}


def _text(value: str) -> str:
    return _NOT_XML.sub("\ufffd", value)


def _check_size(store: GraphStore, namespace: str) -> None:
    counts = store.counts(namespace)
    steps = counts.accepted + counts.rejected + counts.imagined
    if steps > MOST_STEPS:
        raise CallerError(
            f"{namespace!r} has {steps:,} steps, more than graph tools can show ({MOST_STEPS:,}); name one user with --user, "
            "or export a folder"
        )
