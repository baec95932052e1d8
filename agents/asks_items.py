"""The further protocol of minds that ask once per item of the catalogue, and not per user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
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


@runtime_checkable
class AsksItems(Protocol):
    """Knows of items what it was told of each, so that users cost no call. A build lets it ask before the first user."""

    name: str

    def profile_name(self, verification: bool) -> str:
        """Name of the profile source that its answers are kept as."""

    def left_to_ask(self, known: Profile | None, *, tries: int, verification: bool) -> list[str]:
        """Items that `known` has no answer for."""

    def use(self, profile: Profile) -> None:
        """Answer from this profile, which another process asked for."""

    async def ask_items(
        self, known: Profile | None, ask: Ask, *, tries: int, verification: bool, counts: Counter[str]
    ) -> Profile:
        """Ask for the items that `known` does not cover, each request through `ask`; `known` itself where it covers all.

        Args: counts: items `asked`, `again` (asked again with a critique), `answered`, `reason_unanswered`, `verify_unanswered`
            (no reply spoke of them); `useless` replies; answers for `unknown` items and `repeated` ones; themes `proposed`,
            their `characters`, those `new` to all items, `checked`, `accepted`, and `foreign_picked` (taken for an item's own).
        Raises: as `Reasoner.reason`.
        """
