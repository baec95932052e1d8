"""What comes next, in words: among candidates, or yes or no. The titles alone are asked for in `sequences`, many at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from llmrg.recsysllm.config import Family
from llmrg.recsysllm.tasks.choices import choices
from llmrg.recsysllm.tasks.protocol import TaskData, TextExample
from llmrg.recsysllm.templates import Template

DRAWN = ("choose", "yes_no")
"""Kinds that are drawn; one of the others can be given."""


class Sequential:
    """The item after each position."""

    family: Family = "sequential"

    def examples(
        self, data: TaskData, user: str, end: int, dice: np.random.Generator, template: Template | None = None
    ) -> Iterator[TextExample]:
        """See `Task.examples`."""
        return choices(self.family, DRAWN, data, user, end, dice, template)
