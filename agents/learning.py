"""What the users of a wave teach the knowledge base: good steps of their graphs, in the order of the users."""

from __future__ import annotations

from collections.abc import Sequence

from llmrg.agents.context import BuildContext
from llmrg.core.records import Knowledge, ReasoningGraph, Step

PAGE = 200
"""Graphs read in one call."""


def learn(context: BuildContext, users: Sequence[str]) -> int:
    """Put what others may know of the users' published graphs into the knowledge base; returns the number of entries.

    To do it again changes nothing, so a process killed in between does all of it again. Graphs of other runs teach nothing.
    """
    if not context.shares_knowledge:
        return 0
    learnt = 0
    for page in (users[i : i + PAGE] for i in range(0, len(users), PAGE)):
        graphs = context.store.graphs(context.namespace, page)
        entries = [entry for user in page if user in graphs for entry in _entries(context, graphs[user])]
        if entries:
            context.store.put_knowledge(context.namespace, entries)
            learnt += len(entries)
    return learnt


def _entries(context: BuildContext, graph: ReasoningGraph) -> list[Knowledge]:
    """An entry's source position is the last one that its maker had seen, not the step's own: recall goes by it."""
    if graph.run != context.run:
        return []
    good = [step for step in graph.reasoned() if _may_be_shared(context, step)]
    vectors = context.embed([step.reason for step in good]).tolist() if context.embed and good else [()] * len(good)
    return [
        Knowledge(s.cause, s.reason, s.item, s.score, 0, graph.user, s.seen - 1, tuple(vector), mind=context.minds.judges)
        for s, vector in zip(good, vectors, strict=True)
    ]


def _may_be_shared(context: BuildContext, step: Step) -> bool:
    fresh = step.cause_kind == "item" and step.origin == "model"
    return fresh and step.score >= context.kb_tau and step.seen <= context.shared_length(step.user)
