"""What the SDK shows while one waits: bars in a notebook's cell by itself, elsewhere bars or lines on demand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from llmrg.agents.run.build import BuildEvent
    from llmrg.progress.bars import Trainings
    from llmrg.recommenders.training import Epoch
    from llmrg.recsysllm.training import Progress as LlmProgress

T = TypeVar("T")
Progress = Callable[[Any], None] | bool | None
"""Of a call of the SDK: who is told; True shows bars (without a terminal lines on standard error), False nothing; None shows bars
in a notebook and nothing elsewhere."""


def is_shown(progress: Progress) -> bool:
    """Whether this call shows its progress itself."""
    return progress is True or (progress is None and in_notebook())


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook."""
    if "IPython" not in sys.modules:
        return False
    from rich.console import Console

    return Console().is_jupyter


def heard_by(first: Callable[[T], None] | None, second: Callable[[T], None]) -> Callable[[T], None]:
    """One who tells both."""

    def tell(event: T) -> None:
        if first is not None:
            first(event)
        second(event)

    return tell


@contextmanager
def build_progress(progress: Progress) -> Iterator[Callable[[BuildEvent], None] | None]:
    """Who is told of the events of a build."""
    if not is_shown(progress):
        yield progress if callable(progress) else None
        return
    from llmrg.progress.bars import building

    with building() as show:
        yield show


@contextmanager
def training_progress(
    progress: Progress, step: Callable[[LlmProgress], None] | None, title: str
) -> Iterator[tuple[Callable[[Epoch], None] | None, Callable[[LlmProgress], None] | None]]:
    """Who is told of epochs, and of the steps of a language model."""
    if not is_shown(progress):
        yield (progress if callable(progress) else None), step
        return
    from llmrg.progress.bars import training

    with training(title) as (show, show_step):
        yield show, step or show_step


@contextmanager
def table_progress(progress: Progress, trainings: int) -> Iterator[Trainings | None]:
    """Who is told of the trainings of a table; None where the caller is, or nobody."""
    if not is_shown(progress):
        yield None
        return
    from llmrg.progress.bars import steps

    with steps("train and rank", trainings) as show:
        yield show
