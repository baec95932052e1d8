"""What the users of a wave teach the knowledge base: good steps of their graphs, in the order of the users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmrg.agents.context import BuildContext
from llmrg.core.records import Knowledge, ReasoningGraph, Step

PAGE = 200
"""Graphs read in one call."""


def share_knowledge(context: BuildContext, users: Sequence[str]) -> int:
    """Put what others may know of the users' published graphs into the knowledge base; returns the number of entries.

    To do it again changes nothing, so a process killed in between does all of it again. Graphs of other runs teach nothing.
    """
    if not context.shares_knowledge:
        return 0
    learnt = 0
    for page in (users[i : i + PAGE] for i in range(0, len(users), PAGE)):
        graphs = context.store.graphs(context.namespace, page, context.run)
        entries = [entry for user in page if user in graphs for entry in _entries(context, graphs[user])]
        if new := _not_known(context, entries):
            context.store.put_knowledge(context.namespace, _with_vectors(context, new))
        learnt += len(entries)
    return learnt


def _entries(context: BuildContext, graph: ReasoningGraph) -> list[Knowledge]:
    """An entry's source position is the last one that its maker had seen, not the step's own: recall goes by it."""
    return [
        Knowledge(s.cause, s.reason, s.item, s.score, 0, graph.user, s.seen - 1, mind=context.minds.judges)
        for s in graph.reasoned()
        if _may_be_shared(context, s)
    ]


def _not_known(context: BuildContext, entries: Sequence[Knowledge]) -> list[Knowledge]:
    """Those that would change something: a build with nothing new need not load the text model."""
    pairs = [(entry.from_item, entry.to_item) for entry in entries]
    known = {entry.key: entry for entry in context.store.knowledge_for(context.namespace, pairs, context.minds.judges)}

    def changes(entry: Knowledge) -> bool:
        there = known.get(entry.key)
        return there is None or there.score < entry.score or (context.embed is not None and not there.vector)

    return [entry for entry in entries if changes(entry)]


def _with_vectors(context: BuildContext, entries: Sequence[Knowledge]) -> list[Knowledge]:
    if context.embed is None:
        return list(entries)
    vectors = context.embed([entry.reason for entry in entries]).tolist()
    return [replace(entry, vector=tuple(vector)) for entry, vector in zip(entries, vectors, strict=True)]


def _may_be_shared(context: BuildContext, step: Step) -> bool:
    fresh = step.cause_kind == "item" and step.origin == "model"
    return fresh and step.score >= context.kb_tau and step.seen <= context.shared_length(step.user)
