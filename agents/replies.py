"""What a chat model is asked to reply with, and a lenient reader for what comes back instead."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from llmrg.core.errors import ModelReplyError

LONGEST_REPLY = 200_000
"""Characters of a reply that are looked at."""
_MOST_FALSE_STARTS = 200
_NONE = {"", "null", "none", "root", "nothing", "n/a"}
_LABEL = re.compile(r"[\[(#]?\s*([a-z]*)\s*(\d+)\s*[\])]?", re.IGNORECASE)


def _number(value: Any) -> Any:
    """3, "3", "[3]", "q3", 3.0 -> 3."""
    if isinstance(value, str) and (found := _LABEL.fullmatch(value.strip())):
        return int(found.group(2))
    return value


def _cause(value: Any) -> Any:
    """A history number, "a2" for an attribute, or None."""
    if isinstance(value, str):
        if value.strip().casefold() in _NONE:
            return None
        if found := _LABEL.fullmatch(value.strip()):
            return f"a{int(found.group(2))}" if found.group(1).casefold() == "a" else int(found.group(2))
    return None if value == 0 else value


def _share(value: Any) -> Any:
    """0.8, "0.8", "80%", 80 -> 0.8."""
    if isinstance(value, str):
        text = value.strip()
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if math.isnan(value):
            raise ValueError("not a number")
        return value / 100 if 1 < value <= 100 else value
    return value


def _texts(value: Any) -> Any:
    """A list without what is no text in it; "a; b" -> ["a", "b"]; None -> []."""
    if isinstance(value, str):
        value = value.split(";")
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else value or []


def _numbers(value: Any) -> Any:
    """Labels as numbers, those that are none left out; 3, "3" and "1, 3" are lists too; None -> []."""
    if isinstance(value, str):
        value = value.split(",")
    rows = value if isinstance(value, list) else [] if value is None else [value]
    found = (_number(one) for one in rows)
    return [one for one in found if isinstance(one, int) and not isinstance(one, bool)]


class ReasonedStep(BaseModel):
    """Why one item was taken."""

    position: Annotated[int, BeforeValidator(_number)] = Field(description="history number of the item that is explained")
    cause: Annotated[int | str | None, BeforeValidator(_cause)] = Field(
        default=None,
        description="history number of the earlier item that led to it, a label such as a1 of a user attribute, or null",
    )
    reason: str = Field(description="what the user looked for in the item, in two to six words")


class ReasonReply(BaseModel):
    """Steps that explain the items asked for."""

    steps: list[ReasonedStep] = Field(description="one or two steps per item asked for, best first")


class Answer(BaseModel):
    """The choice made for one question."""

    question: Annotated[int, BeforeValidator(_number)] = Field(description="number of the question")
    choice: Annotated[int, BeforeValidator(_number)] = Field(description="number of the option chosen")
    confidence: Annotated[float, BeforeValidator(_share), Field(ge=0, le=1)] = Field(
        description="probability that the choice is right, from 0 to 1"
    )


class VerifyReply(BaseModel):
    """One answer per question."""

    answers: list[Answer] = Field(description="one answer per question")


class Continuation(BaseModel):
    """One imagined next item of a chain."""

    chain: Annotated[int, BeforeValidator(_number)] = Field(description="number of the chain that it continues")
    reason: str = Field(description="what the user would look for in it, in two to six words")
    title: str = Field(description="title of the item")


class ImagineReply(BaseModel):
    """Continuations of all chains."""

    continuations: list[Continuation] = Field(description="three continuations per chain, best first")


class ItemReasons(BaseModel):
    """Why people take one item."""

    item: Annotated[int, BeforeValidator(_number)] = Field(description="number of the item")
    reasons: Annotated[list[str], BeforeValidator(_texts)] = Field(
        description="what people look for in it, each in one to four words, the most characteristic first; empty if it is unknown"
    )


class ItemsReply(BaseModel):
    """Reasons for the items asked for."""

    items: list[ItemReasons] = Field(description="one element per item asked for")


class Pick(BaseModel):
    """Which of the reasons shown fit one item."""

    item: Annotated[int, BeforeValidator(_number)] = Field(description="number of the item")
    fits: Annotated[list[int], BeforeValidator(_numbers)] = Field(description="numbers of the reasons that fit it")


class PickReply(BaseModel):
    """Choices for the items asked for."""

    picks: list[Pick] = Field(description="one element per item")


R = TypeVar("R", bound=BaseModel)
"""A reply: one field, a list of elements."""


def read_reply(text: str, schema: type[R]) -> R:
    """The reply in a text: pure JSON, fenced, with chatter around it, or cut short (whole elements are kept).

    Raises: ModelReplyError: nothing in it is what was asked for.
    """
    (name,) = schema.model_fields
    values = list(_values(text[:LONGEST_REPLY]))
    whole = [value for value in values if isinstance(value, list) or (isinstance(value, dict) and name in value)]
    loose = [value for value in values if isinstance(value, dict) and name not in value]
    rows = [*whole, loose] if loose else whole
    replies = [reply for value in rows if (reply := read_value(value, schema)) is not None]
    if replies:
        return max(replies, key=lambda reply: len(getattr(reply, name)))
    shown = " ".join(text.split())[:120]
    raise ModelReplyError(f"the model's reply holds no {schema.__name__} in JSON: {shown!r}")


def read_value(value: Any, schema: type[R]) -> R | None:
    """A reply from plain values: the object asked for, or its list alone; elements that do not fit are left out."""
    (name,) = schema.model_fields
    element = schema.model_fields[name].annotation.__args__[0]  # type: ignore[union-attr]
    if isinstance(value, dict):
        value = value.get(name)
    if not isinstance(value, list):
        return None
    good: Any = [one for one in (_fitting(row, element) for row in value) if one is not None]
    return schema.model_construct(**{name: good}) if good or not value else None


def _fitting(value: Any, schema: type[BaseModel]) -> BaseModel | None:
    try:
        return schema.model_validate(value)
    except (ValidationError, ValueError, OverflowError):
        return None


def _values(text: str) -> Iterator[Any]:
    """JSON objects and arrays of a text, outermost first, left to right."""
    decoder, at, false_starts = json.JSONDecoder(), 0, 0
    for start in re.finditer(r"[\[{]", text):
        if start.start() < at:
            continue
        try:
            value, at = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            false_starts += 1
            if false_starts > _MOST_FALSE_STARTS:
                return
            continue
        yield value
