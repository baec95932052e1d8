"""Answers the chat mind's requests from the planted truth, wrong as often as told: a language model of known quality."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from llmrg.core.errors import ConfigError
from llmrg.core.records import stable_key
from llmrg.data.dataset import Dataset
from llmrg.data.demo_set import THEME
from llmrg.data.truth import PlantedStep

_NUMBERED = re.compile(r"\[([acq]?)(\d+)\] (.*)")
_QUOTED = re.compile(r"«([^«»]*)»")


def planted_responder(
    dataset: Dataset, truth: Iterable[PlantedStep], error_rate: float, seed: int = 0, verifier_error_rate: float = 0.05
) -> Callable[[list[BaseMessage]], str]:
    """A script for `ScriptedChatModel` that reads the requests of `ChatMind` and replies in JSON.

    Args:
        error_rate: share of the reasoner's steps with a reason that the item does not carry, and of the imaginer's with a title
            that is no item's.
        verifier_error_rate: share of the verifier's answers that are a confident random choice; the others find the option that
            fits all that is shown, or say that none does.
    Raises (when called): ConfigError: the request is none of the chat mind's.
    """
    return _Responder(dataset, tuple(truth), error_rate, seed, verifier_error_rate)


class _Responder:
    def __init__(self, dataset: Dataset, truth: Sequence[PlantedStep], error_rate: float, seed: int, verifier: float) -> None:
        self._dataset, self._error_rate, self._seed, self._verifier_error_rate = dataset, error_rate, seed, verifier
        self._truth = {(step.user, step.position): step for step in truth}
        self._themes = {item.title: item.values(THEME) for item in dataset.catalogue}
        self._all_themes = list(dict.fromkeys(theme for themes in self._themes.values() for theme in themes))
        self._titles = {user: [dataset.catalogue[i].title for i in h.items] for user, h in dataset.histories.items()}

    def __call__(self, messages: list[BaseMessage]) -> str:
        texts = [m.text for m in reversed(messages) if m.type == "human"]
        for lines in map(str.splitlines, texts):  # the last one may only ask to repeat the reply
            if "QUESTIONS" in lines:
                return json.dumps({"answers": self._answers(lines)})
            if "CHAINS" in lines:
                return json.dumps({"continuations": self._continuations(lines)})
            if "EXPLAIN" in lines:
                return json.dumps({"steps": self._steps(lines)})
        raise ConfigError(f"not a request of the chat mind: {texts[:1]!r:.80}; were its prompts changed?")

    def _dice(self, *parts: object) -> random.Random:
        return random.Random(stable_key(self._seed, *parts))

    def _steps(self, lines: list[str]) -> list[dict[str, Any]]:
        shown = {number: titles[0] for number, titles in _section(lines, "HISTORY")}
        rejected = dict(_section(lines, "REJECTED BEFORE"))
        user = self._user(shown)
        numbers = [int(number) for number in re.findall(r"\[(\d+)\]", lines[lines.index("EXPLAIN") + 1])]
        return [self._step(user, number, shown, rejected.get(number)) for number in numbers]

    def _user(self, shown: dict[int, str]) -> str:
        for user, titles in self._titles.items():
            if max(shown) <= len(titles) and all(titles[number - 1] == title for number, title in shown.items()):
                return user
        raise ConfigError("no planted history holds the titles of the request")

    def _step(self, user: str, number: int, shown: dict[int, str], critique: object) -> dict[str, Any]:
        dice, planted = self._dice(user, number, critique), self._truth[user, number - 1]
        own = self._themes[shown[number]]
        earlier = [n for n in shown if n < number]
        if dice.random() < self._error_rate or planted.reason is None:
            cause = dice.choice(earlier) if earlier else None
            return {
                "position": number,
                "cause": cause,
                "reason": dice.choice([t for t in self._all_themes if t not in own] or own),
            }
        cause = None if planted.cause_position is None else planted.cause_position + 1
        cause = cause if cause in shown else None
        return {"position": number, "cause": cause, "reason": planted.reason}

    def _answers(self, lines: list[str]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        for line in lines[lines.index("QUESTIONS") + 1 :]:
            if match := _NUMBERED.fullmatch(line):
                question, options = match.group(3), list[str]()
                answers.append({"question": int(match.group(2)), "asked": question, "options": options})
            else:
                answers[-1]["options"] += _QUOTED.findall(line)
        return [{"question": a["question"], **self._choice(a["asked"], a["options"])} for a in answers]

    def _choice(self, question: str, options: list[str]) -> dict[str, Any]:
        dice = self._dice(question, *options)
        if dice.random() < self._verifier_error_rate:
            return {"choice": dice.randrange(len(options)) + 1, "confidence": 0.9}
        shown = _QUOTED.findall(question)
        titles = [text for text in shown if text in self._themes]
        reasons = [text for text in shown if text not in self._themes]
        fitting = [number for number, option in enumerate(options, start=1) if self._fits(option, titles, reasons)]
        if len(fitting) != 1:
            return {"choice": (fitting or [1])[0], "confidence": 0.9 / len(fitting) if fitting else 0.1}
        return {"choice": fitting[0], "confidence": 0.9}

    def _fits(self, option: str, titles: list[str], reasons: list[str]) -> bool:
        """Whether each reason, the option among them or not, is a theme of each title."""
        hidden_item = option in self._themes
        all_titles = [*titles, option] if hidden_item else titles
        all_reasons = reasons if hidden_item else [option]
        return all(reason in self._themes[title] for title in all_titles for reason in all_reasons)

    def _continuations(self, lines: list[str]) -> list[dict[str, Any]]:
        taken = {titles[0] for _, titles in _section(lines, "HISTORY")}
        continuations = []
        for number, (tail, reason) in ((n, texts[:2]) for n, texts in _section(lines, "CHAINS")):
            dice = self._dice("imagine", tail, reason, len(taken))
            fits = [title for title, themes in self._themes.items() if reason in themes and title not in taken]
            for title in dice.sample(fits, min(3, len(fits))):
                wrong = dice.random() < self._error_rate
                continuations.append({"chain": number, "reason": reason, "title": "Zyxwv " + title[::-1] if wrong else title})
        return continuations


def _section(lines: list[str], name: str) -> list[tuple[int, list[str]]]:
    """(number, quoted texts) of the numbered lines under a heading; [] without the heading."""
    if name not in lines:
        return []
    rows = []
    for line in lines[lines.index(name) + 1 :]:
        match = _NUMBERED.fullmatch(line)
        if match:
            rows.append((int(match.group(2)), _QUOTED.findall(match.group(3))))
        elif line.isupper():
            break
    return rows
