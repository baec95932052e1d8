"""One reasoning graph as bytes: a JSON head (user, run, version, texts), then its steps as in `GraphTable`."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable

import numpy as np

from llmrg.core.graph_table import STEP, GraphTable
from llmrg.core.records import ReasoningGraph

_SIZE = struct.Struct("<I")
"""Bytes of the head."""


def pack(graph: ReasoningGraph) -> bytes:
    """Raises: CallerError: a whole number of a step has more than 64 bits."""
    table = GraphTable.of([graph])
    head = json.dumps([graph.user, graph.run, graph.version, table.texts], ensure_ascii=False).encode()
    return _SIZE.pack(len(head)) + head + table.steps.tobytes()


def unpack(packed: Iterable[bytes]) -> GraphTable:
    """The graphs in the order given."""
    return GraphTable.joined([_unpack_one(data) for data in packed])


def _unpack_one(data: bytes) -> GraphTable:
    end = _SIZE.size + _SIZE.unpack_from(data)[0]
    user, run, version, texts = json.loads(data[_SIZE.size : end])
    steps = np.frombuffer(data, STEP, offset=end)
    return GraphTable((user,), (run,), (version,), np.array([0, len(steps)]), steps, texts)
