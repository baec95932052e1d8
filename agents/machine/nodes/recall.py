"""recall: ask the knowledge base before any model.

Tier 1: an entry of the same (from item, to item). Tier 2: an entry that leads to the same item for a reason close to that of an
open chain. Only entries of the same reasoner and verifier are asked for.
Leak rule: an entry that this user contributed is of use only to blocks that begin after all that its maker had seen. (It is the
block's beginning that counts and not the item's position, so that a block done again, after a kill or in a later run, recalls
what it recalled the first time.)
"""

from __future__ import annotations

from langgraph.runtime import Runtime

from llmrg.agents.context import BuildContext
from llmrg.agents.machine.state import State, candidate_name
from llmrg.agents.protocols import Candidate
from llmrg.core.records import Knowledge

CHAINS_ASKED = 2
"""Open chains compared with stored reasons per item (tier 2)."""


async def recall(state: State, runtime: Runtime[BuildContext]) -> State:
    context, user = runtime.context, state["user"]
    fresh: State = {"phase": "reason", "candidates": [], "steps": [], "tries": {}, "critiques": {}, "knowledge": {}}
    if not context.shares_knowledge:
        return fresh
    with context.usage.timed("recall"):
        hits = await context.stored(_hits, context, user, state)
    context.usage.add("recall.asked", state["blocks"][0][1] - state["blocks"][0][0])
    context.usage.add("recall.hits", len(hits))
    for candidate, entry in (pair for pairs in hits.values() for pair in pairs):
        fresh["candidates"].append(candidate)
        fresh["knowledge"][candidate_name(candidate)] = entry.key
    return fresh


Hits = dict[int, list[tuple[Candidate, Knowledge]]]


def _hits(context: BuildContext, user: str, state: State) -> Hits:
    hits = _exact(context, user, state)
    _similar(context, user, state, hits)
    return hits


def _exact(context: BuildContext, user: str, state: State) -> Hits:
    items, (start, stop) = context.history(user).items, state["blocks"][0]
    first = context.first_cause(user)
    latest = {p: {item: c for c, item in enumerate(items[:p]) if c >= first} for p in range(start, stop)}
    pairs = sorted({(cause, items[p]) for p in range(start, stop) for cause in latest[p]})
    by_item: dict[str, list[Knowledge]] = {}
    for entry in context.store.knowledge_for(context.namespace, pairs, context.minds.judges) if pairs else []:
        if not context.vetoes.refuse(entry.reason):
            by_item.setdefault(entry.to_item, []).append(entry)
    tails = {chain.tail_item: chain.number for chain in reversed(state["chains"])}
    hits: Hits = {}
    for p in range(start, stop):
        for entry in by_item.get(items[p], []):
            if entry.from_item in latest[p] and _usable(entry, user, start) and len(hits.get(p, [])) < context.config.candidates:
                cause = latest[p][entry.from_item]
                candidate = _recalled(entry, p, items[p], entry.from_item, cause, tails.get(entry.from_item))
                hits.setdefault(p, []).append((candidate, entry))
    return hits


def _similar(context: BuildContext, user: str, state: State, hits: Hits) -> None:
    chains = [chain for chain in state["chains"][:CHAINS_ASKED] if chain.reason]
    if context.embed is None or not chains:
        return
    vectors = context.embed([chain.reason for chain in chains])
    items, (start, stop) = context.history(user).items, state["blocks"][0]
    for p in range(start, stop):
        if p in hits:
            continue
        for chain, vector in zip(chains, vectors, strict=True):
            near = context.store.nearest_knowledge(context.namespace, items[p], vector, limit=3, mind=context.minds.judges)
            close = [e for e, cosine in near if cosine >= context.config.similar_tau and _usable(e, user, start)]
            good = [entry for entry in close if not context.vetoes.refuse(entry.reason)]
            if good:
                hits[p] = [(_recalled(good[0], p, items[p], chain.tail_item, chain.tail_position, chain.number), good[0])]
                break


def _recalled(entry: Knowledge, position: int, item: str, cause: str, cause_position: int, chain: int | None) -> Candidate:
    return Candidate(position, "item", cause, cause_position, entry.reason, item, chain, seen=position + 1, origin="knowledge")


def _usable(entry: Knowledge, user: str, start: int) -> bool:
    return entry.source_user != user or entry.source_position < start
