"""Progress where there is no terminal: a line now and then on standard error."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Self

import typer
from rich.progress import TaskID

FIRST_S = 10.0
"""Seconds between lines at first; they grow with the time that was spent, so that a night leaves a page and not a book."""

LONGEST_S = 1e9
"""What is longer is told as this."""


@dataclass
class ProgressTask:
    """One piece of work and how far it is."""

    description: str
    total: float | None
    note: str
    started: float
    printed_at: float
    completed: float = 0
    whole: bool = False

    def change(self, completed: float | None, total: float | None, note: str | None) -> None:
        """What is None stays as it is."""
        self.completed = self.completed if completed is None else completed
        self.total = self.total if total is None else total
        self.note = self.note if note is None else note


class ProgressLines:
    """What is used of Rich's `Progress`."""

    def __init__(self) -> None:
        self._tasks: list[ProgressTask] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add_task(self, description: str, total: float | None = None, note: str = "") -> TaskID:
        self._tasks.append(ProgressTask(description, total, note, monotonic(), monotonic()))
        return TaskID(len(self._tasks) - 1)

    def update(
        self, task_id: TaskID, *, completed: float | None = None, total: float | None = None, note: str | None = None
    ) -> None:
        task, now = self._tasks[task_id], monotonic()
        task.change(completed, total, note)
        whole = task.total is not None and task.completed >= task.total
        if (whole and not task.whole) or now - task.printed_at >= max(FIRST_S, (now - task.started) / 20):
            typer.echo(line(task.description, task.completed, task.total, task.note, now - task.started), err=True)
            task.printed_at = now
        task.whole = whole


def line(description: str, completed: float, total: float | None, note: str, seconds: float) -> str:
    """`reasoning graphs: users 12/300, 1,204 steps, 0:00:32 so far, about 0:12:30 left`."""
    parts = [f"{description} {completed:,.0f}" + ("" if total is None else f"/{total:,.0f}"), note, f"{clock(seconds)} so far"]
    if total and 0 < completed < total:
        parts.append(f"about {clock(seconds * (total - completed) / completed)} left")
    return ", ".join(part for part in parts if part)


def clock(seconds: float) -> str:
    return str(timedelta(seconds=round(min(seconds, LONGEST_S))))
