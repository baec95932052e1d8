"""The three minds pass the shipped suite, and the suite refuses minds that break it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llmrg.agents.minds.attributes import AttributesMind
from llmrg.agents.minds.chat import ChatMind
from llmrg.agents.protocols import Block, Candidate, Verdict
from llmrg.core.errors import ModelReplyError
from llmrg.core.settings import load_settings
from llmrg.testing.mind_suite import MindContract, OpenMind, small_world
from llmrg.testing.planted import PlantedWorld
from llmrg.testing.planted_responder import planted_responder
from llmrg.testing.scripted_chat import ScriptedChatModel


class TestAttributes(MindContract):
    @pytest.fixture(scope="class")
    def open_mind(self) -> OpenMind:
        return lambda world: AttributesMind(world.dataset)


class TestChat(MindContract):
    @pytest.fixture(scope="class")
    def open_mind(self) -> OpenMind:
        def made(world: PlantedWorld) -> Any:
            truth = planted_responder(small_world().dataset, world.truth, 0.1)

            def reply(messages: Any) -> str:
                try:
                    return str(truth(messages))
                except Exception:  # worlds that the planted responder does not know
                    return "{}"

            return ChatMind(ScriptedChatModel(reply), world.dataset)

        return made


@pytest.mark.model
class TestLikelihood(MindContract):
    """With the real local model. Themes of the planted world are made-up words, which it knows nothing of."""

    @pytest.fixture(scope="class")
    def open_mind(self, tmp_path_factory: pytest.TempPathFactory) -> OpenMind:
        from llmrg.agents.minds.likelihood import LikelihoodConfig, LikelihoodMind
        from llmrg.agents.minds.local_lm import LocalLM

        lm = LocalLM.load("gemma-3-270m", load_settings().cache_dir.expanduser())
        folder = tmp_path_factory.mktemp("profiles")
        return lambda world: LikelihoodMind(world.dataset, lm, folder, LikelihoodConfig(contrast=24, floor=-2.0))

    def test_right_steps_score_above_wrong_ones(self, mind: Any, world: Any) -> None:
        pytest.skip("made-up themes mean nothing to a language model; measured on real ones in benchmarks/local_model.py")


class Wrong(AttributesMind):
    """A mind that breaks one promise."""

    def __init__(self, world: PlantedWorld, how: str) -> None:
        super().__init__(world.dataset)
        self.how, self.world, self.calls = how, world, 0

    async def reason(self, block: Block) -> list[Candidate]:
        self.calls += 1
        found = await super().reason(block)
        match self.how:
            case "other position":
                return [replace(c, position=c.position + 50) for c in found]
            case "later cause":
                item = block.history.items[-1]
                return [replace(c, cause_kind="item", cause=item, cause_position=len(block.history) - 1) for c in found]
            case "other item":
                return [replace(c, item="item-0001") for c in found]
            case "leak":
                last = self.world.dataset.histories[block.user].items[-1]
                return [replace(c, reason=f"{c.reason} {last}") for c in found]
            case "moody":
                return [replace(c, reason=f"{c.reason} {self.calls}") for c in found]
            case "endless":
                return [replace(c, reason=f"{c.reason} {n}") for c in found for n in range(20)]
        return found

    async def verify(self, block: Block, candidates: Any) -> list[Verdict]:
        verdicts = await super().verify(block, candidates)
        match self.how:
            case "no number":
                return [replace(v, score=float("nan")) for v in verdicts]
            case "too few":
                return verdicts[1:]
            case "yes to all":
                return [replace(v, score=1.0) for v in verdicts]
        return verdicts

    async def imagine(self, cut: Any) -> Any:
        found = await super().imagine(cut)
        return [replace(one, item=cut.history.items[0]) for one in found] if self.how == "seen" else found


@pytest.mark.parametrize(
    ("how", "test"),
    [
        ("other position", "test_candidates_are_about_the_block"),
        ("later cause", "test_candidates_are_about_the_block"),
        ("other item", "test_candidates_are_about_the_block"),
        ("endless", "test_candidates_are_about_the_block"),
        ("leak", "test_what_comes_later_and_what_others_hold_out_changes_nothing"),
        ("moody", "test_many_at_once_are_answered_as_one_by_one"),
        ("no number", "test_there_is_one_verdict_a_candidate_in_order"),
        ("too few", "test_there_is_one_verdict_a_candidate_in_order"),
        ("yes to all", "test_right_steps_score_above_wrong_ones"),
        ("seen", "test_chains_are_continued_with_what_was_not_seen"),
    ],
)
def test_a_mind_that_breaks_a_promise_is_refused(how: str, test: str) -> None:
    world, suite = small_world(), MindContract()
    user = max(world.dataset.histories, key=lambda user: len(world.dataset.histories[user]))

    def open_mind(given: PlantedWorld) -> Any:
        return Wrong(given, how)

    known = {"open_mind": open_mind, "world": world, "mind": Wrong(world, how), "user": user}
    code = getattr(MindContract, test).__code__
    asked = code.co_varnames[1 : code.co_argcount]
    with pytest.raises((AssertionError, ModelReplyError)):
        getattr(suite, test)(**{name: known[name] for name in asked})
