"""Answers the requests of the chat mind that asks once per item, from the catalogue's themes, wrong as often as told."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

from langchain_core.messages import BaseMessage

from llmrg.core.errors import ConfigError
from llmrg.core.records import stable_key
from llmrg.data.dataset import Dataset
from llmrg.data.demo_set import THEME

_ITEM = re.compile(r"\[(\d+)\] «([^«»]*)».*")
_OPTION = re.compile(r"\((\d+)\) «([^«»]*)»")


def planted_items(
    dataset: Dataset, error_rate: float, seed: int = 0, verifier_error_rate: float = 0.05
) -> Callable[[list[BaseMessage]], str]:
    """A script for `ScriptedChatModel` that reads the requests of `ItemChatMind` and replies in JSON.

    Args:
        error_rate: share of the themes that the item does not carry.
        verifier_error_rate: share of the options that are judged wrongly, picked or left.
    Raises (when called): ConfigError: the request is none of that mind's.
    """
    themes = {item.title: item.values(THEME) for item in dataset.catalogue}
    everything = list(dict.fromkeys(theme for own in themes.values() for theme in own))

    def dice(*parts: object) -> random.Random:
        return random.Random(stable_key(seed, *parts))

    def reasons(lines: list[str]) -> list[dict[str, Any]]:
        replies = []
        for number, title in _numbered(lines[lines.index("ITEMS") + 1 :]):
            draw = dice("items", title, *(line for line in lines if line.startswith(f"[{number}] ")))
            texts = [
                draw.choice([t for t in everything if t not in themes[title]] or [own]) if draw.random() < error_rate else own
                for own in themes[title]
            ]
            replies.append({"item": number, "reasons": texts})
        return replies

    def picks(lines: list[str]) -> list[dict[str, Any]]:
        replies: list[dict[str, Any]] = []
        title = ""
        for line in lines[1:]:
            if match := _ITEM.fullmatch(line):
                title = match.group(2)
                replies.append({"item": int(match.group(1)), "fits": []})
            elif match := _OPTION.fullmatch(line):
                wrong = dice("pick", title, match.group(2)).random() < verifier_error_rate
                if (match.group(2) in themes[title]) != wrong:
                    replies[-1]["fits"].append(int(match.group(1)))
        return replies

    def reply(messages: list[BaseMessage]) -> str:
        for text in (m.text for m in reversed(messages) if m.type == "human"):  # the last one may only ask to repeat the reply
            lines = text.splitlines()
            if "ITEMS" in lines:
                return json.dumps({"items": reasons(lines)})
            if "PICK" in lines:
                return json.dumps({"picks": picks(lines)})
        raise ConfigError(f"not a request about items: {messages[-1].text[:80]!r}; were its prompts changed?")

    return reply


def _numbered(lines: list[str]) -> list[tuple[int, str]]:
    """(number, title) of the items, up to the next heading."""
    numbered = []
    for line in lines:
        match = _ITEM.fullmatch(line)
        if match is None:
            break
        numbered.append((int(match.group(1)), match.group(2)))
    return numbered
