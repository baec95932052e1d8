"""Exact nearest neighbours among the knowledge of one target item, by NumPy, with the vectors kept in memory."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from llmrg.core.records import Knowledge
from llmrg.graph_store import checks, sqlite_knowledge, sqlite_rows
from llmrg.graph_store import sqlite_statements as sql
from llmrg.graph_store.half_precision import HALF

_KEPT_BYTES = 256 * 2**20


@dataclass(frozen=True)
class TargetVectors:
    """Vectors of one mind's entries that lead to one item."""

    changes: int
    """What the store's counter for the item said when they were read."""
    keys: tuple[str, ...]
    """N keys, ascending, so that order settles ties."""
    unit: np.ndarray
    """(D, N) float32, C order (a query is multiplied twice as fast as by (N, D)); columns of length 1, or all zero."""


class VectorCache:
    """Vectors of the target items asked for last, 256 MiB at most.

    The store counts the changes of each item's vectors, whoever makes them; what is kept counts for as long as its number does.
    """

    def __init__(self) -> None:
        self._targets: OrderedDict[tuple[str, str, str], TargetVectors] = OrderedDict()

    def clear(self) -> None:
        self._targets.clear()

    def vectors(self, db: sqlite3.Connection, namespace: str, to_item: str, mind: str, size: int) -> TargetVectors:
        """As the caller's transaction sees them.

        Without a lock, which a forked child might find taken for ever: at worst two threads read the same vectors at once.
        """
        row = db.execute(sql.VECTOR_CHANGES, (namespace, to_item)).fetchone()
        changes = row[0] if row else 0
        cached = self._targets.pop((namespace, to_item, mind), None)
        if cached is None or cached.changes != changes:
            cached = _read(db, namespace, to_item, mind, size, changes)
        self._targets[namespace, to_item, mind] = cached
        kept = list(self._targets.items())
        excess = sum(target.unit.nbytes for _, target in kept) - _KEPT_BYTES
        for key, target in kept:
            if excess > 0:
                self._targets.pop(key, None)
                excess -= target.unit.nbytes
        return cached


def nearest(
    db: sqlite3.Connection, cache: VectorCache, namespace: str, to_item: str, query: np.ndarray, limit: int, mind: str
) -> list[tuple[Knowledge, float]]:
    """A mind's entries that lead to `to_item`: cosine descending, then key."""
    space = sqlite_knowledge.space(db, namespace)
    if space is None:
        return []
    size = space.dimension
    checks.check_dimension(namespace, len(query), size)
    target = cache.vectors(db, namespace, to_item, mind, size)
    cosines = np.clip(_unit(query.astype(np.float32).reshape(size, 1))[:, 0] @ target.unit, -1.0, 1.0)
    rows = [(i, db.execute(sql.KNOWLEDGE, (namespace, target.keys[i])).fetchone()) for i in _highest(cosines, limit)]
    return [(sqlite_rows.knowledge_from(row), float(cosines[i])) for i, row in rows]


def _read(db: sqlite3.Connection, namespace: str, to_item: str, mind: str, size: int, changes: int) -> TargetVectors:
    rows = sorted(db.execute(sql.VECTORS_TO, (namespace, to_item, mind)))
    stored = np.frombuffer(b"".join(vector for _, vector in rows), HALF).reshape(len(rows), size)
    if not np.isfinite(stored).all():
        raise ValueError(f"a vector that leads to {to_item!r} holds a value that is no number")
    return TargetVectors(changes, tuple(key for key, _ in rows), _unit(stored.T.astype(np.float32, order="C")))


def _unit(columns: np.ndarray) -> np.ndarray:
    """The same (D, N) array with its columns brought to length 1 in place; zero vectors stay zero."""
    lengths = np.sqrt(np.einsum("dn,dn->n", columns, columns))
    columns /= np.maximum(lengths, np.finfo(np.float32).tiny)
    return columns


def _highest(values: np.ndarray, limit: int) -> list[int]:
    """Positions of the `limit` highest values, highest first, of equals the first first."""
    if limit < len(values):
        lowest = np.partition(values, -limit)[-limit]
        places = np.flatnonzero(values >= lowest)
    else:
        places = np.arange(len(values))
    chosen: list[int] = places[np.argsort(-values[places], kind="stable")][:limit].tolist()
    return chosen
