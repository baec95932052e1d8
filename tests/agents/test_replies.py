"""Replies in every form in which a person would still read them: the final answer is read, and nothing is made of prose."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from llmrg.agents.chat.messages import read_message
from llmrg.agents.chat.replies import ImagineReply, ItemsReply, PickReply, ReasonReply, VerifyReply, read_reply
from llmrg.core.errors import ModelReplyError

STEPS = [{"position": 5, "cause": 4, "reason": "a warm hearth"}, {"position": 6, "cause": None, "reason": "slow trains"}]
GOOD = {"steps": STEPS}
DRAFT = {"steps": [{"position": 5, "cause": 1, "reason": "draft"}, {"position": 6, "cause": 2, "reason": "draft too"}]}
J, D = json.dumps(GOOD), json.dumps(DRAFT)
CALL = json.dumps({"name": "ReasonReply", "arguments": GOOD})
SCHEMA = json.dumps(ReasonReply.model_json_schema())


def said(reply: Any) -> list[tuple[int, str]]:
    return [(step.position, step.reason) for step in reply.steps]


WANTED = [(5, "a warm hearth"), (6, "slow trains")]
READ = {
    "draft in thinking tags": f"<thinking>Perhaps {D}? No.</thinking>\n\n{J}",
    "draft in brackets": f"[THINK]{D}[/THINK]{J}",
    "draft in signs": f"◁think▷{D}◁/think▷ {J}",
    "draft before a lone closing tag": f"Let me see. {D} Not good.\n</think>\n{J}",
    "thought in two parts": f"<think>one {D}</think> hm <thought>two {D}</thought> {J}",
    "thought that is not closed, with the answer at its end": f"<think>first {D}, then better:\n```json\n{J}\n```",
    "harmony": f"<|channel|>analysis<|message|>{D}<|end|><|start|>assistant<|channel|>final<|message|>{J}",
    "the answer at the end of a thought": f"<think>I compare both. {D} And so: {J}</think>",
    "draft in the chatter": f"My first idea was {D}. That is too vague, so here is the result:\n{J}",
    "draft told as one after the answer": f"Final answer: {J}\n(My first draft was {D}.)",
    "a draft, and the answer cut short": f'{D} Better: {{"steps": [{json.dumps(STEPS[0])}, {json.dumps(STEPS[1])}, {{"pos',
    "the word draft beside it": json.dumps({"draft": DRAFT, "final": GOOD}),
    "call by name": CALL,
    "parameters": json.dumps({"name": "ReasonReply", "parameters": J}),
    "function": json.dumps({"type": "function", "function": {"name": "ReasonReply", "arguments": J}}),
    "two calls": "\n".join(
        f"<tool_call>{json.dumps({'name': 'ReasonReply', 'arguments': {'steps': [s]}})}</tool_call>" for s in STEPS
    ),
    "tool calls in a list": f"[TOOL_CALLS][{CALL}]",
    "answer in answer": json.dumps({"answer": {"output": GOOD}}),
    "answer with a fence in a string": json.dumps({"response": f"```json\n{J}\n```"}),
    "schema before": f"{SCHEMA}\n{J}",
    "schema around": json.dumps({"type": "object", "properties": {"steps": STEPS}}),
    "other name for the list": json.dumps({"explanations": STEPS}),
    "capitals": json.dumps({"Steps": [{name.title(): value for name, value in step.items()} for step in STEPS]}),
    "JSON in a string": json.dumps(J),
    "escaped": J.replace('"', '\\"'),
    "byte-order mark": f"\ufeff{J}",
    "fence in a fence": f"````markdown\n```jsonc\n{J}\n```\n````",
    "fence of another language": f"```python\nreply = {GOOD!r}\n```",
    "Python": repr({"steps": [{**STEPS[0], "sure": True}, STEPS[1]]}),
    "Python in a list": f"Here: {STEPS!r}",
    "commas at the end": J.replace("}]}", "},],}"),
    "comments": J.replace('"cause": 4,', '"cause": 4, // the item [4], it\'s close {\n').replace("[{", "[ /* two */ {", 1),
    "typographic quotes": J.replace(' "', " “").replace('{"', "{“").replace('":', "”:").replace('",', "”,").replace('"}', "”}"),
    "wide marks": J.replace('": ', '"：').replace('", "', '"，"'),
    "a bracket missing": J.replace("]}", "}"),
    "elements with words between": f"For the fifth: {json.dumps(STEPS[0])}\nand for the sixth: {json.dumps(STEPS[1])}.",
    "elements by number": json.dumps({"steps": {"5": {"cause": 4, "reason": "a warm hearth"}, "6": {"reason": "slow trains"}}}),
    "numbers with titles": J.replace('"position": 5', '"position": "5. Emma"').replace('"position": 6', '"position": "[6] Dune"'),
    "a quote in the chatter": f'The 5" disc [sic] says: {J}',
}


@pytest.mark.parametrize("form", READ)
def test_the_answer_is_read(form: str) -> None:
    assert said(read_reply(READ[form], ReasonReply)) == WANTED


NOTHING = {
    "thought that was cut short": f"<think>Perhaps {D}, but then again the reader",
    "a draft, then a refusal": f"<think>{D}</think>I cannot help with that.",
    "prose": "The reader [age 30] took it {or so it seems} for position 3, reason: horror, cause: 2.",
    "prose in brackets": "{position 3 because of reason 2} [cause: none] (steps: 1)",
    "the schema alone": SCHEMA,
    "the schema in a fence": f"```json\n{json.dumps(ReasonReply.model_json_schema(), indent=2)}\n```",
    "lyrics": "{'la': 'la', 'position': 'fetal'} " * 40,
    "page": '<html><body onload="x = {steps: [1, 2]}">Sign in</body></html>',
}


@pytest.mark.parametrize("form", NOTHING)
def test_nothing_is_made_of_what_is_no_answer(form: str) -> None:
    with pytest.raises(ModelReplyError):
        read_reply(NOTHING[form], ReasonReply)


@given(st.text(alphabet="abc reason position steps cause 123 {}[]()\"':,;.\n<>/", max_size=120))
@settings(max_examples=150, deadline=None)
def test_prose_never_becomes_a_reply_without_its_parts(text: str) -> None:
    try:
        steps = read_reply(text, ReasonReply).steps
    except ModelReplyError:
        return
    assert not steps or ("position" in text and "reason" in text)


# -- the grammar: any reply, in any form ---------------------------------------------------------------------------------
PLAIN = st.text(alphabet="abcdefgh ÄÖü é'!?-&.", min_size=1, max_size=24).filter(lambda text: text.strip() != "")
WILD = st.one_of(PLAIN, st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=24))
NUMBER = st.integers(1, 60)


def reply_of(words: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[type, str, list[dict[str, Any]]]]:
    def rows(number: str, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
        row = st.fixed_dictionaries({number: NUMBER, **more})
        return st.lists(row, min_size=1, max_size=5, unique_by=lambda one: one[number])

    steps = rows("position", cause=st.one_of(st.none(), NUMBER), reason=words)
    answers = rows("question", choice=NUMBER, confidence=st.sampled_from([0.0, 0.25, 1.0]))
    return st.one_of(
        st.tuples(st.just(ReasonReply), st.just("steps"), steps),
        st.tuples(st.just(VerifyReply), st.just("answers"), answers),
        st.tuples(st.just(ImagineReply), st.just("continuations"), rows("chain", reason=words, title=words)),
        st.tuples(st.just(ItemsReply), st.just("items"), rows("item", reasons=st.lists(words, max_size=3))),
        st.tuples(st.just(PickReply), st.just("picks"), rows("item", fits=st.lists(NUMBER, max_size=4))),
    )


def in_json(value: Any) -> str:
    return json.dumps(value)


WRITTEN = {
    "JSON": in_json,
    "indented": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    "Python": repr,
}
LOOSELY = {
    **WRITTEN,
    "commas": lambda value: json.dumps(value, ensure_ascii=False).replace("}]", "},]").replace("]}", "],}"),
    "comments": lambda value: json.dumps(value, indent=1, ensure_ascii=False).replace(",\n", ", // so it's [said]\n"),
}
WRAPPED = {
    "itself": lambda value: value,
    "result": lambda value: {"result": value},
    "call": lambda value: {"name": "Reply", "arguments": value},
    "call in text": lambda value: {"name": "Reply", "arguments": json.dumps(value)},
    "list in text": lambda value: {name: json.dumps(rows) for name, rows in value.items()},
    "list alone": lambda value: next(iter(value.values())),
    "in a list": lambda value: [value],
}
AROUND = {
    "nothing": "{}",
    "fence": "```json\n{}\n```",
    "chatter": "Sure, here [as asked] it is:\n\n{}\n\nAnything else? :-]",
    "tag": "<tool_call>\n{}\n</tool_call>",
    "thought": '<think>Is it {{"steps": [{{"position": 1, "reason": "draft"}}]}}? It\'s not.</think>{}',
    "half a thought": "I think {{of}} something [1].</think>\n{}",
}


def forms(written: dict[str, Any]) -> st.SearchStrategy[tuple[str, str, str]]:
    return st.tuples(*(st.sampled_from(sorted(names)) for names in (written, WRAPPED, AROUND)))


def rendered(written: dict[str, Any], form: tuple[str, str, str], value: dict[str, Any]) -> str:
    how, wrapped, around = form
    return (
        AROUND[around]
        .replace("{}", "\0", 1)
        .replace("{{", "{")
        .replace("}}", "}")
        .replace("\0", written[how](WRAPPED[wrapped](value)))
    )


def check(written: dict[str, Any], drawn: tuple[type, str, list[dict[str, Any]]], form: tuple[str, str, str]) -> None:
    schema, name, rows = drawn
    wanted = schema.model_validate({name: rows})
    read = read_reply(rendered(written, form, {name: rows}), schema)
    assert read.model_dump() == wanted.model_dump()


@given(reply_of(WILD), forms(WRITTEN))
@settings(max_examples=250, deadline=None)
def test_any_reply_is_read_back_whatever_its_words_are(drawn: Any, form: Any) -> None:
    check(WRITTEN, drawn, form)


@given(reply_of(PLAIN), forms(LOOSELY))
@settings(max_examples=250, deadline=None)
def test_any_reply_is_read_back_from_what_is_no_json(drawn: Any, form: Any) -> None:
    check(LOOSELY, drawn, form)


@given(reply_of(PLAIN), st.data())
@settings(max_examples=150, deadline=None)
def test_of_a_reply_cut_short_the_whole_elements_are_kept(drawn: Any, data: Any) -> None:
    schema, name, rows = drawn
    text = json.dumps({name: rows}, ensure_ascii=False)
    ends = [len(json.dumps({name: rows[: n + 1]}, ensure_ascii=False)) - 2 for n in range(len(rows))]
    cut = data.draw(st.integers(ends[0], len(text)))
    whole = [row for row, end in zip(rows, ends, strict=True) if end <= cut]
    assert read_reply(text[:cut], schema).model_dump() == schema.model_validate({name: whole}).model_dump()


# -- messages -----------------------------------------------------------------------------------------------------------
def calls(*arguments: Any) -> list[Any]:
    return [{"name": "ReasonReply", "args": args, "id": str(n)} for n, args in enumerate(arguments)]


MESSAGES = {
    "a call per step": AIMessage("", tool_calls=calls(*({"steps": [step]} for step in STEPS))),
    "the second call fits": AIMessage("", tool_calls=calls({"query": "x"}, GOOD)),
    "an element as arguments": AIMessage("", tool_calls=calls(*STEPS)),
    "list in text": AIMessage("", tool_calls=calls({"steps": json.dumps(STEPS)})),
    "wrapped again": AIMessage("", tool_calls=calls({"arguments": J})),
    "a call with nothing, the answer beside it": AIMessage(J, tool_calls=calls({"steps": []})),
    "the older call": AIMessage("", additional_kwargs={"function_call": {"name": "ReasonReply", "arguments": J}}),
    "text in parts": AIMessage([{"type": "thinking", "thinking": D}, {"type": "text", "text": J}]),
    "thought beside it": AIMessage(J, additional_kwargs={"reasoning_content": D}),
    "all of it in the thought": AIMessage("", additional_kwargs={"reasoning_content": f"Hm, {D}? No. {J}"}),
}


@pytest.mark.parametrize("form", MESSAGES)
def test_a_message_is_read_wherever_the_answer_stands(form: str) -> None:
    assert said(read_message(MESSAGES[form], ReasonReply)) == WANTED


def test_a_later_call_about_the_same_item_counts() -> None:
    other = {"steps": [{"position": 6, "cause": 1, "reason": "steam"}]}
    assert said(read_message(AIMessage("", tool_calls=calls(GOOD, other)), ReasonReply)) == [WANTED[0], (6, "steam")]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (AIMessage("", response_metadata={"finish_reason": "length"}), "cut short"),
        (AIMessage("", additional_kwargs={"refusal": "I must not judge readers."}), "must not judge"),
        (AIMessage("", response_metadata={"finish_reason": "content_filter"}), "filter"),
        (
            AIMessage("", additional_kwargs={"reasoning_content": f"perhaps {D}"}, response_metadata={"finish_reason": "length"}),
            "empty",
        ),
    ],
    ids=["length", "refusal", "filter", "thought cut short"],
)
def test_an_unreadable_message_says_what_the_server_says_of_it(message: AIMessage, words: str) -> None:
    with pytest.raises(ModelReplyError, match=words):
        read_message(message, ReasonReply)
