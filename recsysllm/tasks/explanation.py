"""Why an item suits a user: the first sentence that they wrote of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from llmrg.recsysllm.config import Family
from llmrg.recsysllm.pieces import Piece
from llmrg.recsysllm.tasks.features import first_sentence, used_by
from llmrg.recsysllm.tasks.past import ANSWER_TOKENS, Past, about_item, wording
from llmrg.recsysllm.tasks.protocol import TaskData, TextExample
from llmrg.recsysllm.tasks.words import star_of
from llmrg.recsysllm.templates import KINDS, Template


class Explanation:
    """Each item that was written of; a word that the sentence holds, or the stars, may be given away."""

    family: Family = "explanation"

    def examples(
        self, data: TaskData, user: str, end: int, dice: np.random.Generator, template: Template | None = None
    ) -> Iterator[TextExample]:
        """See `Task.examples`."""
        past, text = Past.of(data, user, end), data.text
        own = used_by(data.dataset, user)
        for position, opinion in enumerate(past.opinions):
            sentence = first_sentence(opinion.text) if opinion is not None else ""
            if opinion is None or not sentence:
                continue
            row = int(past.rows[position])
            filled = past.filled(position) | about_item(text, row)
            if opinion.rating is not None:
                filled["stars"] = [Piece(f" {star_of(opinion.rating)}")]
            if feature := data.features.of_sentence(sentence, own):
                filled["feature"] = [Piece(f" {feature}")]
            drawn = wording(self.family, data, filled.keys(), tuple(KINDS[self.family]), dice, template)
            if drawn is not None:
                answer = text.written(sentence, ANSWER_TOKENS)
                yield past.example(drawn, filled, position, answer, "text", item=row, actual=sentence)
