"""The paper's data phase: from users, histories and opinions to the examples of training and to questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from llmrg.core.errors import ConfigError
from llmrg.core.records import History, ReasoningGraph
from llmrg.recommenders.base import FitData
from llmrg.recsysllm.backbone import Backbone
from llmrg.recsysllm.config import RecSysLlmConfig
from llmrg.recsysllm.graph_text import graph_pieces
from llmrg.recsysllm.layout import Layout
from llmrg.recsysllm.pieces import IntArray
from llmrg.recsysllm.sequences import Prompt, SequenceExamples, Words, no_words
from llmrg.recsysllm.tasks import TASKS
from llmrg.recsysllm.tasks.layouts import end_of_text, text_layout
from llmrg.recsysllm.tasks.protocol import TaskData, TextExample
from llmrg.recsysllm.templates import Template, load_templates
from llmrg.recsysllm.textualise import Textualiser, user_pieces

VALIDATED = 300
"""Users at most whose held-out opinions decide when to stop, where no items are asked for."""


@dataclass(frozen=True)
class DataPhase:
    """Makes examples in the words of one base model."""

    text: Textualiser
    config: RecSysLlmConfig
    backbone: Backbone
    template: str
    """The wording in which what comes next is asked, after training."""

    @property
    def _maker(self) -> SequenceExamples:
        return SequenceExamples(self.text, self.config, self.backbone.stand_ins, self.backbone.window)

    @property
    def more(self) -> Path | None:
        """A file of further templates."""
        return Path(self.config.templates) if self.config.templates else None

    def check_window(self) -> None:
        """Raises: ConfigError: the base model has no room for a question with one item."""
        longest, around = self.text.longest, sum(map(len, self._prompt(History("", ()), self.wording())))
        if self.backbone.window < (least := 2 * longest + around + 24):
            raise ConfigError(
                f"the model {self.config.model!r} has {self.backbone.window} positions; titles of up to {longest} tokens need "
                f"{least}; take another model"
            )

    # -- what comes next ---------------------------------------------------------------------------------------------------
    def question(self, history: History, rows: IntArray, graph: ReasoningGraph | None, user: int, answer: int = 0) -> Layout:
        """What comes after all of `rows`? With an answer, its title is a target."""
        return self._maker.question(history, rows, self._prompt(history, self.wording()), self._words(graph), user, answer)

    def sequences(
        self, data: FitData, rows: Sequence[IntArray], histories: Sequence[History]
    ) -> tuple[list[list[Layout]], list[Layout]]:
        """Training examples, each in its versions, and the questions for the validation items."""
        training, validation, answers = list[list[Layout]](), list[Layout](), data.validation_rows()
        versions = self.config.draws if self.config.layout == "blank" else 1
        seen = [
            template for template in load_templates("sequential", self.more) if template.kind == "next" and not template.unseen
        ]
        for user, (row, history) in enumerate(zip(rows, histories, strict=True)):
            dice = np.random.default_rng(user)
            graph = data.graphs.get(history.user) if self.config.graph == "words" else None
            prompts = [self._prompt(history, seen[int(dice.integers(len(seen)))]) for _ in range(versions)]
            layouts = [self._maker.training(history, row, prompt, self._words(graph), user, dice) for prompt in prompts]
            usable = [layout for layout in layouts if layout is not None]
            if usable:
                training.append(usable)
            if answers[user] and len(row):
                again = self._maker.last_question(usable[0], int(answers[user])) if usable else None
                validation.append(again or self.question(history, row, graph, user, int(answers[user])))
        return training, validation

    def wording(self) -> Template:
        """Raises: ConfigError: no template has that name."""
        templates = {template.id: template for template in load_templates("sequential", self.more)}
        if self.template not in templates:
            raise ConfigError(f"there is no template {self.template!r}; there are {', '.join(templates)}")
        return templates[self.template]

    def _prompt(self, history: History, template: Template) -> Prompt:
        before, after = template.around("history", {"user": user_pieces(history.attributes)}, self.text.coder)
        start = np.array(self.text.coder.start(), dtype=np.int64)
        return replace(before, ids=np.concatenate([start, before.ids]), entity=np.concatenate([start * 0, before.entity])), after

    def _words(self, graph: ReasoningGraph | None) -> Words:
        if self.config.graph != "words" or graph is None:
            return no_words
        return lambda position: self.text.coder.code(graph_pieces(graph, position))

    # -- texts -------------------------------------------------------------------------------------------------------------
    def texts(self, data: FitData) -> tuple[list[list[Layout]], list[Layout]]:
        """Of all families but what comes next by the item head: some examples a user, drawn anew in each version, and those about
        the held-out opinions of some users."""
        task_data, split = TaskData(data.dataset, self.text, self.more), data.dataset.split
        training, validation = list[list[Layout]](), list[Layout]()
        for number, user in enumerate(data.parts):
            history = data.dataset.histories[user]
            end = split.train_length(history)
            for family in self.families:
                versions = [self._drawn(task_data, family, user, end, number, v) for v in range(self.config.draws)]
                for place in range(min(map(len, versions))):
                    training.append([version[place] for version in versions])
            position = split.validation_position(history)
            if position is not None and len(validation) < VALIDATED:
                validation += [self.layout(example, number) for example in self.held_out(task_data, user, position)]
        return training, validation

    @property
    def families(self) -> list[str]:
        """Families of texts. `sequential` is one beside others, where titles are trained: alone, every item of every history is
        asked for as a title, and choices among a few on top of it would be four fifths of the work."""
        titles = self.config.head != "items" and len(self.config.families) > 1
        return [family for family in self.config.families if family != "sequential" or titles]

    def _drawn(self, task_data: TaskData, family: str, user: str, end: int, number: int, version: int) -> list[Layout]:
        dice = np.random.default_rng((number, version))
        examples = list(TASKS[family].examples(task_data, user, end, dice))  # type: ignore[index]
        if len(examples) > self.config.texts_per_user:
            examples = [examples[n] for n in np.sort(dice.choice(len(examples), self.config.texts_per_user, replace=False))]
        return [self.layout(example, number) for example in examples]

    def held_out(self, task_data: TaskData, user: str, position: int, template: Template | None = None) -> Iterator[TextExample]:
        """What each family asks of one position, which is read as an answer alone."""
        for family in self.families:
            dice = np.random.default_rng(position)
            for example in TASKS[family].examples(task_data, user, position + 1, dice, template):  # type: ignore[index]
                if example.position == position:
                    yield example

    def layout(self, example: TextExample, user: int) -> Layout:
        stop, window = end_of_text(self.backbone), self.backbone.window
        return text_layout(example, self.config, self.text, self.backbone.stand_ins, user, stop=stop, window=window)
