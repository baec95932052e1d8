"""Steps of one user as bytes, the one form in which every store keeps graphs and the blocks of drafts.

A format number, then, compressed by zlib (whose check sum tells damage): a JSON head (user, run, version, texts) and the steps as
in `GraphTable`. Fields of 8 bytes that hold small numbers, and texts that begin alike, shrink to a fraction of their bytes.
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
_SIZE = struct.Struct("<I")
"""Bytes of the head, at the beginning of the body."""
_FASTEST = 1
"""Level of compression."""


def pack(graph: ReasoningGraph) -> bytes:
    """Equal graphs give equal bytes, as long as zlib is the same.

    Raises: CallerError: a whole number of a step has more than 64 bits.
    """
    table = GraphTable.of([graph])
    head = json.dumps([graph.user, graph.run, graph.version, table.texts], ensure_ascii=False).encode()
    return framed(_SIZE.pack(len(head)) + head + table.steps.tobytes())


def framed(body: bytes) -> bytes:
    """The format before the compressed body; Neo4j stores made before there were formats hold the body alone."""
    return bytes([FORMAT]) + zlib.compress(body, _FASTEST)


def unpack(packed: Iterable[bytes]) -> GraphTable:
    """The graphs in the order given.

    Raises: ValueError: bytes that another release laid out, or that are not as they were written.
    """
    return GraphTable.joined([_unpack_graph(data) for data in packed])


def _unpack_graph(data: bytes) -> GraphTable:
    if data[:1] != bytes([FORMAT]):
        layout = f"format {data[0]}" if data else "no format"
        raise ValueError(f"a packed graph has {layout}, this release of llmrg reads {FORMAT}")
    try:
        body = zlib.decompress(memoryview(data)[1:])
    except zlib.error as error:
        raise ValueError(f"a packed graph is damaged ({error})") from error
    end = _SIZE.size + _SIZE.unpack_from(body)[0]
    user, run, version, texts = json.loads(body[_SIZE.size : end])
    steps = np.frombuffer(body, STEP, offset=end)
    return GraphTable((user,), (run,), (version,), np.array([0, len(steps)]), steps, texts)
