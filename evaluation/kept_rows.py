"""Rows of the honest table that are done, kept in a folder: where a table goes on that was cut short.

A row is its ranks, which need no recommender any more. Its file is named by a digest of all that the ranks depend on, and names
no user: who is on which line follows from the data set.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from llmrg.core.places import HOME, writing
from llmrg.data.dataset import Dataset
from llmrg.evaluation.held_out import Ranks
from llmrg.evaluation.protocol import Visibility

ARRAYS = ("masked", "unmasked", "top")


@dataclass(frozen=True)
class DoneRow:
    """What one training came to."""

    ranks: Ranks
    visible: tuple[Visibility, ...] = ()
    """Where it saw graphs."""
    chosen: str = ""
    """The fit that validation chose, of a recommender with several."""


class KeptRows:
    """The files of a folder."""

    def __init__(self, folder: Path, say: Callable[[str], None] = lambda _: None) -> None:
        """Args: say: told of a damaged file."""
        self._folder, self._say = folder, say

    def read(self, key: str, dataset: Dataset) -> DoneRow | None:
        """None where the row is not kept; a damaged file is set aside under another name."""
        file = self._file(key)
        if not file.exists():
            return None
        log = dataset.arrays
        users = tuple(log.users[u] for u in np.flatnonzero(dataset.split.test_positions(log.lengths) >= 0).tolist())
        try:
            with safe_open(file, framework="numpy") as opened:
                note = json.loads((opened.metadata() or {})["row"])
                arrays = {name: opened.get_tensor(name) for name in ARRAYS}
            if note["sha256"] != _digest(arrays, note["visible"], note["chosen"]) or any(
                len(array) != len(users) for array in arrays.values()
            ):
                raise ValueError("its ranks are not those that were written")
        except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
            aside = file.with_suffix(".damaged")
            with writing(aside, HOME):
                os.replace(file, aside)
            self._say(f"the kept row {file} is damaged ({error}); it is set aside as {aside.name} and the row is trained anew")
            return None
        visible = tuple(Visibility(*fields) for fields in note["visible"])
        return DoneRow(Ranks(users, *(arrays[name].astype(np.int64) for name in ARRAYS)), visible, note["chosen"])

    def write(self, key: str, row: DoneRow) -> None:
        """Keep a row; its file appears whole or not at all. Raises: PlaceError: it cannot be written."""
        arrays = {name: getattr(row.ranks, name).astype(np.int32) for name in ARRAYS}
        note: dict[str, Any] = {"visible": [list(astuple(layer)) for layer in row.visible], "chosen": row.chosen}
        note["sha256"] = _digest(arrays, *note.values())
        file = self._file(key)
        scratch = file.with_suffix(".part")
        with writing(scratch, HOME):
            scratch.write_bytes(save(arrays, {"row": json.dumps(note)}))
            os.replace(scratch, file)

    def checkpoint(self, key: str) -> Path:
        """Where the training of a row that is not done keeps its epochs."""
        return self._folder / f"{key}.training"

    def forget(self, keys: list[str], rows: bool = False) -> None:
        """Delete the checkpoints of these rows, and where `rows` says so what they came to."""
        for key in keys:
            for path in self._folder.glob(f"{key}.training*"):
                path.unlink(missing_ok=True)
            if rows:
                self._file(key).unlink(missing_ok=True)

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"


def _digest(arrays: dict[str, np.ndarray], *parts: object) -> str:
    digest = hashlib.sha256(json.dumps(parts).encode())
    for name in ARRAYS:
        digest.update(str(arrays[name].shape).encode() + arrays[name].tobytes())
    return digest.hexdigest()
