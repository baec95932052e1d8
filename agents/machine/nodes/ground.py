"""ground: imagined items become unseen catalogue items, or are dropped and counted."""

from __future__ import annotations

import asyncio
from functools import lru_cache

import numpy as np
from langgraph.runtime import Runtime
from rapidfuzz import fuzz, process

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import BuildContext, Embed
from llmrg.agents.machine.nodes.reason import VETOED
from llmrg.agents.machine.nodes.titles import Titles, in_words, numerals, plain_title
from llmrg.agents.machine.state import State
from llmrg.agents.protocols import Candidate, Imagined, OpenChain
from llmrg.data.dataset import Catalogue

LONGEST_TITLE = 300
"""Characters of an imagined title that are looked at."""


async def ground(state: State, runtime: Runtime[BuildContext]) -> State:
    context, items = runtime.context, runtime.context.history(state["user"]).items
    seen = {cut.position: set(items[: cut.position]) for cut in state["cuts"]}
    tails = {(cut.position, chain.number): chain for cut in state["cuts"] for chain in cut.chains}
    candidates: list[Candidate] = []
    taken: set[tuple[int, int, str]] = set()
    with context.usage.timed("ground"):
        matches = await asyncio.to_thread(_matches, context, [continuation for _, continuation in state["imagined"]])
        for (cut, continuation), match in zip(state["imagined"], matches, strict=True):
            tail = tails.get((cut, continuation.chain))
            if tail is None or match is None:
                context.usage.add("ground.not_in_catalogue")
            elif context.vetoes.refuse(continuation.reason):
                context.usage.add(VETOED)
            elif match[0] in seen[cut]:
                context.usage.add("ground.seen")
            elif (cut, continuation.chain, match[0]) in taken:
                context.usage.add("ground.duplicates")
            else:
                taken.add((cut, continuation.chain, match[0]))
                candidates.append(_candidate(tail, continuation.reason, match, cut))
    context.usage.add("ground.kept", len(candidates))
    return {"candidates": candidates, "imagined": []}


def _candidate(tail: OpenChain, reason: str, match: tuple[str, float], cut: int) -> Candidate:
    item, similarity = match
    cause = (tail.tail_item, tail.tail_position)
    return Candidate(cut, "item", *cause, reason, item, tail.number, seen=cut, grounding=similarity)


def _matches(context: BuildContext, imagined: list[Imagined]) -> list[tuple[str, float] | None]:
    return [find_item(context.dataset.catalogue, continuation, context.embed, context.config) for continuation in imagined]


def find_item(
    catalogue: Catalogue, imagined: Imagined, embed: Embed | None, config: BuildConfig | None = None
) -> tuple[str, float] | None:
    """(item id, similarity in [0, 1]): by id, by exact title, by fuzzy title, by text vector; None where nothing is near enough.

    Only titles of the same numerals are near: `Rocky II` is not `Rocky III`, however alike they look. Letters are compared over
    the whole title, since a part of one ("The Road") is often another title than the whole ("On the Road"). Letters and vectors
    have each a scale and a threshold of their own; vectors are asked where letters find nothing.
    """
    config = config or BuildConfig()
    if imagined.item is not None:
        return (imagined.item, 1.0) if imagined.item in catalogue else None
    titles, text = _titles(catalogue), imagined.text[:LONGEST_TITLE].strip()
    if text and text in titles.exact:
        return titles.exact[text], 1.0
    title = plain_title(text)
    names = titles.names.get(numerals(title), {})
    if not title or not names:
        return None
    match = process.extractOne(in_words(title), names, scorer=fuzz.ratio, score_cutoff=100 * config.grounding_tau)
    if match:
        return titles.ids[match[2]], match[1] / 100
    if embed is None:
        return None
    rows = list(names)
    cosines = titles.cosines(text, rows, embed)
    best = int(np.argmax(cosines))
    near = float(min(cosines[best], 1.0))
    return (titles.ids[rows[best]], near) if near >= config.grounding_cosine else None


@lru_cache(maxsize=4)
def _titles(catalogue: Catalogue) -> Titles:
    return Titles(catalogue)
