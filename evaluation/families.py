"""What a language model answers in words, family by family, beside what means, counts and frequent sentences would answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from llmrg.core.errors import ArtifactError, ConfigError, DataError
from llmrg.core.records import ReasoningGraph
from llmrg.data.dataset import Dataset
from llmrg.evaluation.held_out import Split
from llmrg.evaluation.rating_baselines import GlobalMean, UserItemMeans, training_ratings
from llmrg.evaluation.ratings import rating_error
from llmrg.evaluation.texts import most_frequent_headline, text_overlap
from llmrg.recommenders.fusion.concat import ConcatGraphs
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.ranking import hit_rate, ndcg, reciprocal_rank, target_ranks
from llmrg.recsysllm import answers
from llmrg.recsysllm.config import Family
from llmrg.recsysllm.recommender import RecSysLlm
from llmrg.recsysllm.tasks import TASKS
from llmrg.recsysllm.tasks.features import first_sentence
from llmrg.recsysllm.tasks.protocol import TaskData, TextExample
from llmrg.recsysllm.templates import Template, load_templates

WRITING_USERS = 200
"""Users at most for whom texts are written, word by word."""
Wording = Literal["seen", "unseen"]
Progress = Callable[[str, int, int], None]
"""What is asked, answers so far, answers in all."""


@dataclass(frozen=True, slots=True)
class Case:
    """A user's held-out position, and what is asked of it."""

    user: str
    item: str
    """That stands at the position."""
    example: TextExample


@dataclass(frozen=True)
class FamilyRow:
    """Who answered one kind of question how well."""

    family: Family
    question: str
    by: str
    """`model`, or the name of a baseline."""
    wording: Wording | Literal[""]
    """Whether training drew the template; "" for a baseline, which reads no prompt."""
    template: str
    """Its id."""
    users: int
    """Each asked once; the same for all rows of a question."""
    figures: Mapping[str, float]


@dataclass(frozen=True)
class FamilyTable:
    """All families that a model was trained for, and how they were asked."""

    rows: tuple[FamilyRow, ...]
    card: Mapping[str, str]
    """The protocol: label to text."""
    model: str
    """Name of the recommender."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Question:
    """A kind of question, in a wording that training drew and in one that it did not."""

    family: Family
    name: str
    kind: str
    shows: tuple[str, ...] = ()
    """Slots that the wording must have."""
    hides: tuple[str, ...] = ()
    """Slots that it must not have."""
    judge: Judge = field(default_factory=lambda: Chosen())

    @property
    def writes(self) -> bool:
        return isinstance(self.judge, Written)

    def wordings(self, model: RecSysLlm) -> dict[Wording, Template]:
        """The first seen and the first unseen template; without those that there are none of."""
        of_kind = [template for template in load_templates(self.family, model.phase.more) if template.kind == self.kind]
        fitting = [
            template
            for template in of_kind
            if set(self.shows) <= set(template.slots) and not set(self.hides) & set(template.slots)
        ]
        templates: dict[Wording, Template] = {}
        for template in fitting:
            templates.setdefault("unseen" if template.unseen else "seen", template)
        return dict(sorted(templates.items()))


# -- what is compared with what --------------------------------------------------------------------------------------------
class Judge(Protocol):
    """How a kind of answer is got, judged, and what it must beat."""

    def answer(self, model: RecSysLlm, example: TextExample, graphs: ConcatGraphs | None) -> Any: ...

    def figures(self, replies: Sequence[Any], cases: Sequence[Case]) -> dict[str, float]: ...

    def baselines(self, dataset: Dataset, cases: Sequence[Case]) -> dict[str, dict[str, float]]: ...


class Rated:
    """Stars: the mean has the least squared error, the median the least absolute one, so each is judged by its own."""

    def answer(self, model: RecSysLlm, example: TextExample, graphs: ConcatGraphs | None) -> answers.Stars:
        return answers.rate(model.fitted_net(), model.config, model.words, example, graphs)

    def figures(self, stars: Sequence[answers.Stars], cases: Sequence[Case]) -> dict[str, float]:
        return self._errors([star.mean for star in stars], [star.median for star in stars], cases)

    def baselines(self, dataset: Dataset, cases: Sequence[Case]) -> dict[str, dict[str, float]]:
        ratings, pairs = training_ratings(dataset), [(case.user, case.item) for case in cases]
        if not ratings:
            return {}
        baselines = {
            "global mean": GlobalMean.fit(ratings).predict(pairs).tolist(),
            "user + item means": UserItemMeans.fit(ratings).predict(pairs).tolist(),
        }
        return {name: self._errors(stars, stars, cases) for name, stars in baselines.items()}

    def _errors(self, means: Sequence[float], medians: Sequence[float], cases: Sequence[Case]) -> dict[str, float]:
        actual = [float(case.example.actual) for case in cases]
        return {"RMSE": rating_error(means, actual).rmse, "MAE": rating_error(medians, actual).mae}


@dataclass(frozen=True)
class Written:
    """A text, against the one that the user wrote."""

    name: str
    """Of the baseline."""
    training: Callable[[Dataset], list[str]]
    """Texts of the training parts; the most frequent is the baseline."""

    def answer(self, model: RecSysLlm, example: TextExample, graphs: ConcatGraphs | None) -> str:
        return answers.say(model.fitted_net(), model.config, model.words, example, graphs)

    def figures(self, texts: Sequence[str], cases: Sequence[Case]) -> dict[str, float]:
        overlap = text_overlap(texts, [case.example.actual for case in cases])
        return {
            "BLEU-2": overlap.bleu2,
            "BLEU-4": overlap.bleu4,
            "ROUGE-1": overlap.rouge1,
            "ROUGE-2": overlap.rouge2,
            "ROUGE-L": overlap.rougeL,
        }

    def baselines(self, dataset: Dataset, cases: Sequence[Case]) -> dict[str, dict[str, float]]:
        texts = self.training(dataset)
        if not any(texts):
            return {}
        return {self.name: self.figures([most_frequent_headline(texts)] * len(cases), cases)}


class Chosen:
    """One of some candidates, all of which are ranked; ties count against the right one."""

    def answer(self, model: RecSysLlm, example: TextExample, graphs: ConcatGraphs | None) -> np.ndarray:
        return answers.choose(model.fitted_net(), model.config, model.words, example, example.candidates, graphs)

    def figures(self, scores_of: Sequence[np.ndarray], cases: Sequence[Case]) -> dict[str, float]:
        ranks = np.array([self._rank(scores, case.example) for scores, case in zip(scores_of, cases, strict=True)])
        most = max(len(case.example.candidates) for case in cases)
        values = {"HR@1": hit_rate(ranks, 1), "NDCG@5": ndcg(ranks, 5), "MRR": reciprocal_rank(ranks, most)}
        return {name: float(value.mean()) for name, value in values.items()}

    def baselines(self, dataset: Dataset, cases: Sequence[Case]) -> dict[str, dict[str, float]]:
        codes, _ = dataset.arrays.until(dataset.split.train_lengths(dataset.arrays.lengths))
        popularity = np.bincount(codes, minlength=len(dataset.catalogue))[: len(dataset.catalogue)].astype(np.float64)
        shares = [popularity[np.array(case.example.candidates) - 1] for case in cases]
        return {"popularity": self.figures(shares, cases)}

    def _rank(self, scores: np.ndarray, example: TextExample) -> int:
        return int(target_ranks(scores[None], np.array([example.candidates.index(example.item)]))[0])


def _sentences(dataset: Dataset) -> list[str]:
    return [first_sentence(text) for _, text in _training_texts(dataset)]


def _headlines(dataset: Dataset) -> list[str]:
    return [" ".join(headline.split()) for headline, text in _training_texts(dataset) if text.strip()]


def _training_texts(dataset: Dataset) -> list[tuple[str, str]]:
    """Headline and text of each opinion of the training parts."""
    opinions_of = [dataset.opinions_before(user, dataset.split.train_length(dataset.history(user))) for user in dataset.opinions]
    return [(opinion.headline, opinion.text) for opinions in opinions_of for opinion in opinions if opinion is not None]


_FIRST = Written("most frequent first sentence", _sentences)
QUESTIONS = (
    Question("rating", "stars", "stars", judge=Rated()),
    Question("explanation", "explanation", "explain", hides=("feature", "stars"), judge=_FIRST),
    Question("explanation", "explanation, a word of it given", "explain", shows=("feature",), hides=("stars",), judge=_FIRST),
    Question("review", "headline of a review", "headline", hides=("stars",), judge=Written("most frequent headline", _headlines)),
    Question("sequential", "which of ten comes next", "choose"),
    Question("direct", "which of ten suits", "choose"),
)
"""In the order of the table."""


# -- the table --------------------------------------------------------------------------------------------------------------
def family_table(
    recommender: RecSysLlm,
    dataset: Dataset,
    graphs: Mapping[str, ReasoningGraph] | None = None,
    users: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    writing: int = WRITING_USERS,
    split: Split = "test",
) -> FamilyTable:
    """Ask a fitted language model about each user's held-out position, in each family that it was trained for.

    What is asked of position p reads items[:p], opinions[:p] and graph.before(p), besides the item at p and, of a headline, the
    review that it stands over; the word that an explanation is given is one of the sentence that is looked for. Candidates are
    drawn from items[:p] and the catalogue. Nothing after p is read, and every baseline is fitted on the training parts.

    Args:
        recommender: trained for `RecSysLlmConfig.families`; `sequential` counts beside others, with trained titles (`head`).
        graphs: by user; cut at the position as for every recommender.
        users: drawn by `seed`; None asks all.
        writing: of these, users at most for whom texts are written, which takes longest.
        progress: told after each answer.
    Raises:
        ConfigError: trained for none of the families, or no user at all is asked for.
        DataError: nothing that a family asks for is held out.
        ArtifactError: trained on another catalogue.
        MissingPackageError: texts are compared, and sacrebleu or rouge-score is not installed.
    """
    most = len(dataset.histories) if users is None else users
    if most < 1 or writing < 1:
        raise ConfigError(f"users={users} and writing={writing} ask nobody; give 1 or more, or None for all users")
    questions, data = _questions(recommender, dataset), TaskData(dataset, recommender.words, recommender.phase.more)
    cases = {
        question: _cases(recommender, data, question, min(most, writing) if question.writes else most, seed, split)
        for question in questions
    }
    cases = {question: cases_of for question, cases_of in cases.items() if cases_of}
    if not cases:
        names = ", ".join(question.name for question in questions)
        raise DataError(f"{dataset.name!r} holds nothing out that can be asked for ({names}): it lacks ratings or texts there")
    total = sum(len(cases_of) for wordings in cases.values() for cases_of in wordings.values())
    rows, done = list[FamilyRow](), 0
    for question, wordings in cases.items():
        first_cases = next(iter(wordings.values()))
        compared = question.judge.baselines(dataset, first_cases)  # first: it fails early where a package is missing
        for wording, cases_of in wordings.items():
            replies = []
            for case in cases_of:
                query = Query.at(dataset.history(case.user), case.example.position, (graphs or {}).get(case.user))
                replies.append(question.judge.answer(recommender, case.example, recommender.graphs_of([query])))
                done += 1
                if progress is not None:
                    progress(f"{question.name}, {wording} wording", done, total)
            figures = question.judge.figures(replies, cases_of)
            template = cases_of[0].example.template
            rows.append(FamilyRow(question.family, question.name, "model", wording, template, len(cases_of), figures))
        rows += [
            FamilyRow(question.family, question.name, name, "", "", len(first_cases), baseline)
            for name, baseline in compared.items()
        ]
    return FamilyTable(tuple(rows), _card(recommender, dataset, (most, writing), seed, split), recommender.name)


def _questions(model: RecSysLlm, dataset: Dataset) -> list[Question]:
    """Raises: ConfigError: trained for none of the families; ArtifactError: on another catalogue."""
    model.ready()
    if model.items.ids != dataset.catalogue.ids:
        raise ArtifactError(
            f"the recommender {model.name!r} was trained on another catalogue than that of {dataset.name!r}; train it again"
        )
    questions = [question for question in QUESTIONS if question.family in model.phase.families]
    if not questions:
        raise ConfigError(
            f"this model was trained for {', '.join(model.config.families)} with head={model.config.head!r}, which answers "
            "nothing in words; train it with `llmrg train recsysllm --set families=sequential,rating,explanation,review`"
        )
    return questions


def _cases(
    model: RecSysLlm, data: TaskData, question: Question, users: int, seed: int, split: Split
) -> dict[Wording, list[Case]]:
    """By wording, the same users, drawn from those of whom each wording can ask something."""
    held_out = data.dataset.split
    position_of = held_out.test_position if split == "test" else held_out.validation_position
    wordings, histories, cases_of = question.wordings(model), data.dataset.histories, dict[Wording, list[Case]]()
    names = list(histories)
    for number in np.random.default_rng(seed).permutation(len(names)).tolist():
        user, position = names[number], position_of(histories[names[number]])
        if position is None:
            continue
        examples = {
            name: _example(question, data, user, position, (seed, number), template) for name, template in wordings.items()
        }
        both = {
            name: Case(user, histories[user].items[position], example)
            for name, example in examples.items()
            if example is not None
        }
        if len(both) == len(wordings):
            for name, case in both.items():
                cases_of.setdefault(name, []).append(case)
        if any(len(cases) == users for cases in cases_of.values()):
            break
    return cases_of


def _example(
    question: Question, data: TaskData, user: str, position: int, seed: tuple[int, int], template: Template
) -> TextExample | None:
    dice = np.random.default_rng(seed)  # the same candidates in every wording
    examples = TASKS[question.family].examples(data, user, position + 1, dice, template)
    return next((example for example in examples if example.position == position), None)


def _card(model: RecSysLlm, dataset: Dataset, users: tuple[int, int], seed: int, split: Split) -> dict[str, str]:
    drawn = f"{users[0]:,} users at most, texts written for {min(users):,} at most, drawn by seed {seed}"
    return {
        "data": f"{dataset.name}: {len(dataset.histories):,} users, {len(dataset.catalogue):,} items",
        "model": f"{model.config.model}, trained for {', '.join(model.config.families)}, graph: {model.config.graph}",
        "asked": f"each user's {split} position once, everything later cut off; {drawn}",
        "wording": "seen: the first template of the kind that training drew from; unseen: the first that was held out",
        "stars": "RMSE of the expected value, MAE of the median of the five; baselines: their one figure for both",
        "texts": "the likeliest word each time; BLEU of lower-case words, not smoothed, and ROUGE F1, not stemmed, in percent",
        "choices": "the right item and others that the user had not taken, drawn by seed and shuffled; ties count against it",
        "baselines": "fitted on the training parts, asked about the same users",
    }
