"""Single values of a reply as models write them: read where they can mean one thing, left out where they cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrg.agents.chat.replies import ItemsReply, PickReply, ReasonReply, VerifyReply, read_reply
from llmrg.core.errors import ModelReplyError


def confidence(value: Any) -> float:
    (answer,) = read_reply(json.dumps({"answers": [{"question": 1, "choice": 2, "confidence": value}]}), VerifyReply).answers
    return answer.confidence


@settings(deadline=None)
@given(
    st.integers(11, 100),
    st.sampled_from(["{}%", "{} %", "{}", "{}/100", "{} out of 100", "~{}%", "{}% (fairly sure)", "{} percent"]),
)
def test_a_share_of_a_hundred(percent: int, form: str) -> None:
    assert confidence(form.format(percent)) == pytest.approx(percent / 100)
    assert confidence(percent) == pytest.approx(percent / 100)


@settings(deadline=None)
@given(st.integers(0, 10))
def test_a_share_of_ten_says_of_how_many(tenths: int) -> None:
    assert confidence(f"{tenths}/10") == pytest.approx(tenths / 10)
    assert confidence(f"0,{tenths}" if tenths < 10 else "1,0") == pytest.approx(tenths / 10)


@settings(deadline=None)
@given(st.floats(1, 10, exclude_min=True))
def test_nine_may_be_of_ten_or_of_a_hundred(number: float) -> None:
    """It was read as 9 %, so sure answers were rejected."""
    with pytest.raises(ModelReplyError):
        confidence(number)
    with pytest.raises(ModelReplyError):
        confidence(f"{number:.3f}" if f"{number:.3f}" != "1.000" else "1.001")


@pytest.mark.parametrize("value", [True, False, None, "high", "nan", [], {}, "1/0", "9/0"])
def test_what_is_no_share(value: Any) -> None:
    with pytest.raises(ModelReplyError):
        confidence(value)


def causes(*values: Any) -> list[Any]:
    steps = [{"position": 9, "cause": value, "reason": "gothic"} for value in values]
    return [step.cause for step in read_reply(json.dumps({"steps": steps}), ReasonReply).steps]


def test_a_cause_by_its_number() -> None:
    assert causes(2, "2", "#2", "item 2", "history number 2", "No. 2", "2. Dracula", "2 - Dracula", [2, 3], ["2"]) == [2] * 10
    assert causes("a2", "attribute 2") == ["a2", 2]
    assert causes(None, "-", "no cause", "None", "N/A", []) == [None] * 6


@pytest.mark.parametrize("title", ["Apollo 13", "Alien 3", "Ocean's 11", "Se7en 2", "District 9"])
def test_a_title_that_ends_in_a_number_is_no_number(title: str) -> None:
    assert causes(title) == [title]


def test_true_is_not_the_first_item() -> None:
    with pytest.raises(ModelReplyError):
        causes(True)
    with pytest.raises(ModelReplyError):
        read_reply('{"steps": [{"position": true, "cause": 1, "reason": "gothic"}]}', ReasonReply)


def test_rows_without_names_are_read_in_the_order_of_the_fields() -> None:
    (step,) = read_reply('{"steps": [[3, 1, "gothic"], [4, 1]]}', ReasonReply).steps
    assert (step.position, step.cause, step.reason) == (3, 1, "gothic")


@pytest.mark.parametrize("reasons", ["a, b", "a; b", "a\nb", ["a", "b"], [{"reason": "a"}, {"text": "b"}], ["a", " ", 3, "b"]])
def test_reasons_as_a_list(reasons: Any) -> None:
    (item,) = read_reply(json.dumps({"items": [{"item": 1, "reasons": reasons}]}), ItemsReply).items
    assert item.reasons == ["a", "b"]


def test_choices_as_a_table_of_truth() -> None:
    (pick,) = read_reply('{"picks": [{"item": 1, "fits": {"1": true, "2": false, "r3": true}}]}', PickReply).picks
    assert pick.fits == [1, 3]


def test_sets_of_sets_of_python_end_no_run() -> None:
    (step,) = read_reply('\\boxed{{"steps": [{"position": 3, "cause": 1, "reason": "gothic"}]}}', ReasonReply).steps
    assert step.reason == "gothic"


@settings(deadline=None)
@given(st.text(st.sampled_from("item number no. #:1a-"), max_size=2000))
def test_labels_are_read_in_short_time(text: str) -> None:
    causes(text + "!")
