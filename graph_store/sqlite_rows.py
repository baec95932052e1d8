"""Records to rows of the SQLite store, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from llmrg.core.records import Attributes, History, Item, Knowledge, ReasoningGraph, Run, Step, stable_key
from llmrg.graph_store.checks import to_json
from llmrg.graph_store.half_precision import HALF, to_half
from llmrg.graph_store.packed_graph import pack

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


def block_of(user: str, run: str, steps: Sequence[Step], through: int, start: int) -> tuple[str, bytes]:
    """What one call appends to a draft: the key by which it is known when it comes again, and its steps."""
    packed = pack(ReasoningGraph(user, tuple(steps), run))
    return stable_key("block", int(start), int(through), packed.hex()), packed


def knowledge_row(namespace: str, entry: Knowledge) -> Row:
    vector = to_half(entry.vector).tobytes() if len(entry.vector) else None
    return (
        *(namespace, entry.key, entry.from_item, entry.reason, entry.to_item, float(entry.score), int(entry.uses)),
        *(entry.source_user, int(entry.source_position), vector, entry.mind),
    )


def knowledge_from(row: Row) -> Knowledge:
    vector = () if row[7] is None else tuple(np.frombuffer(row[7], HALF).tolist())
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
