"""ground: imagined items become unseen catalogue items, or are dropped and counted."""

from __future__ import annotations

import asyncio
import re
from functools import lru_cache

import numpy as np
from langgraph.runtime import Runtime
from rapidfuzz import fuzz, process, utils

from llmrg.agents.chains import read_chains
from llmrg.agents.context import BuildContext, Embed
from llmrg.agents.prompts import one_line
from llmrg.agents.protocols import Candidate, Imagined
from llmrg.agents.state import State, plain
from llmrg.data.dataset import Catalogue

LONGEST_TITLE = 300
"""Characters of an imagined title that are looked at."""
_YEAR = re.compile(r"\s*\((?:1[89]|20)\d\d\)\s*$")
_ARTICLES = {"the", "a", "an"}
VECTOR_TAU = 0.6
"""Cosine below which two titles are not called similar."""


async def ground(state: State, runtime: Runtime[BuildContext]) -> State:
    context = runtime.context
    cut = state["blocks"][0][1]
    seen = set(context.history(state["user"]).items[:cut])
    tails = {chain.number: chain for chain in read_chains(state["chains"])}
    candidates: list[Candidate] = []
    taken: set[tuple[int, str]] = set()
    imagined = [Imagined(**row) for row in state["imagined"]]
    with context.usage.timed("ground"):
        for one, found in zip(imagined, await asyncio.to_thread(_found, context, imagined), strict=True):
            tail = tails.get(one.chain)
            if tail is None or found is None or found[1] < context.config.grounding_tau:
                context.usage.add("ground.not_in_catalogue")
            elif found[0] in seen:
                context.usage.add("ground.seen")
            elif (one.chain, found[0]) in taken:
                context.usage.add("ground.duplicates")
            else:
                taken.add((one.chain, found[0]))
                cause = ("item", tail.tail_item, tail.tail_position)
                candidates.append(Candidate(cut, *cause, one.reason, found[0], one.chain, cut, "model", found[1]))  # type: ignore[arg-type]
    context.usage.add("ground.kept", len(candidates))
    return {"candidates": [plain(candidate) for candidate in candidates], "imagined": []}


def _found(context: BuildContext, imagined: list[Imagined]) -> list[tuple[str, float] | None]:
    return [find_item(context.dataset.catalogue, one, context.embed) for one in imagined]


def find_item(catalogue: Catalogue, imagined: Imagined, embed: Embed | None) -> tuple[str, float] | None:
    """(item id, similarity in [0, 1]): by id, by exact title, by fuzzy title, by text vector.

    Titles are compared without case, punctuation, articles and a closing year. Letters are compared over the whole title, since a
    part of one ("The Road") is often another title than the whole ("On the Road").
    """
    if imagined.item is not None:
        return (imagined.item, 1.0) if imagined.item in catalogue else None
    titles, text = _titles(catalogue), imagined.text[:LONGEST_TITLE].strip()
    if text and text in titles.exact:
        return titles.exact[text], 1.0
    said = plain_title(text)
    if not said:
        return None
    match = process.extractOne(said, titles.names, scorer=fuzz.token_sort_ratio)
    best = (titles.ids[match[2]], match[1] / 100) if match else None
    if embed is None or not titles.ids or (best and best[1] >= 0.95):
        return best
    cosines = titles.vectors(embed) @ embed([text])[0]
    row = int(np.argmax(cosines))
    near = (titles.ids[row], float(cosines[row])) if cosines[row] >= VECTOR_TAU else None
    return max((m for m in (best, near) if m), key=lambda m: m[1], default=None)


def plain_title(title: str) -> str:
    """Lower case, without punctuation, articles and a closing year; an article alone stays."""
    words = utils.default_process(_YEAR.sub("", title)).split()
    return " ".join([word for word in words if word not in _ARTICLES] or words)


class _Titles:
    """Titles made ready for matching, once per catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.ids = catalogue.ids
        self.raw = [item.title for item in catalogue]
        # As it is, and as a request shows it: cleaned and cut. The first item of a title wins.
        both = [
            *((one_line(title), item) for title, item in zip(self.raw, self.ids, strict=True)),
            *zip(self.raw, self.ids, strict=True),
        ]
        self.exact = dict(reversed(both))
        self.names = [plain_title(title) for title in self.raw]
        self._vectors: np.ndarray | None = None

    def vectors(self, embed: Embed) -> np.ndarray:
        if self._vectors is None:
            self._vectors = embed(self.raw)
        return self._vectors


@lru_cache(maxsize=4)
def _titles(catalogue: Catalogue) -> _Titles:
    return _Titles(catalogue)
