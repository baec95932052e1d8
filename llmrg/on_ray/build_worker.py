"""A worker of a build: an actor that holds store, minds and data once, and runs the machines of the users it is given."""

from __future__ import annotations

import asyncio
import os
import platform
from dataclasses import dataclass
from typing import Any

from llmrg import __version__
from llmrg.agents.accounting.prices import Prices
from llmrg.agents.accounting.tracing import open_tracing
from llmrg.agents.accounting.usage import Usage
from llmrg.agents.asks_items import AsksItems
from llmrg.agents.config import BuildConfig
from llmrg.agents.context import BuildContext, Minds
from llmrg.agents.open_mind import OpenMinds
from llmrg.agents.run.build import run_settings
from llmrg.agents.run.crew import Here
from llmrg.agents.run.unfinished import unfinished
from llmrg.core.errors import ConfigError, LlmrgError
from llmrg.core.settings import Settings
from llmrg.core.vetoes import Vetoes
from llmrg.data.dataset import Dataset
from llmrg.data.successors import Successors
from llmrg.graph_store.open_store import open_configured_store
from llmrg.on_ray.shared import Link, SharedCache, SharedLimiter, SharedRests
from llmrg.wiring import text_vectors


@dataclass(frozen=True)
class BuildJob:
    """All that a worker needs to know; it travels as data."""

    dataset: Dataset
    settings: Settings
    roles: tuple[Any, Any, Any]
    """Reasoner, verifier, imaginer: names as `OpenMinds` takes them, or minds that can be pickled."""
    config: BuildConfig
    run: str
    identity: dict[str, object]
    """The run's settings, as `agents.run.build.run_settings` gives them in the driver."""
    with_vectors: bool
    node: str
    """Ray's name for the driver's machine, where the call cache lies."""
    vetoes: Vetoes
    prices: Prices


@dataclass(frozen=True)
class About:
    """Where a worker runs, and with what."""

    node: str
    pid: int
    python: str = platform.python_version()
    llmrg: str = __version__


@dataclass(frozen=True)
class Outcome:
    """Of one user."""

    error: LlmrgError | None = None
    lost_before: int = 0
    """How often the worker had died and was started again."""


Parts = tuple[Any, Any]
"""Reference to the `BuildJob`, and the actor `Shared`. They come with each call and not with the constructor, whose arguments Ray
would have to keep for the day on which it starts the worker again."""


class BuildWorker:
    """The actor. What it opens is opened at the first user, and again where Ray starts it again after its death."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._opening = asyncio.Lock()
        self._context: BuildContext | None = None
        self._link: Link | None = None
        self._statuses: dict[str, Any] | None = None
        self._lost_before: int | None = None

    async def about(self) -> About:
        return About(platform.node(), os.getpid())

    async def ready(self, parts: Parts) -> None:
        """Open everything.

        Raises: ConfigError: this machine would build another run; LlmrgError: it cannot be opened here.
        """
        async with self._opening:
            if self._lost_before is not None:
                return
            job, shared = parts
            usage = Usage()
            self._link = link = Link(shared, self._number, usage)
            usage.rests = SharedRests(link)
            self._context = context = await asyncio.to_thread(opened, await job, link, usage)
            lost_before = await link.join()
            if lost_before:  # users that were under way are given again, and some of them may be done
                store = context.store
                self._statuses = await context.stored(store.user_statuses, context.namespace, context.run)
            self._lost_before = lost_before

    async def build(self, parts: Parts, user: str, since: int | None) -> Outcome:
        """Build and publish a user's graph. Args: since: as `ReplyCounts.since`."""
        await self.ready(parts)
        context, link, lost_before = self._context, self._link, self._lost_before or 0
        assert context is not None
        assert link is not None
        context.usage.replies[user].since = since
        try:
            if self._statuses is not None and not await context.stored(unfinished, context, [user], self._statuses):
                return Outcome(None, lost_before)
            await Here(context).build(0, user)
            return Outcome(None, lost_before)
        except LlmrgError as error:
            return Outcome(error, lost_before)
        finally:
            await link.tell()


def opened(job: BuildJob, link: Link, usage: Usage) -> BuildContext:
    """What a worker's machines share. Raises: as `BuildWorker.ready`."""
    settings, name = job.settings, job.dataset.name
    store = open_configured_store(settings)
    by_name = OpenMinds(
        job.dataset,
        settings,
        lambda: store.themes(name),
        vetoes=job.vetoes,
        # Beside the file it is opened here, as several processes of a machine may; it costs half of what the actor would.
        cache=SharedCache(link) if settings.call_cache and _node() != job.node else None,
        limiter=lambda endpoint: SharedLimiter(link, endpoint),
    )
    minds = Minds(*(by_name.get(role) if isinstance(role, str) else role for role in job.roles))
    vectors = text_vectors(settings) if job.with_vectors else None
    check_same(job.identity, run_settings(minds, job.config, vectors, job.vetoes))
    for mind in minds.distinct():
        if isinstance(mind, AsksItems) and (known := store.themes(name).profile(mind.profile_name(job.config.verification))):
            mind.use(known)
    config = job.config.model_copy(update={"max_seconds": None})  # the driver's clock counts
    return BuildContext(
        job.dataset,
        store,
        minds,
        config,
        job.run,
        Successors(job.dataset),
        vectors,
        usage,
        job.vetoes,
        job.prices,
        open_tracing(settings.trace),
        spent_elsewhere=link.spent_elsewhere,
    )


def _node() -> str:
    import ray

    node: str = ray.get_runtime_context().get_node_id()
    return node


def check_same(driver: dict[str, object], here: dict[str, object]) -> None:
    """Raises: ConfigError: a worker would build another run, since its prompts, weights or packages are others."""
    off = sorted(name for name in {*driver, *here} if driver.get(name) != here.get(name))
    if off:
        raise ConfigError(
            f"the machine {platform.node()} would build another run than the driver ({', '.join(off)} are others there: "
            f"{str({name: here.get(name) for name in off})[:300]} for {str({name: driver.get(name) for name in off})[:300]}); "
            "install the same packages and model files on all machines of the cluster, and keep prompts where all can read them"
        )
