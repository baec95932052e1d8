"""A chat model with a known share of wrong reasons, on a planted world: what verification is worth."""

from __future__ import annotations

import pytest

from llmrg.agents.config import BuildConfig
from llmrg.agents.minds.chat import ChatMind
from llmrg.testing.planted import PlantedConfig, random_catalogue, simulate
from llmrg.testing.planted_responder import planted_responder
from llmrg.testing.scripted_chat import ScriptedChatModel

CONFIG = BuildConfig(block_size=6, candidates=1, tries=0, knowledge=False, divergence=False)


@pytest.fixture(scope="module")
def many():
    return simulate(random_catalogue(80, 24, seed=2), PlantedConfig(readers=12, min_length=8, max_length=12, noise=0.1, seed=9))


def mind_of(world, error_rate: float) -> ChatMind:
    return ChatMind(ScriptedChatModel(planted_responder(world.dataset, world.truth, error_rate, seed=1)), world.dataset)


def shares(world, store) -> tuple[float, float, float]:
    """(precision of accepted steps, precision of all proposed ones, share of the right ones that were accepted)."""
    truth = {(step.user, step.position): step.reason for step in world.truth}
    steps = [s for user in world.dataset.histories for s in store.graph(world.dataset.name, user).steps if s.kind == "reasoned"]
    right = [s for s in steps if s.reason == truth[s.user, s.position]]
    accepted = [s for s in steps if s.accepted]
    good = [s for s in right if s.accepted]
    return len(good) / len(accepted), len(right) / len(steps), len(good) / len(right)


async def test_accepted_steps_are_more_often_right_than_proposed_ones(many, build_with, store) -> None:
    await build_with(many.dataset, mind_of(many, 0.4), CONFIG)
    accepted, proposed, kept = shares(many, store)
    assert 0.4 < proposed < 0.65  # 40 % errors, and noise that has no reason
    assert accepted > proposed + 0.25
    assert kept > 0.6


async def test_without_verification_nothing_is_gained(many, build_with, store) -> None:
    await build_with(many.dataset, mind_of(many, 0.4), CONFIG.model_copy(update={"verification": False}))
    accepted, proposed, _ = shares(many, store)
    assert accepted == proposed


async def test_recalibration_explains_more(many, build_with, store) -> None:
    await build_with(many.dataset, mind_of(many, 0.4), CONFIG)
    once = sum(len(store.graph(many.dataset.name, user).reasoned()) for user in many.dataset.histories)
    await build_with(many.dataset, mind_of(many, 0.4), CONFIG.model_copy(update={"tries": 2}))
    thrice = sum(len(store.graph(many.dataset.name, user).reasoned()) for user in many.dataset.histories)
    assert thrice > once


async def test_a_right_model_is_believed_and_imagines_real_items(many, build_with, store) -> None:
    config = CONFIG.model_copy(update={"divergence": True})
    users = list(many.dataset.histories)[:4]
    report = await build_with(many.dataset, mind_of(many, 0.0), config, users=users)
    assert report.grounding_rate == 1.0
    assert all(store.graph(many.dataset.name, user).imagined() for user in users)
    wrong = await build_with(many.dataset, mind_of(many, 0.5), config, users=users, resume=False)
    assert wrong.grounding_rate is not None
    assert wrong.grounding_rate < 0.8
    assert wrong.counts["ground.not_in_catalogue"] > 0


async def test_a_block_costs_few_calls(many, build_with) -> None:
    """One to reason, one to verify, and at a cut one to imagine and one to verify, whatever the number of items."""
    user = max(many.dataset.histories, key=lambda u: len(many.dataset.histories[u]))
    mind = mind_of(many, 0.2)
    config = CONFIG.model_copy(update={"divergence": True, "block_size": 50, "held_out": 0})
    report = await build_with(many.dataset, mind, config, users=[user])
    assert report.total("calls") == 4
