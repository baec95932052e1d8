"""Progress in the cell of a notebook: bars as HTML that replaces itself. No widgets are needed; saved notebooks keep them."""

from __future__ import annotations

from html import escape
from time import monotonic
from typing import Any, Self

from rich.progress import TaskID

from llmrg.progress.lines import ProgressTask, line

EVERY_S = 0.2
"""Seconds between two drawings at least."""


class NotebookBars:
    """What is used of Rich's `Progress`."""

    def __init__(self) -> None:
        self._tasks: list[ProgressTask] = []
        self._handle: Any = None
        self._drawn = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._tasks:
            self._draw()

    def add_task(self, description: str, total: float | None = None, note: str = "") -> TaskID:
        self._tasks.append(ProgressTask(description, total, note, monotonic(), monotonic()))
        self._draw()
        return TaskID(len(self._tasks) - 1)

    def update(
        self, task_id: TaskID, *, completed: float | None = None, total: float | None = None, note: str | None = None
    ) -> None:
        self._tasks[task_id].change(completed, total, note)
        if monotonic() - self._drawn >= EVERY_S:
            self._draw()

    def _draw(self) -> None:
        from IPython.display import HTML, display

        content = HTML("".join(map(_bar, self._tasks)))
        if self._handle is None:
            self._handle = display(content, display_id=True)
        else:
            self._handle.update(content)
        self._drawn = monotonic()


def _bar(task: ProgressTask) -> str:
    size = "" if task.total is None else f' max="{max(task.total, 1):g}" value="{task.completed:g}"'
    text = line(task.description, task.completed, task.total, task.note, monotonic() - task.started)
    return f'<div><progress style="width: 20em"{size}></progress> {escape(text)}</div>'
