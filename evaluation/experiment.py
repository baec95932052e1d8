"""The honest table: controls without training, the base model, and the base with graphs that should help and that should not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from llmrg.core.errors import ConfigError
from llmrg.core.records import ReasoningGraph, Run, stable_key
from llmrg.core.text_vectors import TextVectors
from llmrg.core.themes import Themes
from llmrg.data.dataset import Dataset
from llmrg.data.profiles import catalogue_profile
from llmrg.evaluation.comparison import Comparison, compare
from llmrg.evaluation.controls import plain_sequence, shuffled, shuffled_profile
from llmrg.evaluation.held_out import Ranks, rank_held_out
from llmrg.evaluation.kept_rows import DoneRow, KeptRows
from llmrg.evaluation.protocol import ProtocolCard, Visibility
from llmrg.evaluation.provenance import made_by, share_with_graphs
from llmrg.recommenders.base import BaseRecommender
from llmrg.recommenders.making import GraphOptions, make_recommender, with_graphs
from llmrg.recommenders.marks import data_mark, graphs_mark, themes_mark
from llmrg.recommenders.mix import Mix
from llmrg.recommenders.sequential import SequentialRecommender
from llmrg.recommenders.training import RunOptions, TrainingConfig

if TYPE_CHECKING:
    from llmrg.recsysllm.lower_states import LowerStates

TITLES = {
    "rules": "sequential rules",
    "popularity": "popularity",
    "item-knn": "ItemKNN",
    "ease": "EASE",
    "overlap": "content: theme overlap",
    "text": "content: text cosine",
}
NAMES = {
    "sasrec": "SASRec", "gru4rec": "GRU4Rec", "bert4rec": "BERT4Rec", "fdsa": "FDSA", "cl4srec": "CL4SRec", "duorec": "DuoRec",
    "bsarec": "BSARec",
}  # fmt: skip
LANGUAGE_MODEL = "RecSysLLM"


Make = Callable[[RunOptions, SequentialRecommender | None], BaseRecommender]
"""From a seed and its like and that seed's fitted base model (None for rows that are not made from it) to a recommender that is
not fitted."""


@dataclass(frozen=True)
class Trial:
    """One row: a recommender, and the graphs and themes that it is fitted and asked with."""

    title: str
    make: Make
    settings: tuple[Any, ...]
    """What the row depends on besides data, graphs, themes, training and seed."""
    graphs: Callable[[int], Mapping[str, ReasoningGraph]] | None = None
    """By seed; None for no graphs."""
    themes: Callable[[int], Themes] | None = None
    """By seed; None for those of the experiment."""
    from_base: bool = False
    """Whether it is made from the fitted base model."""

    def seeds(self, seeds: Sequence[int]) -> Sequence[int]:
        """Those that it is trained with: what has no randomness is trained once."""
        return seeds[:1] if self.title in TITLES.values() else seeds


def _same(graphs: Mapping[str, ReasoningGraph], seed: int) -> Mapping[str, ReasoningGraph]:
    return graphs


@dataclass(frozen=True)
class Experiment:
    """What a table is made of."""

    dataset: Dataset
    graphs: Mapping[str, ReasoningGraph]
    text: TextVectors
    themes: Themes = field(default_factory=Themes)
    model: str = "sasrec"
    how: GraphOptions = field(default_factory=GraphOptions)
    training: TrainingConfig | None = None
    options: RunOptions = field(default_factory=RunOptions)
    graph_name: str = "reasoning graph"
    """What the graphs are called in the table."""
    more: Mapping[str, Mapping[str, ReasoningGraph]] = field(default_factory=dict)
    """Further graphs, each a row of its own under its name."""
    language_model: Mapping[str, Any] | None = None
    """Settings of a RecSysLLM (`llmrg.recsysllm`), which is two rows more: alone, and with the graphs' themes beside it."""
    runs: Sequence[Run] = ()
    """The runs that may have built the graphs, so that the card can name them."""
    release: str = ""
    """Of the library: rows that another one kept are not taken."""

    @property
    def base(self) -> str:
        """Title of the reference row."""
        return NAMES[self.model]

    @property
    def ours(self) -> str:
        return f"{self.base} + {self.graph_name}"

    def trainings(self, seeds: int) -> int:
        """How many recommenders are fitted in all."""
        return sum(len(trial.seeds(range(seeds))) for trial in self.trials())

    def titles(self) -> list[str]:
        """Rows in their order."""
        return [trial.title for trial in self.trials()]

    def trials(self) -> list[Trial]:
        """Rows in their order: the base comes before all that are made from it."""
        base, plain = self.base, plain_sequence(self.dataset.histories, self.graphs)
        simple = [Trial(title, partial(self._simple, name), (name, self.text.name)) for name, title in TITLES.items()]
        shape, how, language = (self.model, self.training or TrainingConfig()), self.how, self.language_model
        trials = [*simple, Trial(base, self._base, shape)]
        if self._has_attributes():
            trials.append(Trial(f"{base} + attributes", partial(self._base, attributes=True), shape))

        def with_graphs(title: str, graphs: Callable[[int], Mapping[str, ReasoningGraph]], **more: Any) -> Trial:
            return Trial(title, self._with_graphs, (*shape, how, self.text.name), graphs, from_base=True, **more)

        trials += [
            Trial(f"{base} + rules", self._with_rules, shape, from_base=True),
            Trial(f"{base} + plain sequence graph", self._with_plain, (*shape, how, self.text.name), lambda _: plain),
            with_graphs(f"{base} + shuffled graph", self._shuffled),
        ]
        if self._profile() is not None:
            trials.append(with_graphs(f"{base} + reasons of wrong items", lambda _: self.graphs, themes=self._wrong_items))
        trials += [with_graphs(f"{base} + {name}", partial(_same, given)) for name, given in self.more.items()]
        trials.append(with_graphs(self.ours, lambda _: self.graphs))
        if language is not None:
            themes = replace(how, fusion="themes")
            build, read = partial(self._language_model, graphs=themes), (sorted(language.items()), self.text.name)
            trials += [
                Trial(LANGUAGE_MODEL, self._language_model, read),
                Trial(f"{LANGUAGE_MODEL} + {self.graph_name}", build, (*read, themes), lambda _: self.graphs),
            ]
        return trials

    def keys(self, seeds: Sequence[int]) -> dict[tuple[str, int], str]:
        """(title, seed) of each training -> a digest of all that its ranks depend on."""
        common = ("leave-one-out", self.release, data_mark(self.dataset), self.options.device)
        keys = {}
        for trial in self.trials():
            for seed in trial.seeds(seeds):
                read = graphs_mark(trial.graphs(seed)) if trial.graphs else ""
                themes = themes_mark(trial.themes(seed) if trial.themes else self.themes)
                keys[trial.title, seed] = stable_key(*common, trial.title, trial.settings, seed, read, themes)
        return keys

    def _language_model(
        self, options: RunOptions, base: SequentialRecommender | None, graphs: GraphOptions | None = None
    ) -> BaseRecommender:
        from llmrg.recsysllm.making import make_recsysllm

        return make_recsysllm(self.text, graphs, options, lower=self._lower, **(self.language_model or {}))

    @cached_property
    def _lower(self) -> LowerStates:
        """Texts that the frozen layers have read, for all trainings of the language model."""
        from llmrg.recsysllm.config import LlmTrainingConfig
        from llmrg.recsysllm.lower_states import LowerStates

        return LowerStates(LlmTrainingConfig().cache_megabytes)

    def _simple(self, name: str, options: RunOptions, base: SequentialRecommender | None) -> BaseRecommender:
        return make_recommender(name, self.text)

    def fresh_base(self, options: RunOptions) -> SequentialRecommender:
        """The base model before its fit."""
        return self._base(options)

    def _base(
        self, options: RunOptions, base: SequentialRecommender | None = None, attributes: bool = False
    ) -> SequentialRecommender:
        recommender = make_recommender(self.model, self.text, attributes=attributes, training=self.training, options=options)
        assert isinstance(recommender, SequentialRecommender)
        return recommender

    def _with_rules(self, options: RunOptions, base: SequentialRecommender | None) -> BaseRecommender:
        assert base is not None
        return Mix([base, make_recommender("rules", self.text)], refit=False)

    def _with_plain(self, options: RunOptions, base: SequentialRecommender | None) -> BaseRecommender:
        """The paper's fusion: a graph without reasons asks for no theme."""
        return with_graphs(self._base(options), replace(self.how, fusion="concat", use_imagined=False))

    def _with_graphs(self, options: RunOptions, base: SequentialRecommender | None) -> BaseRecommender:
        assert base is not None
        return with_graphs(base, self.how, options=options)

    def _shuffled(self, seed: int) -> Mapping[str, ReasoningGraph]:
        return shuffled(self.graphs, seed, histories=self.dataset.histories, themes=self.themes)

    def _has_attributes(self) -> bool:
        return any(item.attributes for item in self.dataset.catalogue)

    def _profile(self) -> Any:
        """The profile whose items can be dealt wrongly; None where profiles come from steps."""
        stored = self.themes.profile(self.how.source)
        if stored is None and self.themes.profiles and self.how.source == "auto":
            stored = self.themes.profiles[0]
        return stored or (catalogue_profile(self.dataset) if self._has_attributes() else None)

    def _wrong_items(self, seed: int) -> Themes:
        profile = shuffled_profile(self._profile(), seed)
        others = tuple(p for p in self.themes.profiles if p.source.name != profile.source.name)
        return Themes(self.themes.of_text, (profile, *others))


def run_experiment(
    experiment: Experiment,
    seeds: Sequence[int] = (0,),
    *,
    progress: Callable[[str], None] | None = None,
    trained: Callable[[str, BaseRecommender], None] | None = None,
    ranked: Callable[[Ranks], None] | None = None,
    rows: KeptRows | None = None,
    again: bool = False,
    kept: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Fit every row on the training parts, and rank every user's test item once with each.

    Args:
        seeds: trainings per trained recommender; shuffled graphs and profiles are dealt anew for each seed.
        progress: told the name of each training as it begins.
        ranked: told the ranks of each training when it is done.
        trained: given the base and the recommender with the reasoning graphs, of the first seed, with their names; these two are
            trained whatever is kept.
        rows: where trainings that are done are kept, and taken from; a training that was cut short goes on after its last epoch.
        again: train what is kept anew.
        kept: told how many trainings of how many are taken from `rows`.
    """
    say: Callable[[str], None] = progress or (lambda _: None)
    trials, keys = experiment.trials(), experiment.keys(seeds) if rows else {}
    wanted = {(title, seeds[0]) for title in (experiment.base, experiment.ours)} if trained else set()
    if rows and again:
        rows.forget(list(keys.values()), rows=True)
    read = {job: rows.read(key, experiment.dataset) for job, key in keys.items() if job not in wanted} if rows else {}
    done = {job: row for job, row in read.items() if row is not None}
    if kept:
        kept(len(done), sum(len(trial.seeds(seeds)) for trial in trials))
    bases: dict[int, SequentialRecommender] = {}

    def options(title: str, seed: int) -> RunOptions:
        return replace(experiment.options, seed=seed, checkpoint=rows.checkpoint(keys[title, seed]) if rows else None)

    def base_of(seed: int) -> SequentialRecommender:
        """That of a row which is kept is fitted once more, or taken from its checkpoint where there is one."""
        if seed not in bases:
            base = experiment.fresh_base(options(experiment.base, seed))
            base.fit(experiment.dataset, {}, experiment.themes)
            bases[seed] = base
        return bases[seed]

    def train_row(trial: Trial, seed: int) -> DoneRow:
        say(trial.title if len(seeds) == 1 else f"{trial.title}, seed {seed}")
        recommender = trial.make(options(trial.title, seed), base_of(seed) if trial.from_base else None)
        ranks = _ranked(recommender, experiment, trial, seed)
        if trial.title == experiment.base and isinstance(recommender, SequentialRecommender):
            bases[seed] = recommender
        row = DoneRow(ranks, _visibility(recommender), getattr(recommender, "chosen", ""))
        if rows:
            rows.write(keys[trial.title, seed], row)
            if trial.title != experiment.base:
                rows.forget([keys[trial.title, seed]])
        if ranked:
            ranked(ranks)
        if trained and (trial.title, seed) in wanted:
            trained("base" if trial.title == experiment.base else "graphs", recommender)
        return row

    table = {
        trial.title: [done.get((trial.title, seed)) or train_row(trial, seed) for seed in trial.seeds(seeds)] for trial in trials
    }
    if rows:
        rows.forget(list(keys.values()))
    ranks, ours = {title: [row.ranks for row in rows_of] for title, rows_of in table.items()}, table[experiment.ours]
    seen = next((row.visible for row in reversed(ours) if row.visible), ())
    card = _card(experiment, seeds, ranks[experiment.base][0].users, seen, [row.chosen for row in ours])
    return compare(ranks, experiment.base, card, len(experiment.dataset.catalogue), _contrasts(experiment))


def _ranked(recommender: BaseRecommender, experiment: Experiment, trial: Trial, seed: int) -> Ranks:
    graphs = trial.graphs(seed) if trial.graphs else {}
    try:
        recommender.fit(experiment.dataset, graphs, trial.themes(seed) if trial.themes else experiment.themes)
    except ConfigError as error:
        raise ConfigError(f"{trial.title}: {error}") from error
    return rank_held_out(recommender, experiment.dataset, graphs)


def _contrasts(experiment: Experiment) -> list[tuple[str, str]]:
    """What each row with graphs must beat besides the base: content, rules, and graphs that should not help."""
    graphs = [*(f"{experiment.base} + {name}" for name in experiment.more), experiment.ours]
    rivals = ["overlap", "+ attributes", "+ rules", "+ plain", "+ shuffled", "+ reasons of wrong"]
    against = [title for title in experiment.titles() if title not in graphs and any(word in title for word in rivals)]
    contrasts = [(ours, title) for ours in graphs for title in against]
    if experiment.language_model is not None:
        alone, with_graphs = LANGUAGE_MODEL, f"{LANGUAGE_MODEL} + {experiment.graph_name}"
        contrasts += [(with_graphs, alone), (alone, TITLES["rules"]), (alone, TITLES["overlap"])]
    return contrasts


def _visibility(recommender: Any) -> tuple[Visibility, ...]:
    """Where the recommender that learnt from graphs saw them."""
    inner = getattr(recommender, "candidates", {}).get("joint", recommender)
    return tuple(Visibility(layer, *shares) for layer, shares in getattr(inner, "visible", {}).items())


def _card(
    experiment: Experiment, seeds: Sequence[int], users: Sequence[str], seen: tuple[Visibility, ...], chosen: Sequence[str]
) -> ProtocolCard:
    ways = ", ".join(f"{chosen.count(way)} x {way}" for way in sorted(set(chosen)) if way)
    mind, run = made_by(experiment.graphs, experiment.runs)
    return ProtocolCard(
        experiment.dataset.name,
        len(users),
        len(experiment.dataset.catalogue),
        tuple(seeds),
        mind=mind,
        run=run,
        graphs_of=share_with_graphs(experiment.graphs, users),
        graphs_at=seen,
        fusion=experiment.how.fusion + (f" (chosen on validation: {ways})" if ways else ""),
        weights="of mixed and late scores: on the validation items, no member was trained on them",
    )
