"""The honest table: controls without training, the base model, and the base with graphs that should help and that should not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from llmrg.core.errors import ConfigError
from llmrg.core.records import ReasoningGraph
from llmrg.core.text_vectors import TextVectors
from llmrg.core.themes import Themes
from llmrg.data.dataset import Dataset
from llmrg.data.profiles import catalogue_profile
from llmrg.evaluation.comparison import Comparison, compare
from llmrg.evaluation.controls import plain_sequence, shuffled, shuffled_profile
from llmrg.evaluation.protocol import ProtocolCard, Visibility
from llmrg.evaluation.ranking import Ranks, rank_held_out
from llmrg.recommenders.base import BaseRecommender
from llmrg.recommenders.making import GraphOptions, make_recommender, with_graphs
from llmrg.recommenders.mix import Mix
from llmrg.recommenders.sequential import SequentialRecommender
from llmrg.recommenders.training import RunOptions, TrainingConfig

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
        return [title for title, _ in self._rows()]

    def _rows(self) -> Iterator[tuple[str, Callable[[int, SequentialRecommender | None], tuple[BaseRecommender, Any, Themes]]]]:
        """Title -> what makes the recommender of a seed, with its graphs and themes. The base row's is given to those after it."""
        base, none = self.base, {}
        for name, title in TITLES.items():
            yield title, lambda seed, _, name=name: (make_recommender(name, self.text), none, self.themes)
        yield base, lambda seed, _: (self._base(seed), none, self.themes)
        if self._has_attributes():
            yield f"{base} + attributes", lambda seed, _: (self._base(seed, attributes=True), none, self.themes)
        yield f"{base} + rules", lambda seed, fitted: (self._with_rules(fitted), none, self.themes)
        plain = plain_sequence(self.dataset.histories, self.graphs)
        concat = replace(self.how, fusion="concat", use_imagined=False)
        yield f"{base} + plain sequence graph", lambda seed, _: (with_graphs(self._base(seed), concat), plain, self.themes)
        yield (
            f"{base} + shuffled graph",
            lambda seed, fitted: (
                self._graphs(seed, fitted), shuffled(self.graphs, seed, histories=self.dataset.histories, themes=self.themes), self.themes
            ),
        )  # fmt: skip
        if self._profile() is not None:
            yield (
                f"{base} + reasons of wrong items",
                lambda seed, fitted: (self._graphs(seed, fitted), self.graphs, self._wrong_items(seed)),
            )
        for name, given in self.more.items():
            yield f"{base} + {name}", lambda seed, fitted, given=given: (self._graphs(seed, fitted), given, self.themes)
        yield self.ours, lambda seed, fitted: (self._graphs(seed, fitted), self.graphs, self.themes)

    def _base(self, seed: int, attributes: bool = False) -> SequentialRecommender:
        options = replace(self.options, seed=seed)
        made = make_recommender(self.model, self.text, attributes=attributes, training=self.training, options=options)
        assert isinstance(made, SequentialRecommender)
        return made

    def _with_rules(self, base: SequentialRecommender | None) -> BaseRecommender:
        assert base is not None
        return Mix([base, make_recommender("rules", self.text)], refit=False)

    def _graphs(self, seed: int, base: SequentialRecommender | None) -> BaseRecommender:
        assert base is not None
        return with_graphs(base, self.how)

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
) -> Comparison:
    """Fit every row on the training parts, and rank every user's test item once with each.

    Args:
        seeds: trainings per trained recommender; shuffled graphs and profiles are dealt anew for each seed.
        trained: given the base and the recommender with the reasoning graphs, of the first seed, with their names.
    """
    say, ranks, seen = progress or (lambda _: None), {}, ()
    fitted: dict[int, SequentialRecommender] = {}
    chosen: dict[int, str] = {}
    for title, make in experiment._rows():
        for seed in seeds[:1] if title in TITLES.values() else seeds:
            say(title if len(seeds) == 1 else f"{title}, seed {seed}")
            recommender, graphs, themes = make(seed, fitted.get(seed))
            ranks.setdefault(title, []).append(_ranked(recommender, experiment, graphs, themes))
            if title == experiment.base:
                assert isinstance(recommender, SequentialRecommender)
                fitted[seed] = recommender
            if title == experiment.ours:
                chosen[seed] = getattr(recommender, "chosen", "")
                seen = _visibility(recommender) or seen
            if trained and seed == seeds[0] and title in (experiment.base, experiment.ours):
                trained("base" if title == experiment.base else "graphs", recommender)
    return compare(
        ranks,
        experiment.base,
        _card(experiment, seeds, ranks, seen, chosen),
        len(experiment.dataset.catalogue),
        _contrasts(experiment),
    )


def _ranked(recommender: BaseRecommender, experiment: Experiment, graphs: Any, themes: Themes) -> Ranks:
    try:
        recommender.fit(experiment.dataset, graphs, themes)
    except ConfigError as error:
        raise ConfigError(f"{recommender.name}: {error}") from error
    return rank_held_out(recommender, experiment.dataset, graphs)


def _contrasts(experiment: Experiment) -> list[tuple[str, str]]:
    """What each row with graphs must beat besides the base: content, rules, and graphs that should not help."""
    graphs = [*(f"{experiment.base} + {name}" for name in experiment.more), experiment.ours]
    rivals = ["overlap", "+ attributes", "+ rules", "+ plain", "+ shuffled", "+ reasons of wrong"]
    against = [title for title in experiment.titles() if title not in graphs and any(word in title for word in rivals)]
    return [(ours, title) for ours in graphs for title in against]


def _visibility(recommender: Any) -> tuple[Visibility, ...]:
    """Where the recommender that learnt from graphs saw them."""
    inner = getattr(recommender, "candidates", {}).get("joint", recommender)
    return tuple(Visibility(layer, *shares) for layer, shares in getattr(inner, "visible", {}).items())


def _card(
    experiment: Experiment,
    seeds: Sequence[int],
    ranks: Mapping[str, Sequence[Ranks]],
    seen: tuple[Visibility, ...],
    chosen: Mapping[int, str],
) -> ProtocolCard:
    ways = ", ".join(f"{list(chosen.values()).count(way)} x {way}" for way in sorted(set(chosen.values())) if way)
    return ProtocolCard(
        experiment.dataset.name,
        len(ranks[experiment.base][0].users),
        len(experiment.dataset.catalogue),
        tuple(seeds),
        graphs_at=seen,
        fusion=experiment.how.fusion + (f" (chosen on validation: {ways})" if ways else ""),
        weights="of mixed and late scores: on the validation items, no member was trained on them",
    )
