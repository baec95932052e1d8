"""Ctrl-C, SIGTERM and SIGHUP (a terminal that goes away) in a command.

They are told at once; the work ends where it can; what cannot be ended is not waited for.
Loading a library or a model holds the main thread, or a thread of the loop, for many seconds in which Python runs no signal
handler. So a thread of its own tells of the signal, and ends the process where the work does not. Stores, caches and checkpoints
are made to be killed at any moment.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Windows has no SIGHUP."""
KEPT: Final = "stopped; what was finished is kept: give the same command again to go on"
FINISHING: Final = " (requests under way are let finish; Ctrl-C again ends at once)"
GRACE_S: Final = 5.0
"""How long work that is interrupted may take to end."""


class Stopping:
    """Of one process."""

    def __init__(self) -> None:
        self.signal = 0
        """The first one that came; 0: none."""
        self._task: asyncio.Task[Any] | None = None
        self._listens = False
        self._announced = threading.Event()
        self._answered = threading.Event()
        """By the loop, which lets the work finish what is under way."""

    @property
    def exit_code(self) -> int:
        return 128 + self.signal

    def listen(self, say: Callable[[str], None]) -> None:
        """From now on signals end the work; `say` is called from another thread, once."""
        self._listens = True
        pipe, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(pipe, say), daemon=True).start()
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # as in the background of a script
                signal.signal(number, self._end_work)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """`asyncio.run`, for work that a signal may end: then the loop's threads are not waited for.

        Raises: KeyboardInterrupt: a signal came.
        """
        import asyncio

        if not self._listens:
            return asyncio.run(work)

        async def watched() -> T:
            self._task = asyncio.current_task()
            return await work

        runner = asyncio.Runner()
        try:
            result = runner.run(watched())
        except BaseException as error:
            if self.signal:
                raise KeyboardInterrupt from error
            runner.close()
            raise
        finally:
            self._task = None
        runner.close()
        return result

    def leave(self) -> NoReturn:
        """End the process without waiting for its threads, whose work may take long and is not needed."""
        self._announced.wait(GRACE_S)
        os._exit(self.exit_code)

    def _end_work(self, number: int, _: object) -> None:
        """The handler, in the main thread."""
        if self._task is None:
            self.signal = self.signal or number
            raise KeyboardInterrupt
        loop = self._task.get_loop()
        if not self.signal:
            self._task.cancel()
        else:
            import asyncio

            for task in asyncio.all_tasks(loop):
                task.cancel()
        self.signal = self.signal or number
        loop.call_soon_threadsafe(self._answered.set)  # it may sleep, or be held up by an import

    def _watch(self, pipe: int, say: Callable[[str], None]) -> None:
        """In a thread: tells of the first signal, and ends the process where the work does not end."""
        first, count, end = 0, 0, float("inf")
        while time.monotonic() < end:
            if select.select([pipe], [], [], 0.1 if first else None)[0]:
                number = os.read(pipe, 1)[0]
                count += number in SIGNALS
                if not first and count:
                    first = number
                    with suppress(OSError):  # the terminal may be gone
                        say(KEPT + FINISHING if self._task else KEPT)
                    self._announced.set()
            at_work = count == 1 and self._task is not None and self._answered.is_set()
            end = float("inf") if at_work or not first else min(end, time.monotonic() + GRACE_S)
        os._exit(128 + first)


stopping: Final = Stopping()
"""Of this process; a program that uses the SDK has signals of its own, and does not let it listen."""
