"""One build over many users: waves of them, resuming, failures, progress."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from llmrg.agents.accounting.prices import Prices
from llmrg.agents.accounting.tracing import Tracing
from llmrg.agents.config import BuildConfig
from llmrg.agents.context import BuildContext, Minds
from llmrg.agents.machine.nodes.publish import asked_again
from llmrg.agents.run.build_report import BuildReport
from llmrg.agents.run.crew import Crew, OpenCrew, this_process
from llmrg.agents.run.item_profiles import ask_for_items
from llmrg.agents.run.record import RunRecord
from llmrg.agents.run.share_knowledge import share_knowledge
from llmrg.agents.run.unfinished import unfinished
from llmrg.core.errors import (
    BudgetSpentError,
    DraftConflictError,
    LlmrgError,
    ModelAccessError,
    ModelError,
    ModelFileError,
    ModelReplyError,
    ModelUnavailableError,
    StoreError,
    UnknownUserError,
)
from llmrg.core.records import VectorSpace, stable_key
from llmrg.core.text_vectors import TextVectors
from llmrg.core.vetoes import Vetoes
from llmrg.data.dataset import Dataset
from llmrg.data.successors import Successors
from llmrg.graph_store.protocol import GraphStore

__all__ = ["BuildEvent", "Minds", "build"]
log = logging.getLogger(__name__)
FAILURES_KEPT = 1000
"""Failed users whose cause a report names."""
LARGEST_WAVE = 1000
REFUSED_AT_FIRST = 3
"""Users refused alike before any is built, after which the run stops; later on `BuildConfig.give_up_after`."""
Progress = Callable[["BuildEvent"], None]


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
    calls: float = 0
    """Requests to models so far."""
    tokens: float = 0
    money: float | None = None
    """None where no model has a price."""
    currency: str = ""
    finished: int = 0
    """Users done in this call, without those that were done before."""
    waiting_for_store: bool = False
    resting: str = ""
    """Until when requests rest, and the words with which a server asked for it."""


async def build(
    dataset: Dataset,
    store: GraphStore,
    minds: Minds,
    config: BuildConfig | None = None,
    *,
    users: Sequence[str] | None = None,
    resume: bool = True,
    retry_failed: bool = False,
    progress: Progress | None = None,
    vectors: TextVectors | None = None,
    vetoes: Vetoes | None = None,
    prices: Prices | None = None,
    tracing: Tracing | None = None,
    crew: OpenCrew = this_process,
) -> BuildReport:
    """Build reasoning graphs and publish them in the store.

    A run is named by namespace, settings, minds with theirs, and prompt versions, so the same call goes on with a run that was
    cut short: users that are done are skipped (unless their history has grown: then only the new part is done), users half done
    go on after their last block. Graphs of other runs stay beside those of this one, which become the newest of their users.
    Processes that work on one run at once share its users: where two do the same block the later one's is dropped, and that
    process turns to another user first.

    Args:
        retry_failed: of these users only those that failed in this run, or had useless replies.
        vetoes: reasons that may not become steps. (Minds that choose among known reasons get them when they are made.)
        crew: who builds the users: this process, or others (`llmrg.on_ray`); graphs do not depend on it.
    Raises:
        UnknownUserError: a user of `users` is not in the data.
        BudgetSpentError: the run stopped cleanly.
        ModelUnavailableError, ModelAccessError, ModelFileError: the model is away or cannot be used at all; the run stopped.
        StoreError: the store failed, and the run can be resumed; or its knowledge base has vectors of another text encoder.
    """
    config = config or BuildConfig()
    config = config.model_copy(update={"held_out": config.held_out_of(dataset.split)})  # so that the run's identity says it
    chosen = list(dataset.histories) if users is None else list(dict.fromkeys(users))
    for user in chosen:
        if user not in dataset.histories:
            raise UnknownUserError(user, next(iter(dataset.histories), ""))
    vetoes = vetoes or Vetoes()
    settings = run_settings(minds, config, vectors, vetoes)
    run = run_id(dataset, settings, None if resume else time.time())
    parts = {"vetoes": vetoes, "prices": prices or Prices(), "tracing": tracing or Tracing()}
    context = BuildContext(dataset, store, minds, config, run, Successors(dataset), vectors, **parts)  # type: ignore[arg-type]
    for mind in minds.distinct():
        context.usage.minds[mind.name]  # those that make no call are named too
    record = RunRecord(context, settings)
    await context.stored(_begin, context)
    if retry_failed:
        statuses = await context.stored(store.user_statuses, dataset.name, run)
        known = {user: statuses.get(user, ("pending", "")) for user in chosen}
        chosen = [user for user, (status, cause) in known.items() if status == "failed" or asked_again(cause) is not None]
    work = _Build(context, chosen, record, progress)
    try:
        with context.tracing.span("llmrg.run", llmrg__run=run, llmrg__data=dataset.name, llmrg__users=len(chosen)):
            async with record.kept(lambda: "failed" if work.failures else "done"):
                await ask_for_items(context, work.costs_came)
                await work.do(crew)
    finally:
        await minds.aclose()
    return work.report()


def run_settings(minds: Minds, config: BuildConfig, vectors: TextVectors | None, vetoes: Vetoes) -> dict[str, object]:
    """All that changes what a build makes; equal settings over the same data are one run."""
    roles = {"reasoner": minds.reasoner.name, "verifier": minds.verifier.name, "imaginer": minds.imaginer.name}
    more = {"minds": minds.settings(), "prompts": minds.prompt_versions(), "vectors": vectors.name if vectors else None}
    more |= {"vetoes": vetoes.identity()}
    return {"config": config.identity(), **roles, **{name: value for name, value in more.items() if value}}


def run_id(dataset: Dataset, settings: dict[str, object], anew_at: float | None = None) -> str:
    """The run's name; `anew_at` (Unix seconds) makes it one of its own.

    Of the data it holds how they are read: what an item is called, and what can be a reason. Items and histories are not in it,
    since they may grow under a run; a user whose history has changed is built anew (`publish.receipt`).
    """
    read = (dataset.catalogue.noun, dataset.reason_attributes, dataset.reason_phrases)
    return stable_key("run", dataset.name, read, sorted(settings.items(), key=str), "" if anew_at is None else anew_at)[:12]


def waves(users: Sequence[str], first: int) -> Iterator[Sequence[str]]:
    """Users in waves that share one state of the knowledge base. The borders do not depend on how many users come after."""
    start = 0
    while start < len(users):
        size = min(max(first, start // 4), LARGEST_WAVE)
        yield users[start : start + size]
        start += size


def _begin(context: BuildContext) -> None:
    store, namespace = context.store, context.namespace
    store.put_items(namespace, context.dataset.catalogue)
    space = store.vector_space(namespace) if context.vectors and context.shares_knowledge else None
    if context.vectors and context.shares_knowledge and (space is None or space.encoder != context.vectors.name):
        dimension = context.vectors.embed([context.vectors.name]).shape[1]
        store.claim_vector_space(namespace, VectorSpace(context.vectors.name, dimension))


class _Build:
    """The users of one call, wave by wave; a wave's users some at a time, in order."""

    def __init__(self, context: BuildContext, users: list[str], record: RunRecord, progress: Progress | None) -> None:
        self.context, self.users, self.record = context, users, record
        self.progress = progress or (lambda _: None)
        self.built = self.skipped = self.failures = 0
        self.failed: dict[str, str] = {}
        self._unavailable_in_a_row = 0
        self._alike, self._alike_in_a_row = "", 0
        context.usage.rests.report = lambda: self._tell("")
        self._not_alone = False
        """Another process works on this run too."""

    async def costs_came(self) -> None:
        """Told after each request that is for no user, and when a crew's costs have come in."""
        self._tell("")
        await self.record.note()

    async def do(self, open_crew: OpenCrew) -> None:
        """Build all users; the crew is opened when the first one is to be built."""
        async with AsyncExitStack() as opened:
            await self._do(lambda: opened.enter_async_context(open_crew(self.context, self.costs_came)))

    async def _do(self, open_crew: Callable[[], Awaitable[Crew]]) -> None:
        context, crew = self.context, None
        self._tell("")
        statuses = await context.stored(context.store.user_statuses, context.namespace, context.run)
        before: Sequence[str] = ()  # a wave that was done by an earlier call, which may have died before it taught
        # Without a knowledge base nobody waits for what others learn.
        for wave in waves(self.users, context.config.wave if context.shares_knowledge else LARGEST_WAVE):
            todo = await context.stored(unfinished, context, wave, statuses)
            if todo and crew:  # time has passed: what another process has done is not done again with what was learnt since
                todo = await self._unfinished(todo)
            self.skipped += len(wave) - len(todo)
            if not todo:
                before = wave
                self._tell("")
                continue
            await context.stored(share_knowledge, context, before)
            before = ()
            crew = crew or await open_crew()
            await self._build_wave(todo, crew)
            context.usage.add("commit.learned", await context.stored(share_knowledge, context, wave))
        await context.stored(share_knowledge, context, before)

    async def _build_wave(self, todo: Sequence[str], crew: Crew) -> None:
        queue = deque(todo)
        try:
            async with asyncio.TaskGroup() as group:
                for place in range(min(crew.places, len(todo))):
                    group.create_task(self._worker(queue, crew, place))
        except BaseExceptionGroup as errors:  # one worker's error ends the others; callers want the error itself
            raise errors.exceptions[0] from None

    async def _worker(self, queue: deque[str], crew: Crew, place: int) -> None:
        while queue:
            user = queue.popleft()
            try:
                if self._not_alone and not await self._unfinished([user]):
                    self.skipped += 1
                else:
                    await self._build_user(user, crew, place)
            except DraftConflictError as error:
                self._leave(error)
                queue.append(user)  # by then it is done, or its draft is what one goes on from
                continue
            self._tell(user)
            await self.record.note()

    async def _unfinished(self, users: Sequence[str]) -> list[str]:
        """By what the store says now, and not at the beginning."""
        context = self.context
        statuses = await context.stored(context.store.user_statuses, context.namespace, context.run)
        return await context.stored(unfinished, context, users, statuses)

    def _leave(self, error: DraftConflictError) -> None:
        self.context.usage.add("users.left_to_another_process")
        if not self._not_alone:
            log.warning("another process works on run %s too, and the users are shared with it: %s", self.context.run, error)
        self._not_alone = True

    async def _build_user(self, user: str, crew: Crew, place: int) -> None:
        try:
            await crew.build(place, user)
        except (StoreError, BudgetSpentError, ModelAccessError, ModelFileError):
            raise
        except LlmrgError as error:
            await self._fail(user, error)
        else:
            self.built += 1
            self._unavailable_in_a_row = self._alike_in_a_row = 0

    async def _fail(self, user: str, error: LlmrgError) -> None:
        context, cause = self.context, f"{type(error).__name__}: {error}"
        log.warning("user %r failed: %s", user, error)
        self.failures += 1
        context.usage.add(f"failed.{type(error).__name__}")
        if len(self.failed) < FAILURES_KEPT:
            self.failed[user] = cause
        await context.stored(context.store.set_user_status, context.namespace, context.run, user, "failed", cause)
        self._give_up_on_refusals(error)
        if not isinstance(error, ModelUnavailableError):
            return
        self._unavailable_in_a_row += 1
        if self._unavailable_in_a_row >= context.config.give_up_after:
            raise ModelUnavailableError(
                f"{self._unavailable_in_a_row} users in a row failed, the last one with: {error}; "
                "when the model is back, run the same command again to go on"
            ) from error

    def _give_up_on_refusals(self, error: LlmrgError) -> None:
        """Raises: ModelAccessError, ModelReplyError: users fail alike, one after the other, and will go on to do so."""
        kind = type(error)
        alike = re.sub(r"\d+", "0", str(error)) if kind is ModelError else kind.__name__
        self._alike_in_a_row = self._alike_in_a_row + 1 if alike == self._alike else 1
        self._alike, most = alike, self.context.config.give_up_after
        if kind is ModelError and self._alike_in_a_row >= (most if self.built else min(REFUSED_AT_FIRST, most)):
            raise ModelAccessError(
                f"{self._alike_in_a_row} users in a row failed alike: {error}; the others were not asked. When this is mended, "
                "run the same command again to go on"
            ) from error
        if kind is ModelReplyError and not self.built and self._alike_in_a_row >= most:
            raise ModelReplyError(
                f"no reply for the first {self._alike_in_a_row} users could be used, the last user: {error}; the others were not "
                "asked. When this is mended, run the same command again to go on"
            ) from error

    def _tell(self, user: str) -> None:
        usage, prices = self.context.usage, self.context.prices
        self.progress(
            BuildEvent(
                self.skipped + self.built + self.failures,
                len(self.users),
                user,
                int(usage.counts["verify.reasoned.accepted"] + usage.counts["verify.imagined.accepted"]),
                self.failures,
                usage.elapsed(),
                usage.totals["calls"],
                usage.totals["tokens"],
                usage.totals["money"] if prices.models else None,
                prices.currency,
                self.built + self.failures,
                self.context.waiting_for_store,
                usage.rests.now,
            )
        )

    def report(self) -> BuildReport:
        usage = self.context.usage
        return BuildReport(
            run=self.context.run,
            users=len(self.users),
            built=self.built,
            skipped=self.skipped,
            steps_before=usage.steps_before,
            failed=dict(self.failed),
            failures=self.failures,
            counts=dict(usage.counts),
            stage_seconds={stage: round(seconds, 3) for stage, seconds in usage.seconds.items()},
            minds={name: dict(counts) for name, counts in usage.minds.items()},
            dearest={user: costs for _, user, costs in sorted(usage.dearest, reverse=True)},
            seconds=usage.elapsed(),
            currency=self.context.prices.currency if self.context.prices.models else "",
        )
