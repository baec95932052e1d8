"""The run's record in the store: running, then done, failed or stopped, with what it cost so far."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from llmrg.agents.context import BuildContext
from llmrg.core.records import Run, RunStatus

EVERY_S = 2.0
"""Costs are written at most this often while the run is under way: a killed process forgets no more than that."""


class RunRecord:
    """Costs add up over all calls of one run."""

    def __init__(self, context: BuildContext, settings: dict[str, object]) -> None:
        self._context, self._settings = context, settings
        self._before: dict[str, float] = {}
        self._started = time.time()
        self._noted = time.monotonic()
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def kept(self, outcome: Callable[[], RunStatus]) -> AsyncIterator[None]:
        """Keep the record around the work; `outcome` says how a run that came to its end went."""
        store, namespace, run = self._context.store, self._context.namespace, self._context.run
        earlier = next((r for r in await self._context.stored(store.runs, namespace) if r.id == run), None)
        if earlier:
            self._before, self._started = earlier.costs, earlier.started_at
        await self._context.stored(store.put_run, namespace, self._record("running"))
        status: RunStatus = "stopped"
        try:
            yield
            status = outcome()
        finally:
            store.put_run(namespace, self._record(status, time.time()))

    async def note(self) -> None:
        """Write the costs so far, unless they were written just now."""
        if self._lock.locked() or time.monotonic() - self._noted < EVERY_S:
            return
        async with self._lock:
            self._noted = time.monotonic()
            await self._context.stored(self._context.store.put_run, self._context.namespace, self._record("running"))

    def _record(self, status: RunStatus, ended_at: float | None = None) -> Run:
        usage = self._context.usage
        now = {**usage.counts, **usage.totals, "seconds": usage.elapsed()}
        costs = {name: self._before.get(name, 0) + now.get(name, 0) for name in {*self._before, *now}}
        return Run(self._context.run, status, self._settings, costs, self._started, ended_at)
