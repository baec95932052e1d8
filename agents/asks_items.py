"""The further protocol of minds that ask once per item of the catalogue, and not per user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

from llmrg.core.errors import ModelReplyError
from llmrg.core.themes import Profile

T = TypeVar("T")


class Ask(Protocol):
    """Sends a request on somebody's charge."""

    async def __call__(self, stage: str, call: Callable[[], Awaitable[T]], useless: T) -> T:
        """What `call` brings, or `useless` for a reply of which nothing can be used.

        Args: stage: of the build, `reason` or `verify`, that the call is counted for.
        """


async def plainly(stage: str, call: Callable[[], Awaitable[T]], useless: T) -> T:
    """An `Ask` on nobody's charge."""
    try:
        return await call()
    except ModelReplyError:
        return useless


@dataclass(frozen=True)
class ItemAnswers:
    """What asking brought."""

    profile: Profile
    counts: Mapping[str, int] = field(default_factory=Counter)
    """`asked`, `reason_unanswered`, `verify_unanswered` (items that no reply spoke of), `unknown` (answers for items that nobody
    asked about), `repeated`, `proposed`, `accepted`, `foreign_picked` (themes), `again` (items asked again with a critique).
    Empty: everything was known."""


@runtime_checkable
class AsksItems(Protocol):
    """Knows of items what it was told of each, so that users cost no call. A build lets it ask before the first user."""

    name: str

    def profile_name(self, verification: bool) -> str:
        """Name of the profile source that its answers are kept as."""

    async def ask_items(self, known: Profile | None, ask: Ask, *, tries: int, verification: bool) -> ItemAnswers:
        """Ask for the items that `known` does not cover, each request through `ask`. Raises as `Reasoner.reason`."""
