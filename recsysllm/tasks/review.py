"""A review made short: to its headline, or to the stars that were given with it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from llmrg.recsysllm.config import Family
from llmrg.recsysllm.pieces import Piece
from llmrg.recsysllm.tasks.past import ANSWER_TOKENS, REVIEW_TOKENS, Past, about_item, wording
from llmrg.recsysllm.tasks.protocol import TaskData, TextExample
from llmrg.recsysllm.tasks.words import star_answer, star_of
from llmrg.recsysllm.templates import KINDS, Template


class Review:
    """Each review that has a headline or stars."""

    family: Family = "review"

    def examples(
        self, data: TaskData, user: str, end: int, dice: np.random.Generator, template: Template | None = None
    ) -> Iterator[TextExample]:
        """See `Task.examples`."""
        past, text = Past.of(data, user, end), data.text
        for position, opinion in enumerate(past.opinions):
            if opinion is None or not opinion.text.strip():
                continue
            row, headline, kinds = int(past.rows[position]), " ".join(opinion.headline.split()), set(KINDS[self.family])
            filled = {"user": past.filled(0)["user"], **about_item(text, row)}
            filled["review"] = text.coder.prose(opinion.text, REVIEW_TOKENS)
            if headline:
                filled["headline"] = text.coder.prose(headline, ANSWER_TOKENS)
            else:
                kinds.remove("headline")
            if opinion.rating is not None:
                filled["stars"] = [Piece(f" {star_of(opinion.rating)}")]
            else:
                kinds.remove("stars")
            drawn = wording(self.family, data, filled.keys(), kinds, dice, template)
            if drawn is None or drawn.kind not in kinds:
                continue
            if drawn.kind == "headline":
                answer = text.written(headline, ANSWER_TOKENS)
                yield past.example(drawn, filled, position, answer, "text", item=row, actual=headline)
            elif opinion.rating is not None:
                answer = star_answer(star_of(opinion.rating), text.coder)
                yield past.example(drawn, filled, position, answer, "word", item=row, actual=f"{opinion.rating:g}")
