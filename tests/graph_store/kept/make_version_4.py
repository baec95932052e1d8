"""Made `version_4.zip`, a SQLite store of schema version 4, with the code of commit b8945d2:

git worktree add /tmp/before b8945d2 && PYTHONPATH=/tmp/before python tests/graph_store/kept/make_version_4.py
"""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np

from llmrg.core.records import VectorSpace
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.store_examples import fill, make_knowledge

VECTORS = "vectors"
"""Namespace of the vectors."""
LEAVER = "someone-who-leaves"
"""Source of some of the entries."""
earlier = runpy.run_path(str(Path(__file__).with_name("make_version_3.py")))


def unit_vectors() -> np.ndarray:
    """(60, 48) float32, as text encoders give them."""
    rows = np.random.default_rng(0).standard_normal((60, 48))
    unit: np.ndarray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def fill_version_4(store: SqliteStore) -> None:
    """All that stood in version 3, and knowledge with vectors that half precision does not hold; all lead to one item."""
    earlier["fill_version_3"](store)
    fill(store, VECTORS)
    store.claim_vector_space(VECTORS, VectorSpace("random", 48))
    entries = [
        make_knowledge(n % 12, 5, f"reason {n}", source_user=LEAVER if n % 3 == 0 else "ann", vector=tuple(row.tolist()))
        for n, row in enumerate(unit_vectors())
    ]
    store.put_knowledge(VECTORS, entries)
    store.count_uses(VECTORS, {entries[3].key: 5})


if __name__ == "__main__":
    earlier["write"](fill_version_4, "version_4.zip")
