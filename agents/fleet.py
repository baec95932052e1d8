"""One build over many users: the run's record, resuming, budgets, failures, progress."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import BuildContext, Minds
from llmrg.agents.machine import machine, steps_at_most
from llmrg.agents.nodes.plan import blocks_of
from llmrg.agents.nodes.publish import receipt
from llmrg.agents.usage import BuildReport
from llmrg.core.errors import BudgetSpentError, LlmrgError, StoreError, UnknownUserError
from llmrg.core.records import History, ReasoningGraph, Run, RunStatus, VectorSpace, stable_key
from llmrg.core.text_vectors import TextVectors
from llmrg.data.dataset import Dataset
from llmrg.data.successors import Successors
from llmrg.graph_store.protocol import GraphStore

__all__ = ["BuildEvent", "Minds", "build"]
log = logging.getLogger(__name__)
_PAGE = 200
"""Users looked at in one go before the work begins."""


@dataclass(frozen=True, slots=True)
class BuildEvent:
    """Told after each user."""

    done: int
    """Users finished or skipped."""
    total: int
    user: str
    accepted: int
    """Accepted steps so far in this call."""
    failed: int
    seconds: float

    @property
    def note(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.accepted} steps accepted{failed}"


async def build(
    dataset: Dataset,
    store: GraphStore,
    minds: Minds,
    config: BuildConfig | None = None,
    *,
    users: Sequence[str] | None = None,
    resume: bool = True,
    progress: Callable[[BuildEvent], None] | None = None,
    vectors: TextVectors | None = None,
) -> BuildReport:
    """Build reasoning graphs and publish them in the store.

    A run is named by namespace, settings, minds with theirs, and prompt versions, so the same call goes on with a run that was
    cut short: users that are done are skipped (unless their history has grown: then only the new part is done), users half done
    go on after their last block. A user whose graph another run has replaced since is built anew.

    Raises:
        UnknownUserError: a user of `users` is not in the data.
        BudgetSpentError: the run stopped cleanly.
        StoreError: the store failed, and the run can be resumed; or its knowledge base has vectors of another text encoder.
    """
    config = config or BuildConfig()
    chosen = list(dataset.histories) if users is None else list(dict.fromkeys(users))
    for user in chosen:
        if user not in dataset.histories:
            raise UnknownUserError(user, next(iter(dataset.histories), ""))
    settings: dict[str, object] = {
        "config": config.identity(),
        "reasoner": minds.reasoner.name,
        "verifier": minds.verifier.name,
        "imaginer": minds.imaginer.name,
    }
    if own := minds.settings():
        settings["minds"] = own
    if versions := minds.prompt_versions():
        settings["prompts"] = versions
    if vectors:
        settings["vectors"] = vectors.name
    run = stable_key("run", dataset.name, sorted(settings.items(), key=str), "" if resume else time.time())[:12]
    context = BuildContext(dataset, store, minds, config, run, Successors(dataset), vectors)
    todo = _prepare(context, chosen)
    fleet = _Fleet(context, chosen, todo, progress)
    async with _recorded(context, settings, fleet):
        await fleet.work()
    return fleet.report()


def _prepare(context: BuildContext, users: list[str]) -> list[str]:
    """Write items and histories; return the users that have something to do."""
    store, namespace = context.store, context.namespace
    statuses = store.user_statuses(namespace, context.run)
    store.put_items(namespace, context.dataset.catalogue)
    if context.vectors and context.config.knowledge:
        dimension = context.vectors.embed([context.vectors.name]).shape[1]
        store.claim_vector_space(namespace, VectorSpace(context.vectors.name, dimension))
    todo: list[str] = []
    for page in (users[i : i + _PAGE] for i in range(0, len(users), _PAGE)):
        receipts = {user: statuses[user][1] for user in page if statuses.get(user, ("pending", ""))[0] == "done"}
        graphs = store.graphs(namespace, list(receipts))
        left = [user for user in page if user not in receipts or not _stands(context, user, graphs.get(user), receipts[user])]
        for user in left:
            if user in receipts:
                store.set_user_status(namespace, context.run, user, "pending")
        store.put_histories(namespace, [context.history(user) for user in left])
        todo += left
    return todo


def _stands(context: BuildContext, user: str, graph: ReasoningGraph | None, given: str) -> bool:
    """Whether the stored graph is this run's and covers the whole history; one that covers its beginning becomes the draft to go
    on from. A draft that is there already, of a call that was cut short, goes before the published graph."""
    covered = _covered(context.history(user), given)
    drafted = context.store.draft(context.namespace, context.run, user)[1]
    if graph is None or graph.run != context.run or drafted or covered is None:
        return False
    if covered == len(context.history(user)):
        return True
    context.store.append_draft(context.namespace, context.run, user, graph.steps, covered)
    return False


def _covered(history: History, given: str) -> int | None:
    """How many items of the history a receipt is for; None if it is for other items."""
    count = given.partition(" ")[0]
    length = int(count) if count.isdigit() else -1
    return length if 0 <= length <= len(history) and receipt(history.before(length)) == given else None


class _Fleet:
    """The users of one call, some at a time, in order."""

    def __init__(
        self, context: BuildContext, users: list[str], todo: list[str], progress: Callable[[BuildEvent], None] | None
    ) -> None:
        self.context, self.users, self.todo = context, users, todo
        self.progress = progress or (lambda _: None)
        self.built = 0
        self.failed: dict[str, str] = {}

    async def work(self) -> None:
        self._tell("")
        queue = iter(self.todo)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.context.config.concurrency, max(len(self.todo), 1))):
                    group.create_task(self._worker(queue))
        except BaseExceptionGroup as errors:  # one worker's error ends the others; callers want the error itself
            raise errors.exceptions[0] from None

    async def _worker(self, queue: Iterator[str]) -> None:
        for user in queue:
            await self._one(user)
            self._tell(user)

    async def _one(self, user: str) -> None:
        context = self.context
        blocks = len(blocks_of(len(context.history(user)), 0, context.config.block_size, context.config.held_out))
        limit = steps_at_most(blocks, context.config.tries)
        try:
            await machine().ainvoke({"user": user}, {"recursion_limit": limit}, context=context)
            self.built += 1
        except (StoreError, BudgetSpentError):
            raise
        except LlmrgError as error:
            log.warning("user %r failed: %s", user, error)
            self.failed[user] = f"{type(error).__name__}: {error}"
            context.store.set_user_status(context.namespace, context.run, user, "failed", self.failed[user])

    def _tell(self, user: str) -> None:
        done = len(self.users) - len(self.todo) + self.built + len(self.failed)
        counts = self.context.usage.counts
        accepted = counts["verify.reasoned.accepted"] + counts["verify.imagined.accepted"]
        self.progress(BuildEvent(done, len(self.users), user, accepted, len(self.failed), self.context.usage.elapsed()))

    def report(self) -> BuildReport:
        usage = self.context.usage
        return BuildReport(
            run=self.context.run,
            users=len(self.users),
            built=self.built,
            skipped=len(self.users) - len(self.todo),
            failed=dict(self.failed),
            counts=dict(usage.counts),
            stage_seconds={stage: round(seconds, 3) for stage, seconds in usage.seconds.items()},
            minds=self.context.minds.usages(),
            seconds=usage.elapsed(),
        )


@asynccontextmanager
async def _recorded(context: BuildContext, settings: dict[str, object], fleet: _Fleet) -> AsyncIterator[None]:
    """The run's record: running, then done, failed or stopped, with what it cost; costs add up over the calls of one run."""
    store, namespace = context.store, context.namespace
    earlier = next((r for r in store.runs(namespace) if r.id == context.run), None)
    before = earlier.costs if earlier else {}
    started = earlier.started_at if earlier else time.time()
    store.put_run(namespace, Run(context.run, "running", settings, before, started))
    status: RunStatus = "stopped"
    try:
        yield
        status = "failed" if fleet.failed else "done"
    finally:
        now = {**context.usage.counts, **context.spent()}
        costs = {name: before.get(name, 0) + now.get(name, 0) for name in {*before, *now}}
        store.put_run(namespace, Run(context.run, status, settings, costs, started, time.time()))
