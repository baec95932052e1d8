"""Which item comes next: among candidates, with yes or no, or by its title. Two families ask so, each in its own words."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from llmrg.recsysllm.config import Family
from llmrg.recsysllm.pieces import IntArray
from llmrg.recsysllm.tasks.past import Past, about_item, wording
from llmrg.recsysllm.tasks.protocol import TaskData, TextExample
from llmrg.recsysllm.tasks.words import yes_no_answer
from llmrg.recsysllm.templates import Template
from llmrg.recsysllm.textualise import Textualiser

CANDIDATES = 10
"""Items to choose among, the right one included."""
DRAWS = 64
"""Candidates that are looked at before the whole catalogue is put in a random order."""


class Untaken:
    """Items that a user has not taken, of other titles than those taken."""

    def __init__(self, text: Textualiser, taken: IntArray) -> None:
        """Args: taken: all catalogue rows that may be known: those before `end`, so that no later item changes what is drawn."""
        self._text = text
        self._titles = {text.titles[row - 1] for row in taken.tolist()}

    def draw(self, count: int, dice: np.random.Generator) -> list[int]:
        """Catalogue rows of so many items of different titles; fewer where there are no more."""
        titles = set(self._titles)
        rows = self._of(dice.integers(len(self._text.titles), size=DRAWS), count, titles)
        if len(rows) < count:
            rows += self._of(dice.permutation(len(self._text.titles)), count - len(rows), titles)
        return rows

    def _of(self, places: IntArray, count: int, titles: set[tuple[int, ...]]) -> list[int]:
        """The first of these whose titles are not among `titles`, to which they are added."""
        rows: list[int] = []
        for place in places.tolist():
            if len(rows) == count:
                break
            if self._text.titles[place] not in titles:
                titles.add(self._text.titles[place])
                rows.append(place + 1)
        return rows


def choices(
    family: Family,
    kinds: Collection[str],
    data: TaskData,
    user: str,
    end: int,
    dice: np.random.Generator,
    fixed: Template | None,
) -> Iterator[TextExample]:
    """An example for each item but the first. See `Task.examples`.

    A yes or no is asked of the item that did follow, half of the time, else of one that was not taken; its attributes are named
    only where both have some, so that they give nothing away.
    """
    past, text = Past.of(data, user, end), data.text
    untaken = Untaken(text, past.rows)
    for position in range(1, len(past.rows)):
        row, others = int(past.rows[position]), untaken.draw(CANDIDATES - 1, dice)
        filled, slots = past.filled(position), {"user", "history"}
        if others:
            slots |= {"candidates"} | (about_item(text, row).keys() & about_item(text, others[0]).keys())
        template = wording(family, data, slots, kinds, dice, fixed)
        if template is None:
            continue
        if template.kind == "yes_no":
            yes = bool(dice.random() < 0.5)
            spoken = row if yes else others[0]
            filled |= about_item(text, spoken)
            answer, actual = yes_no_answer(yes, text.coder), "yes" if yes else "no"
            yield past.example(template, filled, position, answer, "word", item=spoken, actual=actual)
            continue
        offered: tuple[int, ...] = ()
        if template.kind == "choose":
            offered = tuple(dice.permutation([row, *others]).tolist())
            filled["candidates"] = text.listed(offered)
        title = data.dataset.catalogue[data.dataset.catalogue.ids[row - 1]].title
        yield past.example(template, filled, position, text.title(row), "item", item=row, actual=title, candidates=offered)
