"""Who builds the users of a wave: this process, unless `agents.run.build.build` is given a crew of other processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from llmrg.agents.context import BuildContext
from llmrg.agents.machine.nodes.plan import blocks_of
from llmrg.agents.machine.wiring import machine, steps_at_most


class Crew(Protocol):
    """Builds users."""

    places: int
    """Users under way at once at most."""

    async def build(self, place: int, user: str) -> None:
        """Build one user's graph and publish it; what it costs is counted in the usage of the build's context.

        Args: place: from 0 to `places` - 1; one user at a time is under way in it.
        Raises: LlmrgError.
        """


ReportCosts = Callable[[], Awaitable[None]]
OpenCrew = Callable[[BuildContext, ReportCosts], AbstractAsyncContextManager[Crew]]
"""Opens a crew for a build; it calls the second argument now and then when costs have come in."""


@asynccontextmanager
async def this_process(context: BuildContext, _: ReportCosts) -> AsyncIterator[Crew]:
    """The crew where there is no other."""
    yield Here(context)


class Here:
    """Runs the machines of users in this process's event loop."""

    def __init__(self, context: BuildContext) -> None:
        self._context = context
        self.places = context.config.concurrency

    async def build(self, place: int, user: str) -> None:
        context = self._context
        blocks = len(blocks_of(len(context.history(user)), 0, context.block_size, context.held_out))
        limit = steps_at_most(blocks, context.config.tries)
        try:
            with context.tracing.span("llmrg.user", llmrg__user=user, llmrg__items=len(context.history(user))):
                # With "updates" LangGraph reads no state for us after each node: nobody here looks at it.
                await machine().ainvoke({"user": user}, {"recursion_limit": limit}, context=context, stream_mode="updates")
        finally:
            context.usage.close_user(user)
