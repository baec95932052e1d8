"""Progress bars on standard error: what is being done, for how many users, and how long it will still take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from llmrg.cli.app import err

if TYPE_CHECKING:
    from llmrg.agents.fleet import BuildEvent
    from llmrg.graph_store.contents import Counted
    from llmrg.recommenders.training import Epoch
    from llmrg.recsysllm.training import Progress as LlmProgress


def bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
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
            found = "" if epoch.ndcg is None else f"validation NDCG@10 {epoch.ndcg:.3f}"
            found = found if epoch.nll is None else f"validation NLL {epoch.nll:.3f}"
            progress.update(task, completed=epoch.number, total=epoch.of, note=found)

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
def steps(title: str, total: int) -> Iterator[Callable[[str], None]]:
    """A bar of `total` named steps; each call starts the next one."""
    with bars() as progress:
        task = progress.add_task(title, total=total, note="")
        started = 0

        def show(name: str) -> None:
            nonlocal started
            progress.update(task, completed=started, note=name)
            started += 1

        yield show
        progress.update(task, completed=total, note="")
