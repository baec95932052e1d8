"""How well each reason of the bank fits each item, as a local language model sees it: one question an item, kept on disk."""

from __future__ import annotations

import os
import random
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from llmrg.agents.minds.local_lm import LocalLM
from llmrg.core.places import CACHE, writing
from llmrg.core.records import Item, stable_key
from llmrg.data.dataset import Catalogue

BATCH = 32
"""Items asked in one call."""


class ThemeProfile:
    """z scores of (item, reason).

    With l(R | A) the log-likelihood of reason R after a question about item A, and m, s its mean and standard deviation over a
    fixed sample of other items of the catalogue, z = (l(R | A) - m) / s: how much likelier the model finds the reason here than
    elsewhere (contextual pointwise mutual information in units of its spread). A reason is scored up to the token that tells it
    apart from the rest of the bank.
    """

    def __init__(
        self,
        lm: LocalLM,
        catalogue: Catalogue,
        bank: Sequence[str],
        question: Callable[[Item], str],
        cache_dir: Path,
        contrast: int = 96,
    ) -> None:
        """Args: contrast: items in the sample that mean and deviation are taken over."""
        self._lm, self._catalogue, self._question = lm, catalogue, question
        self.bank = tuple(bank)
        self.column = {reason: number for number, reason in enumerate(self.bank)}
        self._ends = lm.telling_apart([f" {reason}" for reason in self.bank])
        generator = random.Random("contrast")
        ids = sorted(catalogue.ids)
        self.sample = generator.sample(ids, min(contrast, len(ids)))
        example = question(catalogue[ids[0]])
        mark = stable_key("profile", lm.weights, self.bank, example, self.sample)
        self._file = cache_dir / "profiles" / f"{mark}.npz"
        self._rows: dict[str, np.ndarray] = self._read()
        self._mean = self._deviation = np.zeros(0)
        self._unsaved = 0
        self.batch = BATCH
        self._asking, self._waiting = threading.Lock(), threading.Lock()
        self._wanted: dict[str, None] = {}
        """Items that somebody waits for."""

    def z(self, items: Sequence[str]) -> np.ndarray:
        """(len(items), len(bank)) float64; asks the model for items not asked before, and keeps the answers.

        May be called by many threads: one asks at a time, for itself and for all who wait, so that batches are full and no item
        is asked twice.
        """
        with self._waiting:
            self._wanted.update(dict.fromkeys(item for item in items if item not in self._rows))
        with self._asking:
            with self._waiting:
                wanted, self._wanted = self._wanted, {}
            if not self._mean.size:
                self._ask(self.sample)
                sample = np.stack([self._rows[item] for item in self.sample])
                self._mean, self._deviation = sample.mean(axis=0), sample.std(axis=0) + 1e-6
            self._ask([*items, *wanted])  # its own first: those who asked for them before may have been stopped
            if not items:
                return np.zeros((0, len(self.bank)))
            z: np.ndarray = (np.stack([self._rows[item] for item in items]) - self._mean) / self._deviation
        return z

    def _ask(self, items: Sequence[str]) -> None:
        missing = [item for item in dict.fromkeys(items) if item not in self._rows]
        for start in range(0, len(missing), self.batch):
            part = missing[start : start + self.batch]
            questions = [self._question(self._catalogue[item]) for item in part]
            for item, scores in zip(part, self._lm.score(questions, [self._ends] * len(part)), strict=True):
                self._rows[item] = np.asarray(scores, dtype=np.float32)
        self._unsaved += len(missing)
        # A killed run asks a few items again, rather than each block writing all of them.
        if self._unsaved >= min(self.batch, len(self.sample)):
            self._write()
            self._unsaved = 0

    def _read(self) -> dict[str, np.ndarray]:
        """Scores of earlier runs; a damaged file is as good as none, since it only saves time."""
        try:
            with self._file.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                return dict(zip(kept["items"].tolist(), kept["scores"], strict=True))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return {}

    def _write(self) -> None:
        with writing(self._file, CACHE):
            handle, draft = tempfile.mkstemp(dir=self._file.parent, suffix=".part")
            with os.fdopen(handle, "wb") as file:
                np.savez(file, items=np.array(list(self._rows)), scores=np.stack(list(self._rows.values())))
            Path(draft).replace(self._file)
