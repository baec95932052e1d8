"""What a family of tasks is: from a user's history and opinions to prompts with answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from llmrg.data.dataset import Dataset
from llmrg.recsysllm.config import Family
from llmrg.recsysllm.pieces import Tokens
from llmrg.recsysllm.tasks.features import Features
from llmrg.recsysllm.templates import Template
from llmrg.recsysllm.textualise import Textualiser

AnswerKind = Literal["word", "text", "item"]


@dataclass(frozen=True)
class TextExample:
    """One prompt with its answer."""

    template: str
    """Id of the template."""
    prompt: Tokens
    answer: Tokens
    """Without an end."""
    kind: AnswerKind
    """`word`: one of a few words; `text`: free text, ended by the model's end of text; `item`: a title of the catalogue."""
    position: int
    """Items of the history that are known: what the graph in the slots is cut at."""
    item: int = 0
    """Catalogue row that is spoken of, or that is the answer; 0 for none."""
    actual: str = ""
    """The answer as text, for evaluation: of stars the rating as it was given, of a text the whole of it."""
    candidates: tuple[int, ...] = ()
    """Catalogue rows to choose among, in the order of the prompt."""
    history: tuple[int, int] = (0, 0)
    """Where the history stands in the prompt, [start, stop): the part that may be shortened."""


@dataclass(frozen=True)
class TaskData:
    """What a task may read."""

    dataset: Dataset
    text: Textualiser
    more: Path | None = None
    """A file of further templates."""

    @cached_property
    def features(self) -> Features:
        """What training reviews speak of."""
        return Features.of(self.dataset)


class Task(Protocol):
    """One family. Register another with `llmrg.recsysllm.tasks.TASKS`."""

    family: Family

    def examples(
        self, data: TaskData, user: str, end: int, dice: np.random.Generator, template: Template | None = None
    ) -> Iterator[TextExample]:
        """Examples of a user that read items[:end] and opinions[:end] alone, never anything at or after `end`.

        One for each position that the source can feed, in order of time.

        Args: template: asks in this wording; without one, each example draws a wording that is not held out.
        Raises: UnknownUserError: not in the data; ConfigError: a template that is not right, or of another family.
        """
