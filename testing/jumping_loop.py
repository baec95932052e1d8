"""An event loop in simulated time: hours of waiting take a second."""

from __future__ import annotations

import asyncio
import selectors


class JumpingLoop(asyncio.SelectorEventLoop):
    """Its clock jumps over every wait: `asyncio.Runner(loop_factory=JumpingLoop)`."""

    def __init__(self) -> None:
        self._clock = 0.0
        loop = self

        class Jump(selectors.SelectSelector):
            def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
                ready = super().select(0)
                loop._clock += timeout if timeout and not ready else 0.0
                return ready

        super().__init__(Jump())

    def time(self) -> float:
        """Simulated seconds since the loop was made."""
        return self._clock
