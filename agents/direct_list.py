"""The control without a graph: the model lists what a user may take next, with no reason, no verification and no knowledge base.

The paper's ablation "direct recommendations, no graph" (table 6). The lists come as graphs of imagined steps, one chain an item,
so that they can be compared as any other graphs: `project.compare(more={"direct list": project.direct_list()})`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import BLOCK_SIZE
from llmrg.agents.machine.nodes.ground import find_item
from llmrg.agents.machine.nodes.plan import blocks_of, cuts_of
from llmrg.agents.protocols import Cut, Imaginer, OpenChain
from llmrg.core.errors import ModelReplyError
from llmrg.core.records import ReasoningGraph, Step
from llmrg.core.text_vectors import TextVectors
from llmrg.data.dataset import Dataset
from llmrg.data.successors import Successors

REASON = "taken next"
"""Stands where a step has its reason; it is the same for all."""


async def direct_list(
    dataset: Dataset,
    imaginer: Imaginer,
    config: BuildConfig | None = None,
    *,
    users: Sequence[str] | None = None,
    vectors: TextVectors | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Mapping[str, ReasoningGraph]:
    """Lists at the cuts that a build with this configuration has. Raises: as `Imaginer.imagine`, but for useless replies."""
    config = config or BuildConfig()
    chosen = list(dataset.histories) if users is None else list(users)
    successors, gate, done = Successors(dataset), asyncio.Semaphore(config.concurrency), 0

    async def graph_of(user: str) -> ReasoningGraph:
        nonlocal done
        async with gate:
            graph = await _of_user(dataset, imaginer, config, successors, vectors, user)
        done += 1
        if progress:
            progress(done, len(chosen))
        return graph

    graphs = await asyncio.gather(*(graph_of(user) for user in chosen))
    return {graph.user: graph for graph in graphs}


async def _of_user(
    dataset: Dataset, imaginer: Imaginer, config: BuildConfig, successors: Successors, vectors: TextVectors | None, user: str
) -> ReasoningGraph:
    history, steps = dataset.histories[user], list[Step]()
    start = max(0, len(history) - config.l_tru)
    size = config.block_size or int(getattr(imaginer, "block_size", BLOCK_SIZE))
    every = int(getattr(imaginer, "cut_every", 0)) if config.cut_every is None else config.cut_every
    blocks = blocks_of(len(history), start, size, config.held_out_of(dataset.split))
    for position in (cut for begin, end in blocks for cut in cuts_of(begin, end, every)):
        known = history.before(position)
        tail, seen = known.items[-1], set(known.items)
        often = tuple(item for item, _ in successors.ranked(tail, without=history) if item not in seen)[:20]
        chain = OpenChain(0, tail, position - 1, REASON, 1.0)
        try:
            imagined = await imaginer.imagine(Cut(user, known, position, (chain,), {0: often}))
        except ModelReplyError:
            continue
        matches = [find_item(dataset.catalogue, step, vectors.embed if vectors else None, config) for step in imagined]
        good = {match[0]: match[1] for match in matches if match and match[0] not in seen}
        for number, (item, grounding) in enumerate(good.items(), start=len(steps)):
            cause = ("item", tail, position - 1)
            steps.append(Step(user, position, "imagined", *cause, REASON, item, 1.0, number, position, grounding=grounding))  # type: ignore[arg-type]
    return ReasoningGraph(user, tuple(steps), run="direct list")
