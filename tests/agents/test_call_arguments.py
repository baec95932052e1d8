"""Arguments of tool calls in the types in which servers send them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmrg.agents.chat.openai_chat import _mended

STEPS = [{"position": 3, "cause": 1, "reason": "gothic"}]
REPLY = {"steps": STEPS}


@pytest.mark.parametrize("told", [REPLY, json.dumps(REPLY), json.dumps(json.dumps(REPLY)), STEPS, json.dumps(STEPS)])
def test_arguments_become_the_text_of_an_object(told: Any) -> None:
    (call,) = _mended({"tool_calls": [{"function": {"name": "x", "arguments": told}}]})["tool_calls"]
    found = json.loads(call["function"]["arguments"])
    assert found in (REPLY, {"arguments": STEPS})


def test_broken_text_stays_to_be_read_leniently() -> None:
    (call,) = _mended({"tool_calls": [{"function": {"name": "x", "arguments": '{"steps": ['}}]})["tool_calls"]
    assert call["function"]["arguments"] == '{"steps": ['
