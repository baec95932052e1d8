"""What came of the questions about one user: a reply of which nothing can be used is no answer, and is asked for again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class ReplyCounts:
    """In one call of build."""

    usable: int = 0
    """Answers that could be used."""
    useless: int = 0
    last: str = ""
    """What was wrong with the last useless one."""
    since: int | None = None
    """Begin of the first block that has a useless reply: from there on the user is asked again by the next call."""
    _here: int = 0

    def refuse(self, problem: str) -> None:
        """A useless reply came."""
        self.useless += 1
        self._here += 1
        self.last = problem

    @property
    def nothing(self) -> bool:
        """Whether all that came is useless."""
        return self.useless > 0 and not self.usable

    def end_block(self, start: int) -> bool:
        """The block that begins there is done. Returns whether it changes `since`."""
        here, self._here = self._here, 0
        if not here or (self.since is not None and self.since <= start):
            return False
        self.since = start
        return True
