"""Progress on standard error: what is being done, for how many users, how long it took and will still take.

Bars in a terminal and in the cells of a notebook; elsewhere (a pipe, a log file) a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from llmrg.console import err
from llmrg.progress.lines import ProgressLines, clock
from llmrg.progress.notebook import NotebookBars

if TYPE_CHECKING:
    from llmrg.agents.run.build import BuildEvent
    from llmrg.evaluation.held_out import Ranks
    from llmrg.graph_store.contents import Counted
    from llmrg.recommenders.training import Epoch
    from llmrg.recsysllm.training import Progress as LlmProgress


class _Times(ProgressColumn):
    """`0:00:32 so far, about 0:02:10 left`."""

    def render(self, task: Task) -> Text:
        left = "" if task.time_remaining is None or task.finished else f", about {clock(task.time_remaining)} left"
        return Text(f"{clock(task.finished_time or task.elapsed or 0)} so far{left}", style="progress.elapsed")


def bars() -> Progress | ProgressLines | NotebookBars:
    if err.console.is_jupyter:
        return NotebookBars()
    if not err.console.is_terminal:
        return ProgressLines()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        _Times(),
        console=err.console,
    )


@contextmanager
def building(title: str = "reasoning graphs: users") -> Iterator[Callable[[BuildEvent], None]]:
    """A bar fed by the events of a build."""
    with bars() as progress:
        task = progress.add_task(title, total=None, note="")

        def show(event: BuildEvent) -> None:
            progress.update(task, completed=event.done, total=event.total, note=build_note(event))

        yield show


def build_note(event: BuildEvent) -> str:
    """`1,204 steps · 310 calls · 0.12 EUR · 41 users/min`."""
    parts = [f"{event.accepted:,} steps"]
    if event.calls:
        parts.append(f"{event.calls:,.0f} calls, {event.tokens:,.0f} tokens")
    if event.money is not None:
        parts.append(f"{event.money:,.2f} {event.currency}".rstrip())
    if event.seconds > 10 and event.done:
        parts.append(f"{60 * event.finished / event.seconds:,.1f} users/min")
    if event.failed:
        parts.append(f"{event.failed:,} failed")
    if event.waiting_for_store:
        parts.append("waiting for the store")
    if event.resting:
        parts.append(event.resting)
    return " · ".join(parts)


@contextmanager
def training(title: str) -> Iterator[tuple[Callable[[Epoch], None], Callable[[LlmProgress], None]]]:
    """A bar fed by the epochs of a training, and one by the steps of an epoch where these are told."""
    with bars() as progress:
        task = progress.add_task(f"{title}: epochs", total=None, note="")
        inner: list[TaskID] = []

        def show(epoch: Epoch) -> None:
            metric = "" if epoch.ndcg is None else f"validation NDCG@10 {epoch.ndcg:.3f}"
            metric = metric if epoch.nll is None else f"validation NLL {epoch.nll:.3f}"
            progress.update(task, completed=epoch.number, total=epoch.of, note=metric)

        def step(now: LlmProgress) -> None:
            if not inner:
                inner.append(progress.add_task("steps of the epoch", total=None, note=""))
            note = f"loss {now.loss:.3f} · {now.tokens_per_second:,.0f} tokens/s · all epochs in {now.seconds_left / 60:,.0f} min"
            progress.update(inner[0], completed=now.step, total=now.of, note=note)

        yield show, step


@contextmanager
def answering() -> Iterator[Callable[[str, int, int], None]]:
    """A bar of answers, fed with what is asked, how many there are and how many there will be."""
    with bars() as progress:
        task = progress.add_task("answers", total=None, note="")

        def show(what: str, done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, note=what)

        yield show


@contextmanager
def listing() -> Iterator[Callable[[int, int], None]]:
    """A bar of users whose lists are written."""
    with bars() as progress:
        task = progress.add_task("recommendations: users", total=None, note="")
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def moving() -> Iterator[Callable[[Counted, int, int], None]]:
    """A bar for each kind of thing that is copied, fed by a move."""
    with bars() as progress:
        tasks: dict[Counted, TaskID] = {}

        def show(what: Counted, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=None, note="")
            progress.update(tasks[what], completed=done, total=total)

        yield show


@contextmanager
def steps(title: str, total: int) -> Iterator[Trainings]:
    """A bar of `total` trainings, a line for each that is done."""
    with bars() as progress:
        yield (shown := Trainings(progress, progress.add_task(title, total=total, note="")))
        progress.update(shown.task, completed=total, note="")


class Trainings:
    """Told of the trainings of a table: how many are kept, each name as it begins, its epochs, what it came to."""

    def __init__(self, progress: Progress | ProgressLines | NotebookBars, task: TaskID) -> None:
        self._progress, self.task = progress, task
        self._name, self._begun, self._done, self._kept = "", 0.0, 0, 0

    def kept(self, number: int, of: int, advice: str = "") -> None:
        self._kept = number
        self._progress.update(self.task, completed=number, total=of)
        if number:
            err.print(f"{number} of {of} rows kept from before{advice}", highlight=False, markup=False)

    def __call__(self, name: str) -> None:
        self._name, self._begun = name, time.monotonic()
        self._progress.update(self.task, completed=self.finished, note=name)

    def epoch(self, epoch: Epoch) -> None:
        metric = "" if epoch.ndcg is None else f", validation NDCG@10 {epoch.ndcg:.3f}"
        metric = metric if epoch.nll is None else f", validation NLL {epoch.nll:.3f}"
        self._progress.update(self.task, completed=self.finished, note=f"{self._name}: epoch {epoch.number}/{epoch.of}{metric}")

    def ranked(self, ranks: Ranks) -> None:
        from llmrg.recommenders.ranking import mean_ndcg

        self._done += 1
        ndcg = f"NDCG@10 {mean_ndcg(ranks.masked):.4f}"
        err.print(f"{self._name}: {ndcg}, {clock(time.monotonic() - self._begun)}", highlight=False, markup=False)

    @property
    def finished(self) -> int:
        """Trainings whose ranks are kept."""
        return self._kept + self._done
