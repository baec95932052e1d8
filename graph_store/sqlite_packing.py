"""What migrations move: steps become packed graphs (schema version 4), vectors are rounded to half precision (version 5)."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import numpy as np

from llmrg.core.graph_table import STEP_FIELDS, steps_from
from llmrg.core.records import ReasoningGraph
from llmrg.graph_store.half_precision import to_half
from llmrg.graph_store.packed_graph import pack

_ODD_VECTOR = """SELECT key, typeof(vector), length(vector), size FROM knowledge JOIN vector_sizes USING (namespace)
    WHERE vector IS NOT NULL AND (typeof(vector) <> 'blob' OR length(vector) <> 4 * size) LIMIT 1"""
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


def round_vectors(db: sqlite3.Connection) -> None:
    """Vectors of 32-bit floats become half precision, in place. Raises: ValueError: a vector is not of its namespace's size."""
    odd = db.execute(_ODD_VECTOR).fetchone()
    if odd is not None:
        raise ValueError("the vector of knowledge {} is {} of length {}, not {} floats of 32 bits".format(*odd))
    db.create_function("rounded", 1, lambda vector: to_half(np.frombuffer(vector, "<f4")).tobytes(), deterministic=True)
    db.execute("UPDATE knowledge SET vector = rounded(vector) WHERE vector IS NOT NULL")


def _packed(user: str, run: str, version: int, rows: list[Any]) -> bytes:
    columns: dict[str, Any] = dict(zip(STEP_FIELDS, zip(*rows, strict=True), strict=True)) if rows else {}
    columns["accepted"] = map(bool, columns["accepted"]) if rows else ()
    return pack(ReasoningGraph(user, steps_from(user, len(rows), columns) if rows else (), run, version))
