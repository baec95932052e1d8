"""Questions in words to a trained RecSysLLM: stars, explanations, headlines, and any question about a user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from llmrg.core.errors import CallerError, ConfigError
from llmrg.recommenders.protocol import Query
from llmrg.recsysllm import answers
from llmrg.recsysllm.candidates import score_candidates
from llmrg.recsysllm.config import Family
from llmrg.recsysllm.pieces import Piece, Tokens, joined
from llmrg.recsysllm.tasks.past import REVIEW_TOKENS, Past, about_item
from llmrg.recsysllm.tasks.protocol import AnswerKind, TextExample
from llmrg.recsysllm.tasks.words import star_of
from llmrg.recsysllm.templates import Filling, load_templates

if TYPE_CHECKING:
    from llmrg.recsysllm.recommender import RecSysLlm

NOTHING = Tokens(np.zeros(0, np.int64), np.zeros(0, np.int64))


def rate(model: RecSysLlm, queries: Sequence[Query], items: Sequence[str]) -> np.ndarray:
    """(Q,) float64 expected stars, in [1, 5], that each query's user would give an item.

    Raises: CallerError: not one item a query; UnknownItemError; ConfigError: the model was not trained for ratings.
    """
    if len(queries) != len(items):
        raise CallerError(f"one item for each query is expected, not {len(items)} for {len(queries)}")
    _trained_for(model, "rating")
    means = []
    for query, item in zip(queries, items, strict=True):
        example = _about(model, "rating", "stars", query, item, {}, "word")
        graphs = model.graphs_of([query])
        means.append(answers.rate(model.fitted_net(), model.config, model.words, example, graphs).mean)
    return np.array(means, dtype=np.float64)


def explain(model: RecSysLlm, query: Query, item: str, feature: str = "", stars: float | None = None) -> str:
    """One sentence on why an item suits the query's user, as reviewers write them.

    It is made up, and checked against nothing: `llmrg.explanations.in_words` has one made from the graph, and checks it.

    Args: feature: a word that the sentence should speak of.
    Raises: UnknownItemError; ConfigError: the model was not trained for explanations.
    """
    _trained_for(model, "explanation")
    more: dict[str, Filling] = {"feature": [Piece(f" {feature}")]} if feature else {}
    if stars is not None:
        more["stars"] = [Piece(f" {star_of(stars)}")]
    example = _about(model, "explanation", "explain", query, item, more, "text")
    return answers.say(model.fitted_net(), model.config, model.words, example, model.graphs_of([query]))


def summarise(model: RecSysLlm, review: str) -> str:
    """A headline for a review. Raises: CallerError: an empty review; ConfigError: the model was not trained for reviews."""
    if not review.strip():
        raise CallerError("the review is empty; give its text")
    _trained_for(model, "review")
    filled: dict[str, Filling] = {"review": model.words.coder.prose(review, REVIEW_TOKENS)}
    templates = load_templates("review", model.phase.more)
    template = next(usable for usable in templates if usable.kind == "headline" and set(usable.slots) <= set(filled))
    example = TextExample(template.id, template.prompt(filled, model.words.coder), NOTHING, "text", 0)
    return answers.say(model.fitted_net(), model.config, model.words, example, None)


def ask(model: RecSysLlm, question: str, query: Query) -> str:
    """What the model writes after a user's history and any question. Raises: CallerError: an empty question."""
    if not question.strip():
        raise CallerError("the question is empty; ask something, such as 'What do they like?'")
    return answers.say(model.fitted_net(), model.config, model.words, _open(model, question, query), model.graphs_of([query]))


@dataclass(frozen=True)
class Teller:
    """Puts into words why an item suits a query's user (`llmrg.explanations.in_words`)."""

    model: RecSysLlm
    query: Query
    item: str

    def write(self, reason: str) -> str:
        """A free sentence that should speak of a reason; "" where the model was not trained for explanations."""
        if "explanation" not in self.model.config.families:
            return ""
        return explain(self.model, self.query, self.item, reason)

    def likelihoods(self, sentences: Sequence[str]) -> list[float]:
        """Mean log-probability of a token of each sentence after the user's history, among all words.

        Raises: CallerError: no sentences, or an empty one.
        """
        model, example = self.model, _open(self.model, "Why the next one?", self.query)
        coded = [model.words.coder.ids(" " + sentence.strip()) if sentence.strip() else () for sentence in sentences]
        reading = answers.read(model.fitted_net(), model.config, model.words, example, model.graphs_of([self.query]))
        return [float(total) / len(words) for total, words in zip(score_candidates(reading, coded), coded, strict=True)]


def _open(model: RecSysLlm, question: str, query: Query) -> TextExample:
    """A prompt of a user's history and any question."""
    rows = model.items.rows(query.history.items)
    past = Past(model.words, query.history.user, query.history.attributes, rows, (None,) * len(rows))
    coder = model.words.coder
    before, tail = coder.code([Piece("Taken so far, oldest first:")]), coder.code([Piece(" " + question.strip())])
    history = past.filled(len(rows)).get("history", NOTHING)
    assert isinstance(history, Tokens)
    place = len(before), len(before) + len(history)
    return TextExample("", joined([before, history, tail]), NOTHING, "text", len(rows), history=place)


def _about(
    model: RecSysLlm, family: Family, kind: str, query: Query, item: str, more: Mapping[str, Filling], answer: AnswerKind
) -> TextExample:
    """A prompt about a user and an item: the first wording that holds all of `more` and no slot that nothing fills."""
    rows = model.items.rows(query.history.items)
    past = Past(model.words, query.history.user, query.history.attributes, rows, (None,) * len(rows))
    filled = {**past.filled(len(rows)), **about_item(model.words, model.items.row(item)), **more}
    fitting = [
        template
        for template in load_templates(family, model.phase.more)
        if template.kind == kind and set(template.slots) <= set(filled)
    ]
    fitting.sort(key=lambda template: (template.unseen, -len(set(template.slots) & set(more)), "history" not in template.slots))
    if not fitting:
        raise ConfigError(f"no template of the family {family!r} asks for {kind} with the slots {', '.join(filled)}")
    return past.example(fitting[0], filled, len(rows), NOTHING, answer, item=model.items.row(item))


def _trained_for(model: RecSysLlm, family: Family) -> None:
    if family not in model.config.families:
        raise ConfigError(
            f"this model was trained for {', '.join(model.config.families)}, not for {family}; train it with "
            f"`llmrg train recsysllm --set families={','.join([*model.config.families, family])}`"
        )
