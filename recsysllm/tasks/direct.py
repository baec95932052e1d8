"""What to recommend: among candidates, yes or no, or something new."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from llmrg.recsysllm.config import Family
from llmrg.recsysllm.tasks.choices import choices
from llmrg.recsysllm.tasks.protocol import TaskData, TextExample
from llmrg.recsysllm.templates import KINDS, Template


class Direct:
    """An item that suits the user, which is the one they took next."""

    family: Family = "direct"

    def examples(
        self, data: TaskData, user: str, end: int, dice: np.random.Generator, template: Template | None = None
    ) -> Iterator[TextExample]:
        """See `Task.examples`."""
        return choices(self.family, tuple(KINDS[self.family]), data, user, end, dice, template)
