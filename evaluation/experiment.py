"""The honest table: controls without training, the base model, and the base with graphs that should help and that should not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from llmrg.core.errors import ConfigError
from llmrg.core.records import ReasoningGraph, Run
from llmrg.core.text_vectors import TextVectors
from llmrg.core.themes import Themes
from llmrg.data.dataset import Dataset
from llmrg.data.profiles import catalogue_profile
from llmrg.evaluation.comparison import Comparison, compare
from llmrg.evaluation.controls import plain_sequence, shuffled, shuffled_profile
from llmrg.evaluation.protocol import ProtocolCard, Visibility
from llmrg.evaluation.provenance import made_by, share_with_graphs
from llmrg.evaluation.ranking import Ranks, rank_held_out
from llmrg.recommenders.base import BaseRecommender
from llmrg.recommenders.making import GraphOptions, make_recommender, with_graphs
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


Make = Callable[[int, SequentialRecommender | None], BaseRecommender]
"""From a seed and that seed's fitted base model (None before its row) to a recommender that is not fitted."""


@dataclass(frozen=True)
class Trial:
    """One row: a recommender, and the graphs and themes that it is fitted and asked with."""

    title: str
    make: Make
    graphs: Callable[[int], Mapping[str, ReasoningGraph]] | None = None
    """By seed; None for no graphs."""
    themes: Callable[[int], Themes] | None = None
    """By seed; None for those of the experiment."""


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

    @property
    def base(self) -> str:
        """Title of the reference row."""
        return NAMES[self.model]

    @property
    def ours(self) -> str:
        return f"{self.base} + {self.graph_name}"

    def trainings(self, seeds: int) -> int:
        """How many recommenders are fitted in all."""
        return sum(1 if title in TITLES.values() else seeds for title in self.titles())

    def titles(self) -> list[str]:
        """Rows in their order."""
        return [trial.title for trial in self.trials()]

    def trials(self) -> list[Trial]:
        """Rows in their order: the base comes before all that are made from it."""
        base, plain = self.base, plain_sequence(self.dataset.histories, self.graphs)
        simple = [Trial(title, partial(self._simple, name)) for name, title in TITLES.items()]
        found = [*simple, Trial(base, self._base)]
        if self._has_attributes():
            found.append(Trial(f"{base} + attributes", partial(self._base, attributes=True)))
        found += [
            Trial(f"{base} + rules", self._with_rules),
            Trial(f"{base} + plain sequence graph", self._with_plain, lambda _: plain),
            Trial(f"{base} + shuffled graph", self._with_graphs, self._shuffled),
        ]
        if self._profile() is not None:
            found.append(Trial(f"{base} + reasons of wrong items", self._with_graphs, lambda _: self.graphs, self._wrong_items))
        for name, given in self.more.items():
            found.append(Trial(f"{base} + {name}", self._with_graphs, partial(_same, given)))
        found.append(Trial(self.ours, self._with_graphs, lambda _: self.graphs))
        if self.language_model is not None:
            with_themes = partial(self._language_model, graphs=replace(self.how, fusion="themes"))
            found += [
                Trial(LANGUAGE_MODEL, self._language_model),
                Trial(f"{LANGUAGE_MODEL} + {self.graph_name}", with_themes, lambda _: self.graphs),
            ]
        return found

    def _language_model(
        self, seed: int, base: SequentialRecommender | None, graphs: GraphOptions | None = None
    ) -> BaseRecommender:
        from llmrg.recsysllm.making import make_recsysllm

        options = replace(self.options, seed=seed)
        return make_recsysllm(self.text, graphs, options, lower=self._lower, **(self.language_model or {}))

    @cached_property
    def _lower(self) -> LowerStates:
        """Texts that the frozen layers have read, for all trainings of the language model."""
        from llmrg.recsysllm.config import LlmTrainingConfig
        from llmrg.recsysllm.lower_states import LowerStates

        return LowerStates(LlmTrainingConfig().cache_megabytes)

    def _simple(self, name: str, seed: int, base: SequentialRecommender | None) -> BaseRecommender:
        return make_recommender(name, self.text)

    def _base(self, seed: int, base: SequentialRecommender | None = None, attributes: bool = False) -> SequentialRecommender:
        options = replace(self.options, seed=seed)
        made = make_recommender(self.model, self.text, attributes=attributes, training=self.training, options=options)
        assert isinstance(made, SequentialRecommender)
        return made

    def _with_rules(self, seed: int, base: SequentialRecommender | None) -> BaseRecommender:
        assert base is not None
        return Mix([base, make_recommender("rules", self.text)], refit=False)

    def _with_plain(self, seed: int, base: SequentialRecommender | None) -> BaseRecommender:
        """The paper's fusion: a graph without reasons asks for no theme."""
        return with_graphs(self._base(seed), replace(self.how, fusion="concat", use_imagined=False))

    def _with_graphs(self, seed: int, base: SequentialRecommender | None) -> BaseRecommender:
        assert base is not None
        return with_graphs(base, self.how)

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
        kept = tuple(p for p in self.themes.profiles if p.source.name != profile.source.name)
        return Themes(self.themes.of_text, (profile, *kept))


def run_experiment(
    experiment: Experiment,
    seeds: Sequence[int] = (0,),
    *,
    progress: Callable[[str], None] | None = None,
    trained: Callable[[str, BaseRecommender], None] | None = None,
    ranked: Callable[[Ranks], None] | None = None,
) -> Comparison:
    """Fit every row on the training parts, and rank every user's test item once with each.

    Args:
        seeds: trainings per trained recommender; shuffled graphs and profiles are dealt anew for each seed.
        progress: told the name of each training as it begins.
        ranked: told the ranks of each training when it is done.
        trained: given the base and the recommender with the reasoning graphs, of the first seed, with their names.
    """
    say: Callable[[str], None] = progress or (lambda _: None)
    ranks: dict[str, list[Ranks]] = {}
    seen: tuple[Visibility, ...] = ()
    bases: dict[int, SequentialRecommender] = {}
    chosen: list[str] = []
    for trial in experiment.trials():
        title = trial.title
        for seed in seeds[:1] if title in TITLES.values() else seeds:
            say(title if len(seeds) == 1 else f"{title}, seed {seed}")
            recommender = trial.make(seed, bases.get(seed))
            ranks.setdefault(title, []).append(found := _ranked(recommender, experiment, trial, seed))
            if ranked:
                ranked(found)
            if isinstance(recommender, SequentialRecommender) and title == experiment.base:
                bases[seed] = recommender
            if title == experiment.ours:
                chosen.append(getattr(recommender, "chosen", ""))
                seen = _visibility(recommender) or seen
            if trained and seed == seeds[0] and title in (experiment.base, experiment.ours):
                trained("base" if title == experiment.base else "graphs", recommender)
    card = _card(experiment, seeds, ranks[experiment.base][0].users, seen, chosen)
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
    found = [(ours, title) for ours in graphs for title in against]
    if experiment.language_model is not None:
        alone, with_graphs = LANGUAGE_MODEL, f"{LANGUAGE_MODEL} + {experiment.graph_name}"
        found += [(with_graphs, alone), (alone, TITLES["rules"]), (alone, TITLES["overlap"])]
    return found


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
