"""The paper's protocol as a mind, for comparison: one request to reason, one to abduce and one to score, for every single item.

The paper (arXiv 2308.10835) prints its prompts in an image only; each has three parts (task, example input, example output), as
ours have. Reasoning and abduction are asked with our own prompts, an item a request; scoring with the short one below, which is
kinder to the paper's costs than a longer one would be.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel

from llmrg.agents.chat.requests import ChatRequest
from llmrg.agents.minds.chat import ChatConfig, ChatMind
from llmrg.agents.protocols import Block, Candidate, Verdict
from llmrg.core.errors import ModelReplyError
from llmrg.data.dataset import Dataset

TASK = (
    "You score explanations. You see a step with a part hidden, what was predicted for it, and what was hidden. Say from 0 to "
    '100 how well they match. Reply with JSON only: {"scores": [{"score": number}]}.'
)
SHOWN = "SCORE\nstep: from «Emma» for the reason «witty courtship» to ???\npredicted: «Persuasion»\nhidden: «Persuasion»"
SAID = '{"scores": [{"score": 95}]}'


class Score(BaseModel):
    score: float


class ScoreReply(BaseModel):
    scores: list[Score]


class PaperMind(ChatMind):
    """Each step is verified by two requests of its own: abduction, then scoring."""

    def __init__(self, model: Any, dataset: Dataset) -> None:
        super().__init__(model, dataset, ChatConfig(proposals=1))
        self.name = f"paper/{self.model_name}"

    async def verify(self, block: Block, candidates: Sequence[Candidate]) -> list[Verdict]:
        verdicts = []
        for candidate in candidates:
            (verdict,) = await super().verify(block, [candidate])
            question = self._question(candidate, {candidate.item: {candidate.reason}})
            predicted = question.options[question.right] if verdict.score else "something else"
            asked = f"SCORE\nconfidence: {verdict.score:.2f}\nstep: from «{question.cause}» for the reason «{question.reason}»"
            asked += f" to «{question.item}»\npredicted: «{predicted}»\nhidden: «{question.options[question.right]}»"
            messages: tuple[BaseMessage, ...] = (SystemMessage(TASK), HumanMessage(SHOWN), AIMessage(SAID), HumanMessage(asked))
            try:
                reply = await self._calls.ask(ChatRequest(messages, "score", "paper"), ScoreReply, lambda reply: reply)
            except ModelReplyError:
                reply = ScoreReply(scores=[Score(score=0)])
            verdicts.append(replace(verdict, score=reply.scores[0].score / 100))
        return verdicts


def with_scores(responder: Any) -> Any:
    """The planted responder, which also answers requests for a score: the confidence of the abduction, in hundredths."""

    def reply(messages: list[BaseMessage]) -> str:
        text = messages[-1].text
        if text.startswith("SCORE"):
            return json.dumps({"scores": [{"score": 100 * float(text.splitlines()[1].split()[1])}]})
        return str(responder(messages))

    return reply
