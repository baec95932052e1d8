"""Schema version 4: the rows of steps become one packed graph each, the JSON steps of a draft one packed block."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from llmrg.core.graph_table import STEP_FIELDS, steps_from
from llmrg.core.records import ReasoningGraph
from llmrg.graph_store.packed_graph import pack

_STEPS = f"SELECT {', '.join(STEP_FIELDS)} FROM steps WHERE graph = ? ORDER BY ordinal"


def pack_steps(db: sqlite3.Connection) -> None:
    """Fill `graphs`, `drafts` and `draft_blocks` from what the tables of version 3 hold, one user in memory at a time.

    Raises: ValueError: a draft's step does not read as it was written.
    """
    graphs = db.execute("SELECT id, namespace, user, run, version, accepted, rejected, imagined FROM old_graphs")
    for number, namespace, user, run, version, *sizes in graphs:
        packed = _packed(user, run, version, db.execute(_STEPS, (number,)).fetchall())
        db.execute(
            "INSERT INTO graphs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (number, namespace, user, run, version, *sizes, packed)
        )
    db.execute("INSERT INTO drafts SELECT id, namespace, run, user, through FROM old_drafts")
    for number, user, run in db.execute("SELECT id, user, run FROM old_drafts"):
        texts = db.execute("SELECT step FROM draft_steps WHERE draft = ? ORDER BY id", (number,))
        packed = _packed(user, run, 0, [json.loads(text) for (text,) in texts])
        db.execute("INSERT INTO draft_blocks (draft, key, packed) VALUES (?, 'of schema version 3', ?)", (number, packed))


def _packed(user: str, run: str, version: int, rows: list[Any]) -> bytes:
    columns: dict[str, Any] = dict(zip(STEP_FIELDS, zip(*rows, strict=True), strict=True)) if rows else {}
    columns["accepted"] = map(bool, columns["accepted"]) if rows else ()
    return pack(ReasoningGraph(user, steps_from(user, len(rows), columns) if rows else (), run, version))
