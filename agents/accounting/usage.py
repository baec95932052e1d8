"""What a build asked, got and cost, counted per stage, mind and user."""

from __future__ import annotations

import heapq
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from llmrg.agents.accounting.reply_counts import ReplyCounts
from llmrg.agents.accounting.rests import Rests

Counts = defaultdict[str, float]
DEAREST = 10
"""Users kept of those that took the most tokens."""
_COSTS = ("calls", "tokens", "money")


@dataclass(frozen=True, slots=True)
class UsagePart:
    """What was counted since the part before; travels between the processes of one build."""

    counts: dict[str, float]
    seconds: dict[str, float]
    minds: dict[str, dict[str, float]]
    totals: dict[str, float]
    dearest: list[tuple[float, str, dict[str, float]]]


class Usage:
    """Counters of one run, named `stage.what`; seconds are wall time inside the stage."""

    def __init__(self) -> None:
        self.counts: Counts = defaultdict(float)
        self.seconds: Counts = defaultdict(float)
        self.minds: defaultdict[str, Counts] = defaultdict(lambda: defaultdict(float))
        """Mind name -> calls, tokens, seconds, money and so on."""
        self.totals: Counts = defaultdict(float)
        """The same over all minds."""
        self.dearest: list[tuple[float, str, dict[str, float]]] = []
        """(tokens, user, costs) of the users that took the most; a heap."""
        self.replies: defaultdict[str, ReplyCounts] = defaultdict(ReplyCounts)
        """User under way -> what came of the questions."""
        self.steps_before = False
        """Whether users that were done before have steps that count."""
        self.rests = Rests()
        self.started = time.monotonic()
        self._users: defaultdict[str, Counts] = defaultdict(lambda: defaultdict(float))

    def add(self, name: str, number: float = 1) -> None:
        if number:
            self.counts[name] += number

    def charge(self, stage: str, mind: str, user: str, numbers: Mapping[str, float]) -> None:
        """Count what a call cost, for its stage, its mind and its user."""
        for what, number in numbers.items():
            self.add(f"{stage}.{what}", number)
            for counts in (self.minds[mind], self.totals, self._users[user]):
                counts[what] += number

    def close_user(self, user: str) -> dict[str, float]:
        """A user is finished: what the user's calls cost. Only the dearest users are remembered, so memory does not grow."""
        self.replies.pop(user, None)
        spent = dict(self._users.pop(user, {}))
        if spent.get("tokens", 0):
            self._remember((spent["tokens"], user, {what: spent[what] for what in _COSTS if what in spent}))
        return spent

    def _remember(self, user: tuple[float, str, dict[str, float]]) -> None:
        heapq.heappush(self.dearest, user)
        if len(self.dearest) > DEAREST:
            heapq.heappop(self.dearest)

    def take(self) -> UsagePart:
        """What was counted since it was last taken; counting begins anew."""
        minds = {name: dict(counts) for name, counts in self.minds.items()}
        part = UsagePart(dict(self.counts), dict(self.seconds), minds, dict(self.totals), list(self.dearest))
        for counted in (self.counts, self.seconds, self.minds, self.totals, self.dearest):
            counted.clear()
        return part

    def merge(self, part: UsagePart) -> None:
        """Add what another process counted."""
        pairs = [(self.counts, part.counts), (self.seconds, part.seconds), (self.totals, part.totals)]
        for counts, more in [*pairs, *((self.minds[name], more) for name, more in part.minds.items())]:
            for what, number in more.items():
                counts[what] += number
        for user in part.dearest:
            self._remember(user)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] += time.monotonic() - start

    def elapsed(self) -> float:
        return time.monotonic() - self.started
