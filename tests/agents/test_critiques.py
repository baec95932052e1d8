"""What the reasoner hears of a rejected step, whatever threshold the run has."""

from __future__ import annotations

from typing import Any

import pytest

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.minds.attributes import AttributesMind
from llmrg.agents.minds.chat import ChatMind
from llmrg.agents.protocols import Block, Candidate, Verdict
from llmrg.testing.planted_responder import planted_responder
from llmrg.testing.scripted_chat import ScriptedChatModel

STRICT = BuildConfig(tau=1.0, tries=1, block_size=50, held_out=0, knowledge=False, divergence=False, retry_wait_s=0)
"""Stricter than each verifier is by itself."""


def chat(world: Any) -> ChatMind:
    return ChatMind(ScriptedChatModel(planted_responder(world.dataset, world.truth, 0.0)), world.dataset)


@pytest.mark.parametrize("verifier", [lambda world: AttributesMind(world.dataset), chat], ids=["attributes", "chat"])
async def test_a_threshold_above_the_verifiers_own_leaves_no_rejection_without_a_critique(
    verifier, world, nosy, attributes, build_with
) -> None:
    blocks: list[Block] = []

    class Watched(AttributesMind):
        async def reason(self, block: Block) -> list[Candidate]:
            blocks.append(block)
            return await super().reason(block)

    user = next(iter(world.dataset.histories))
    minds = Minds(Watched(world.dataset), verifier(world), attributes)
    await build_with(world.dataset, minds, STRICT, users=[user])
    first, second = blocks
    proposed = {c.position for c in await attributes.reason(first)}
    assert set(second.positions) & proposed
    assert all(second.critiques[p] for p in set(second.positions) & proposed)


async def test_it_is_the_best_rejected_candidate_that_is_criticised(world, attributes, build_with) -> None:
    """The reasoner gives its best first, so the last one's critique would be the least useful."""
    blocks: list[Block] = []

    class Three:
        name = "three"

        async def reason(self, block: Block) -> list[Candidate]:
            blocks.append(block)
            items = block.history.items
            return [Candidate(p, "root", "", None, f"r{n}", items[p], None, p + 1) for p in block.positions for n in range(3)]

    class Falling:
        name, default_tau = "falling", 0.9

        async def verify(self, block: Block, candidates: Any) -> list[Verdict]:
            scores = {"r0": 0.5, "r1": 0.6, "r2": 0.1}
            return [Verdict(scores[c.reason], f"not {c.reason}") for c in candidates]

    user = next(iter(world.dataset.histories))
    config = replace_tau(STRICT)
    await build_with(world.dataset, Minds(Three(), Falling(), attributes), config, users=[user])
    assert set(blocks[1].critiques.values()) == {"not r1"}


async def test_a_verifier_without_words_still_says_how_far_off_it_was(world, attributes, build_with) -> None:
    blocks: list[Block] = []

    class Watched(AttributesMind):
        async def reason(self, block: Block) -> list[Candidate]:
            blocks.append(block)
            return await super().reason(block)

    class Mute:
        name, default_tau = "mute", 0.9

        async def verify(self, block: Block, candidates: Any) -> list[Verdict]:
            return [Verdict(0.25) for _ in candidates]

    user = next(iter(world.dataset.histories))
    await build_with(world.dataset, Minds(Watched(world.dataset), Mute(), attributes), replace_tau(STRICT), users=[user])
    assert set(blocks[1].critiques.values()) == {"score 0.25 is below 0.90"}


def replace_tau(config: BuildConfig) -> BuildConfig:
    """With the verifier's own threshold."""
    return config.model_copy(update={"tau": None})
