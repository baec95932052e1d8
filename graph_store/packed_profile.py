"""All appeals of one profile as bytes: four columns (item, theme, score, uses) as JSON, compressed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence

from llmrg.core.themes import Appeal


def pack(appeals: Sequence[Appeal]) -> bytes:
    columns = [
        [appeal.item for appeal in appeals],
        [appeal.theme for appeal in appeals],
        [float(appeal.score) for appeal in appeals],
        [int(appeal.uses) for appeal in appeals],
    ]
    return zlib.compress(json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode(), 1)


def unpack(data: bytes) -> tuple[Appeal, ...]:
    """In the order given."""
    return tuple(Appeal(*row) for row in zip(*json.loads(zlib.decompress(data)), strict=True))
