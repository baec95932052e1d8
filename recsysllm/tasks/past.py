"""What is known of a user before a cut, and the prompts made of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from llmrg.core.errors import ConfigError
from llmrg.core.records import Attributes
from llmrg.data.opinions import Opinions
from llmrg.recsysllm.config import Family
from llmrg.recsysllm.pieces import IntArray, Tokens, joined
from llmrg.recsysllm.tasks.protocol import AnswerKind, TaskData, TextExample
from llmrg.recsysllm.templates import Filling, Template, load_templates
from llmrg.recsysllm.textualise import Textualiser, user_pieces

HISTORY_ITEMS = 12
"""Newest items of a history that stand in a prompt at most."""
REVIEW_TOKENS = 160
"""Of a review in a prompt at most; the rest is cut."""
ANSWER_TOKENS = 40
"""Of an answer in words at most."""


@dataclass(frozen=True)
class Past:
    """A user's first items and what was said of them."""

    text: Textualiser
    user: str
    attributes: Attributes
    rows: IntArray
    """(E,) catalogue rows, oldest first."""
    opinions: Opinions
    """E places."""

    @classmethod
    def of(cls, data: TaskData, user: str, end: int) -> Self:
        """Raises: UnknownUserError: not in the data."""
        history = data.dataset.history(user).before(max(end, 0))
        rows = np.array([data.dataset.catalogue.row(item) for item in history.items], dtype=np.int64)
        opinions = data.dataset.opinions_before(user, len(history))
        return cls(data.text, user, history.attributes, rows, opinions + (None,) * (len(rows) - len(opinions)))

    def filled(self, position: int) -> dict[str, Filling]:
        """Who the user is and what they had taken before a position; no history where there was none."""
        filled: dict[str, Filling] = {"user": user_pieces(self.attributes)}
        if position > 0:
            filled["history"] = self.text.history(self.rows[max(0, position - HISTORY_ITEMS) : position].tolist())
        return filled

    def example(
        self, template: Template, filled: Mapping[str, Filling], position: int, answer: Tokens, kind: AnswerKind, **more: Any
    ) -> TextExample:
        """Args: more: further fields of the example."""
        if "history" not in template.slots:
            return TextExample(template.id, template.prompt(filled, self.text.coder), answer, kind, position, **more)
        before, after = template.around("history", filled, self.text.coder)
        history = filled["history"]
        assert isinstance(history, Tokens)
        place = len(before), len(before) + len(history)
        return TextExample(template.id, joined([before, history, after]), answer, kind, position, history=place, **more)


def about_item(text: Textualiser, row: int) -> dict[str, Filling]:
    """An item's title, and its attributes in brackets where it has any."""
    line, title = text.items[row - 1], text.title(row)
    inside = slice(len(title), len(line) - 1)
    about = Tokens(line.ids[inside], line.entity[inside])
    return {"item": title, **({"about": about} if len(about) else {})}


def wording(
    family: Family,
    data: TaskData,
    slots: Collection[str],
    kinds: Collection[str],
    dice: np.random.Generator,
    chosen: Template | None,
) -> Template | None:
    """A template whose slots are all among these: the one given, else one drawn; None where there is none.

    Args: kinds: what may be drawn; a template that is given may ask for more.
    Raises: ConfigError: the template given is of another family.
    """
    if chosen is not None:
        if chosen.family != family:
            raise ConfigError(f"the template {chosen.id!r} is of the family {chosen.family!r}, not {family!r}")
        return chosen if set(chosen.slots) <= set(slots) else None
    fitting = [
        template
        for template in load_templates(family, data.more)
        if not template.unseen and template.kind in kinds and set(template.slots) <= set(slots)
    ]
    return fitting[int(dice.integers(len(fitting)))] if fitting else None
