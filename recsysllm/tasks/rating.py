"""How many stars a user gives: the number, whether it is a certain one, whether the item is liked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from llmrg.recsysllm.config import Family
from llmrg.recsysllm.pieces import Piece
from llmrg.recsysllm.tasks.past import Past, about_item, wording
from llmrg.recsysllm.tasks.protocol import TaskData, TextExample
from llmrg.recsysllm.tasks.words import LIKED, STARS, star_answer, star_of, yes_no_answer
from llmrg.recsysllm.templates import KINDS, Template


class Rating:
    """Each item that was rated; what was written of it is not shown."""

    family: Family = "rating"

    def examples(
        self, data: TaskData, user: str, end: int, dice: np.random.Generator, template: Template | None = None
    ) -> Iterator[TextExample]:
        """See `Task.examples`."""
        past, coder = Past.of(data, user, end), data.text.coder
        for position, opinion in enumerate(past.opinions):
            if opinion is None or opinion.rating is None:
                continue
            row, star = int(past.rows[position]), star_of(opinion.rating)
            filled = past.filled(position) | about_item(data.text, row)
            drawn = wording(self.family, data, {*filled, "stars"}, tuple(KINDS[self.family]), dice, template)
            if drawn is None:
                continue
            answer, actual = star_answer(star, coder), f"{opinion.rating:g}"
            if drawn.kind != "stars":
                yes = star >= LIKED
                if drawn.kind == "yes_no":
                    yes = bool(dice.random() < 0.5)
                    claimed = star if yes else int(dice.choice([other for other in STARS if other != star]))
                    filled["stars"] = [Piece(f" {claimed}")]
                answer, actual = yes_no_answer(yes, coder), "yes" if yes else "no"
            yield past.example(drawn, filled, position, answer, "word", item=row, actual=actual)
