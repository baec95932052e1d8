"""A mind that never says the same twice, and a build by it in a process of its own: what two processes on one run make of it."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from pathlib import Path

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.protocols import Block, Candidate, Cut, Imagined, Verdict
from llmrg.agents.run.build import build
from llmrg.data.dataset import Dataset
from llmrg.graph_store.sqlite_store import SqliteStore

CONFIG = BuildConfig(block_size=2, candidates=1, wave=4, concurrency=2, retry_wait_s=0)


class MoodyMind:
    """Never says the same twice, as a chat model at a temperature does; its reasons tell which process it is in."""

    name, default_tau = "moody", 0.5

    def __init__(self, pace_s: float) -> None:
        self.pace_s, self.count = pace_s, 0

    async def _say(self) -> str:
        await asyncio.sleep(self.pace_s * random.random())
        self.count += 1
        return f"{os.getpid()} {self.count}"

    async def reason(self, block: Block) -> list[Candidate]:
        reason, items, seen = await self._say(), block.history.items, len(block.history)
        causes = {p: random.randrange(p) for p in block.positions if p}
        linked = [Candidate(p, "item", items[c], c, reason, items[p], None, seen) for p, c in causes.items()]
        return [*linked, *(Candidate(p, "root", "", None, reason, items[p], None, seen) for p in block.positions if not p)]

    async def verify(self, block: Block, candidates: Sequence[Candidate]) -> list[Verdict]:
        await self._say()
        return [Verdict(random.uniform(0.5, 1)) for _ in candidates]

    async def imagine(self, cut: Cut) -> list[Imagined]:
        return [Imagined(chain.number, await self._say(), "nothing that is there") for chain in cut.chains]


def build_alone(dataset: Dataset, path: Path, folder: Path) -> None:
    """A process's whole work; what it found out is left in a file."""
    mind = MoodyMind(0.02)
    with SqliteStore(path) as store:
        report = asyncio.run(build(dataset, store, Minds(mind, mind, mind), CONFIG))
    left = int(report.counts.get("users.left_to_another_process", 0))
    (folder / f"{os.getpid()}").write_text(f"{report.built} {report.skipped} {left} {report.failures}")
