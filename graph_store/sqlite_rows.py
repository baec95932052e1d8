"""Records to rows of the SQLite store, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import repeat
from typing import Any, TypeAlias

import numpy as np

from llmrg.core.errors import CallerError
from llmrg.core.graph_table import STEP_FIELDS, GraphTable, steps_from
from llmrg.core.records import Attributes, History, Item, Knowledge, ReasoningGraph, Run, Step, stable_key
from llmrg.graph_store.checks import to_json

Row: TypeAlias = tuple[Any, ...]


def item_row(namespace: str, item: Item) -> Row:
    return namespace, item.id, item.title, _pairs_text(item.attributes)


def item_from(row: Row) -> Item:
    return Item(row[0], row[1], _pairs(row[2]))


def user_row(namespace: str, history: History) -> Row:
    at = [None if t is None else float(t) for t in history.at]
    return namespace, history.user, _text(history.items), _text(at), _pairs_text(history.attributes)


def history_from(row: Row) -> History:
    return History(row[0], tuple(json.loads(row[1])), tuple(json.loads(row[2])), _pairs(row[3]))


def sizes_of(graph: ReasoningGraph) -> tuple[int, int, int]:
    """(accepted, rejected, imagined), as `StoreCounts` counts them."""
    return len(graph.reasoned()), len(graph.rejected()), len(graph.imagined())


def step_row(graph_id: int, ordinal: int, step: Step) -> Row:
    cause_position = None if step.cause_position is None else int(step.cause_position)
    return (
        *(graph_id, ordinal, int(step.position), step.kind, step.cause_kind, step.cause, cause_position, step.reason, step.item),
        *(float(step.score), int(step.chain), int(step.seen), int(step.accepted), step.why_rejected, step.origin),
        float(step.grounding),
    )


def graph_from(user: str, run: str, version: int, rows: Sequence[Row]) -> ReasoningGraph:
    columns = _columns(rows)
    columns["accepted"] = map(bool, columns["accepted"])
    return ReasoningGraph(user, steps_from(user, len(rows), columns), run, version)


def graphs_from(heads: Sequence[tuple[str, str, int, int]], rows: Sequence[Row]) -> GraphTable:
    """Args: heads: (user, run, version, number of steps) of each graph; rows: the steps of all, one graph after the other."""
    return GraphTable.from_columns(heads, _columns(rows))


def _columns(rows: Sequence[Row]) -> dict[str, Any]:
    return dict(zip(STEP_FIELDS, zip(*rows, strict=True) if rows else repeat(()), strict=bool(rows)))


def step_text(step: Step) -> str:
    """The step as JSON, always the same for equal steps; drafts are kept so."""
    return _text(step_row(0, 0, step)[2:])


def block_key(steps: Sequence[Step], through: int, start: int) -> str:
    """What one call appends to a draft, by which it is known when it comes again."""
    return stable_key("block", int(start), int(through), *map(step_text, steps))


def step_from_text(user: str, text: str) -> Step:
    """Raises: ValueError: it does not read as it was written."""
    values = dict(zip(STEP_FIELDS, json.loads(text), strict=True))
    try:
        return Step(user, **values | {"accepted": bool(values["accepted"])})
    except CallerError as error:
        raise ValueError(str(error)) from error


def knowledge_row(namespace: str, entry: Knowledge) -> Row:
    vector = np.asarray(entry.vector, dtype="<f4").tobytes() if len(entry.vector) else None
    return (
        *(namespace, entry.key, entry.from_item, entry.reason, entry.to_item, float(entry.score), int(entry.uses)),
        *(entry.source_user, int(entry.source_position), vector, entry.mind),
    )


def knowledge_from(row: Row) -> Knowledge:
    vector = () if row[7] is None else tuple(np.frombuffer(row[7], dtype="<f4").tolist())
    from_item, reason, to_item, score, uses, source_user, source_position = row[:7]
    return Knowledge(from_item, reason, to_item, score, uses, source_user, source_position, vector, row[9])


def run_row(namespace: str, run: Run) -> Row:
    ended_at = None if run.ended_at is None else float(run.ended_at)
    return (
        *(namespace, run.id, run.status, to_json(run.settings, "settings"), to_json(run.costs, "costs")),
        *(float(run.started_at), ended_at),
    )


def run_from(row: Row) -> Run:
    return Run(row[0], row[1], json.loads(row[2]), json.loads(row[3]), row[4], row[5])


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _pairs_text(attributes: Attributes) -> str:
    return _text([list(pair) for pair in attributes])


def _pairs(text: str) -> Attributes:
    return tuple((name, value) for name, value in json.loads(text))
