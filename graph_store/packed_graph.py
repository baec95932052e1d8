"""Steps of one user as bytes, the one form in which every store keeps graphs and the blocks of drafts.

A format number, a check sum of all that follows, a JSON head (user, run, version, texts), then the steps as in `GraphTable`.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable
from typing import Final

import numpy as np

from llmrg.core.graph_table import STEP, GraphTable
from llmrg.core.records import ReasoningGraph

FORMAT: Final = 1
"""Another layout takes another number: `STEP` is part of it."""
_FRAME = struct.Struct("<BI")
"""Format, CRC-32 of the body."""
_SIZE = struct.Struct("<I")
"""Bytes of the head, at the beginning of the body."""


def pack(graph: ReasoningGraph) -> bytes:
    """Equal graphs give equal bytes. Raises: CallerError: a whole number of a step has more than 64 bits."""
    table = GraphTable.of([graph])
    head = json.dumps([graph.user, graph.run, graph.version, table.texts], ensure_ascii=False).encode()
    return framed(_SIZE.pack(len(head)) + head + table.steps.tobytes())


def framed(body: bytes) -> bytes:
    """Format and check sum before a body; Neo4j stores made before there were any hold the body alone."""
    return _FRAME.pack(FORMAT, zlib.crc32(body)) + body


def unpack(packed: Iterable[bytes]) -> GraphTable:
    """The graphs in the order given.

    Raises: ValueError: bytes that another release laid out, or that are not as they were written.
    """
    return GraphTable.joined([_unpack_one(data) for data in packed])


def _unpack_one(data: bytes) -> GraphTable:
    if len(data) < _FRAME.size + _SIZE.size:
        raise ValueError(f"a packed graph of {len(data)} bytes ends too early")
    layout, checksum = _FRAME.unpack_from(data)
    if layout != FORMAT:
        raise ValueError(f"a packed graph has format {layout}, this release of llmrg reads {FORMAT}")
    if zlib.crc32(memoryview(data)[_FRAME.size :]) != checksum:
        raise ValueError("a packed graph is damaged: its check sum is another")
    begin = _FRAME.size + _SIZE.size
    end = begin + _SIZE.unpack_from(data, _FRAME.size)[0]
    user, run, version, texts = json.loads(data[begin:end])
    steps = np.frombuffer(data, STEP, offset=end)
    return GraphTable((user,), (run,), (version,), np.array([0, len(steps)]), steps, texts)
