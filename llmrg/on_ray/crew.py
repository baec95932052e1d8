"""The crew of a build on a Ray cluster: which worker builds a user is said here; retries and restarts are Ray's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from llmrg.agents.context import BuildContext
from llmrg.agents.open_mind import limits_of
from llmrg.agents.run.build import run_settings
from llmrg.agents.run.crew import Crew, OpenCrew, ReportCosts
from llmrg.core.errors import ConfigError, WorkerLostError
from llmrg.core.settings import Settings
from llmrg.on_ray.build_worker import About, BuildJob, BuildWorker, Outcome, Parts
from llmrg.on_ray.cluster import Cluster
from llmrg.on_ray.shared import Shared, answer

log = logging.getLogger(__name__)
COLLECTED_EVERY_S = 0.5
"""Costs come in, and the budget of time is looked at, this often."""
RETRIES = 5
"""Times that a user is given again whose worker has died."""
START_S = 120.0
"""Seconds until a worker must have started."""


def ray_crew(cluster: Cluster, settings: Settings, roles: tuple[Any, Any, Any]) -> OpenCrew:
    """A crew for `agents.run.build.build`.

    Args: settings: with absolute paths (`cluster.settings_for`); roles: as in `BuildJob`.
    """

    @asynccontextmanager
    async def opened(context: BuildContext, report: ReportCosts) -> AsyncIterator[Crew]:
        import ray

        identity = run_settings(context.minds, context.config, context.vectors, context.vetoes)
        parts = (context.dataset, settings, roles, context.config, context.run, identity, context.vectors is not None)
        node = ray.get_runtime_context().get_node_id()
        job = ray.put(BuildJob(*parts, node, context.vetoes, context.prices))
        calls = settings.calls_path if settings.call_cache else None
        shared = cluster.actor(Shared, here=True, num_cpus=0, max_concurrency=100_000)(calls, limits_of(settings))
        make = cluster.actor(BuildWorker, retries=RETRIES, max_concurrency=context.config.concurrency + 2)
        workers = [make(number) for number in range(cluster.workers)]
        collecting: asyncio.Task[None] | None = None
        try:
            await _started(workers, (job, shared), cluster)
            collecting = asyncio.create_task(_collect_often(shared, context, report))
            yield RayCrew(context, workers, (job, shared))
        finally:
            if collecting:
                collecting.cancel()
                with suppress(asyncio.CancelledError):
                    await collecting
            with suppress(ray.exceptions.RayError):
                await _collect(shared, context)
            for actor in (*workers, shared):
                ray.kill(actor)

    return opened


class RayCrew:
    """Each worker has `concurrency` places."""

    def __init__(self, context: BuildContext, workers: list[Any], parts: Parts) -> None:
        self._context, self._workers, self._parts = context, workers, parts
        self._lost: dict[int, int] = {}
        self.places = context.config.concurrency * len(workers)

    async def build(self, place: int, user: str) -> None:
        """As `Crew.build`. Interrupted, it lets the worker keep the replies of requests under way.

        Raises: WorkerLostError: the worker died each time.
        """
        import ray

        context, number = self._context, place % len(self._workers)
        since = context.usage.replies.pop(user).since if user in context.usage.replies else None
        reference = self._workers[number].build.remote(self._parts, user, since)
        outcome = asyncio.ensure_future(answer(reference))
        try:
            while not (await asyncio.wait({outcome}, timeout=COLLECTED_EVERY_S))[0]:
                context.check_time()
        except BaseException:
            ray.cancel(reference)
            await asyncio.wait({outcome})
            outcome.cancelled() or outcome.exception()  # nobody else asks how it ended
            raise
        try:
            self._heed(number, done := outcome.result())
        except ray.exceptions.RayActorError as error:
            raise WorkerLostError(
                f"worker {number} died {RETRIES + 1} times over this user ({str(error).splitlines()[0]}); look into its "
                "memory and into Ray's logs, then build again with the failed users (`--retry-failed`, `retry_failed=True`)"
            ) from error
        if done.error:
            raise done.error

    def _heed(self, number: int, outcome: Outcome) -> None:
        if outcome.lost_before > self._lost.get(number, 0):
            self._lost[number] = outcome.lost_before
            self._context.usage.add("workers.lost")
            log.warning("worker %d died and was started again; its users went on from their drafts", number)


async def _started(workers: list[Any], parts: Parts, cluster: Cluster) -> None:
    """Wait for the workers, and check that all run the same code and would build the same run.

    Raises: ConfigError: they do not, or there is no room for them; LlmrgError: what a worker could not open.
    """
    here = About("", 0)
    waiting = [asyncio.ensure_future(answer(worker.about.remote())) for worker in workers]
    done, late = await asyncio.wait(waiting, timeout=START_S)
    for task in late:
        task.cancel()
    if late:
        raise ConfigError(
            f"{len(late)} of {len(workers)} workers have not started within {START_S:.0f} s: the Ray cluster has "
            f"{cluster.cpus:g} processors, and others may use them; set LLMRG_RAY_WORKERS to fewer, or end what runs there"
        )
    for task in done:
        _check_versions(here, _about(task))
    await asyncio.gather(*(answer(worker.ready.remote(parts)) for worker in workers))


def _about(task: asyncio.Future[Any]) -> About:
    import ray

    try:
        about: About = task.result()
        return about
    except (ray.exceptions.RayError, ImportError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"a worker cannot be started on the Ray cluster ({' '.join(str(error).split())[-300:]}); install "
            f"llmrg {About('', 0).llmrg} with the same extras on all its machines"
        ) from error


def _check_versions(here: About, there: About) -> None:
    if (there.llmrg, there.python.rsplit(".", 1)[0]) != (here.llmrg, here.python.rsplit(".", 1)[0]):
        raise ConfigError(
            f"the Ray cluster's machine {there.node} has llmrg {there.llmrg} on Python {there.python}, and here is llmrg "
            f"{here.llmrg} on Python {here.python}; install the same release on all machines"
        )


async def _collect_often(shared: Any, context: BuildContext, report: ReportCosts) -> None:
    while True:
        await asyncio.sleep(COLLECTED_EVERY_S)
        await _collect(shared, context)
        await report()


async def _collect(shared: Any, context: BuildContext) -> None:
    part, resting = await answer(shared.collect.remote())
    context.usage.merge(part)
    for seconds, reason in resting:
        context.usage.rests.rest(seconds, reason)
