"""What a chat model is asked to reply with, and a lenient reader for what comes back instead (`docs/agents.md` says how)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from llmrg.agents.chat.reply_text import NO_VALUE, PlacedValue, parsed, values_in, without_thought
from llmrg.core.errors import ModelReplyError

_NONE = {"", "-", "null", "none", "root", "nothing", "n/a", "no", "no cause", "no one", "-1"}
_LABEL = re.compile(
    r"[\[(#]?\s*([a-z]|(?:(?:history|item|number|no\.?|nr\.?|question|option|choice|answer|chain|reason|step|position|entry"
    r"|attribute|book|film|movie|product)[\s#:]*){0,3})"
    r"\s*(\d+)\s*(?:[\])]?|[.:)\]]\s.*|[-–—]\s.*)",
    re.IGNORECASE | re.DOTALL,
)
"""A number as people write it, with what it stands for behind it (`3. Dracula`); `Apollo 13` is a title, and no number."""
_CONFIDENCE = re.compile(
    r"[~≈<>=≤≥]*\s*(-?\d+(?:[.,]\d+)?(?:e-?\d+)?)\s*(%|percent|(?:/|of|out of)\s*(\d+))?\s*(?:\(.*\))?", re.IGNORECASE
)


def _number(value: Any) -> Any:
    """3, "3", "[3]", "q3", "3. Dracula", 3.0 -> 3."""
    if isinstance(value, bool):
        raise ValueError("no number")
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, str) and (match := _LABEL.fullmatch(value.strip())):
        return int(match.group(2))
    return value


def _cause(value: Any) -> Any:
    """A history number, "a2" for an attribute, or None. Of several the first counts, which stands for what matters most."""
    if value is True:
        raise ValueError("no cause")
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, str):
        if value.strip().casefold() in _NONE:
            return None
        if match := _LABEL.fullmatch(value.strip()):
            return f"a{int(match.group(2))}" if match.group(1).casefold() == "a" else int(match.group(2))
    return None if value == 0 else value


def _share(value: Any) -> Any:
    """0.8, "0.8", "0,8", "80%", "8/10", 80 -> 0.8. From 1 to 10 nobody knows of how many: not a share."""
    if isinstance(value, bool):
        raise ValueError("no share")
    if isinstance(value, str):
        if not (match := _CONFIDENCE.fullmatch(value.strip())):
            raise ValueError("no share")
        value = float(match[1].replace(",", "."))
        if match[2]:
            of = int(match[3]) if match[3] else 100
            if not of:
                raise ValueError("no share")
            return value / of
    if isinstance(value, int | float):
        if math.isnan(value) or 1 < value <= 10:
            raise ValueError("no share")
        return value / 100 if 10 < value <= 100 else value
    return value


def _texts(value: Any) -> Any:
    """A list without what is no text in it; "a; b", "a, b" and {"reason": "a"} are lists too; None -> []."""
    if isinstance(value, str):
        value = re.split(r"\s*[;\n]\s*" if re.search(r"[;\n]", value) else r"\s*,\s*", value)
    if not isinstance(value, list):
        return value or []
    texts = [next(iter(text.values())) if isinstance(text, dict) and len(text) == 1 else text for text in value]
    return [text for text in texts if isinstance(text, str) and text.strip()]


def _numbers(value: Any) -> Any:
    """Labels as numbers, those that are none left out; 3, "3", "1, 3" and {"1": true} are lists too; None -> []."""
    if isinstance(value, str):
        value = value.split(",")
    if isinstance(value, dict):
        value = [key for key, fits in value.items() if fits is True]
    rows = value if isinstance(value, list) else [] if value is None else [value]
    numbers = (_number(number) for number in rows if not isinstance(number, bool))
    return [number for number in numbers if isinstance(number, int) and not isinstance(number, bool)]


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
_DRAFT = re.compile(
    r"\b(draft|first (idea|try|attempt|guess|thought)|example|e\.g\.|for instance|schema|template)\b", re.IGNORECASE
)
_FINAL = re.compile(r"\bfinal\b", re.IGNORECASE)
_ASIDE = re.compile(r"draft|thought|thinking|reasoning|scratch|analysis|example|\$defs|definitions", re.IGNORECASE)
"""Names beside which an object holds no answer."""
_NO_WORDS = re.compile(r"```\w*|</?[^<>\s]*>|<\|\w+\|>")
_DEEPEST = 6
"""Wrappers around a reply."""


def read_reply(text: str, schema: type[R]) -> R:
    """The reply in a text: JSON or what is written like it, fenced, wrapped, with chatter around it, or cut short (whole elements
    are kept). Of several replies the last is the answer; what was thought before it is none.

    Raises: ModelReplyError: nothing in it is what was asked for.
    """
    if (reply := _in_text(text, schema)) is not None:
        return reply
    if not text.strip():
        raise ModelReplyError(f"the model's reply is empty; {schema.__name__} was asked for")
    shown = " ".join(text.split())[:120]
    raise ModelReplyError(f"the model's reply holds no {schema.__name__} in JSON: {shown!r}")


def read_value(value: Any, schema: type[R]) -> R | None:
    """A reply from plain values: what was asked for, its list or one element alone, wrapped in whatever else; elements that do
    not fit are left out."""
    return _reply(value, schema, alone=True)


def joined(replies: Iterable[R | None], schema: type[R]) -> R | None:
    """Parts of one reply; what a later part says about an item stands in place of what an earlier one does."""
    (name,) = schema.model_fields
    known = [reply for reply in replies if reply is not None]
    rows: list[Any] = []
    for reply in known:
        keys = {_key(row) for row in getattr(reply, name)}
        rows = [row for row in rows if _key(row) not in keys] + list(getattr(reply, name))
    return _reply_of(rows, schema) if known else None


def _key(row: BaseModel) -> Any:
    """The number of what an element speaks of: its first field."""
    return getattr(row, next(iter(type(row).model_fields)))


# -- texts -----------------------------------------------------------------------------------------------------------
def _in_text(text: str, schema: type[R], depth: int = 0) -> R | None:
    text = text.strip("\ufeff \n\r\t")
    if text[:1] in ("{", "[", '"') and text[-1:] in ("}", "]", '"'):
        value = parsed(text) if text[0] == '"' else _strictly(text)
        if value is not NO_VALUE and value != text and (reply := _reply(value, schema, depth=depth + 1)) is not None:
            return reply
    answer, thought = without_thought(text)
    if (reply := _chosen(answer, values_in(answer), schema, depth)) is not None:
        return reply
    if not answer.strip() and (reply := _chosen(*_end_of(thought), schema, depth)) is not None:
        return reply
    if '\\"' in answer:  # JSON as it stands in a string
        answer = answer.replace('\\"', '"').replace("\\n", "\n")
        return _chosen(answer, values_in(answer), schema, depth)
    return None


def _strictly(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return NO_VALUE


def _end_of(thought: str) -> tuple[str, list[PlacedValue]]:
    """What a thought ends with, where no answer came after it."""
    values = values_in(thought)
    whole = [n for n, value in enumerate(values) if not _words(thought[value.stop :])]
    if not whole:
        return "", []
    return thought, values[whole[0] :]


def _words(text: str) -> bool:
    """Whether somebody says something there, beyond fences and tags."""
    return bool(re.search(r"\w", _NO_WORDS.sub("", text)))


def _chosen(text: str, values: list[PlacedValue], schema: type[R], depth: int) -> R | None:
    """The last reply, with its parts where they follow each other without a word between them."""
    (name,) = schema.model_fields
    whole: list[tuple[R, int, int]] = []
    loose: list[tuple[R, int, int]] = []
    cut_at = -1
    for value in values:
        place = (value.start, value.stop)
        row = _fitting(value.value, _element(schema)) if isinstance(value.value, dict) else None
        if row is None:
            if (reply := _reply(value.value, schema, depth=depth + 1)) is not None:
                whole.append((reply, *place))
        elif value.inside < 0:
            loose.append((_reply_of([row], schema), *place))
        elif whole and value.inside == cut_at:  # one more of a list that was cut short
            reply, start, _ = whole[-1]
            whole[-1] = (_reply_of([*getattr(reply, name), row], schema), start, value.stop)
        else:
            cut_at = value.inside
            whole.append((_reply_of([row], schema), *place))
    if spoken := [part for part in whole if getattr(part[0], name)]:
        return _last(text, spoken, schema)
    if loose:
        return _gathered(text, loose, schema)
    return whole[-1][0] if whole else None


def _reply_of(rows: list[Any], schema: type[R]) -> R:
    (name,) = schema.model_fields
    return schema.model_construct(**{name: rows})  # type: ignore[arg-type]


def _last(text: str, parts: list[tuple[R, int, int]], schema: type[R]) -> R | None:
    chosen: R | None = None
    draft: R | None = None
    final, before = False, 0
    for reply, start, stop in parts:
        between, before = text[before:start], stop
        label = between[-60:]
        if chosen is not None and not _words(between):
            chosen = joined((chosen, reply), schema)
        elif _DRAFT.search(label):
            draft = reply
        elif not final or _FINAL.search(label):
            chosen, final = reply, bool(_FINAL.search(label))
    return chosen or draft


def _gathered(text: str, parts: list[tuple[R, int, int]], schema: type[R]) -> R | None:
    """Elements one by one. Of two groups about the same item the later one is the answer."""
    groups: list[list[R]] = []
    before = 0
    for reply, start, stop in parts:
        if groups and not _words(text[before:start]):
            groups[-1].append(reply)
        else:
            groups.append([reply])
        before = stop
    (name,) = schema.model_fields
    return joined(
        [_reply_of([row for part_reply in group for row in getattr(part_reply, name)], schema) for group in groups], schema
    )


# -- values ----------------------------------------------------------------------------------------------------------
@cache
def _element(schema: type[BaseModel]) -> type[BaseModel]:
    (field,) = schema.model_fields.values()
    element: type[BaseModel] = field.annotation.__args__[0]  # type: ignore[union-attr]
    return element


def _reply(value: Any, schema: type[R], *, alone: bool = False, depth: int = 0) -> R | None:
    """Args: alone: one element without its list is a reply too."""
    if depth > _DEEPEST:
        return None
    if isinstance(value, str):
        return _in_text(value, schema, depth + 1) if re.search(r"[\[{]", value) else None
    (name,) = schema.model_fields
    if isinstance(value, list):
        if rows := _fitting_rows(value, schema):
            return _reply_of(rows, schema)
        inner = [_reply(part, schema, alone=alone, depth=depth + 1) for part in value if isinstance(part, dict | str)]
        return joined(inner, schema) if value else _reply_of([], schema)
    if not isinstance(value, dict):
        return None
    fields = _named(value)
    if name in fields and (reply := _listed(fields[name], schema, depth)) is not None:
        return reply
    if alone and (part := _fitting(value, _element(schema))) is not None:
        return _reply_of([part], schema)
    inner = [
        _reply(part, schema, alone=True, depth=depth + 1)
        for key, part in fields.items()
        if isinstance(part, dict | list | str) and not (isinstance(part, list) and not part) and not _ASIDE.search(key)
    ]
    known = [reply for reply in inner if reply is not None]
    return max(reversed(known), key=lambda reply: bool(getattr(reply, name)), default=None)


def _listed(value: Any, schema: type[R], depth: int) -> R | None:
    """What stands where the list should: the list, as text too; one element; elements by their number."""
    if isinstance(value, dict) and value:
        number = next(iter(_element(schema).model_fields))
        if _fitting(value, _element(schema)) is None and all(isinstance(row, dict) for row in value.values()):
            rows = [{number: key, **_named(row)} for key, row in value.items()]
            if good := _fitting_rows(rows, schema):
                return _reply_of(good, schema)
    return _reply(value, schema, alone=True, depth=depth + 1)


def _fitting_rows(rows: list[Any], schema: type[BaseModel]) -> list[BaseModel]:
    names = list(_element(schema).model_fields)
    values = (parsed(row) if isinstance(row, str) and "{" in row else row for row in rows)
    named = (dict(zip(names, row, strict=True)) if isinstance(row, list) and len(row) == len(names) else row for row in values)
    fitted = (_fitting(value, _element(schema)) for value in named)
    return [good for good in fitted if good is not None]


def _named(value: dict[Any, Any]) -> dict[str, Any]:
    return {str(key).strip().casefold(): field for key, field in value.items()}


def _fitting(value: Any, schema: type[BaseModel]) -> BaseModel | None:
    try:
        return schema.model_validate(_named(value) if isinstance(value, dict) else value)
    except (ValidationError, ValueError, OverflowError):
        return None
