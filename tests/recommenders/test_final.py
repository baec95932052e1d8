"""Final fits: whole histories, for as many epochs as the validated fit found best, and never ranked on held-out items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llmrg.core.errors import CallerError, ConfigError
from llmrg.evaluation.held_out import rank_held_out
from llmrg.recommenders import (
    BestOf,
    Ease,
    GraphOptions,
    ItemKnn,
    Mix,
    Popularity,
    Query,
    RunOptions,
    SasRecConfig,
    SequentialRecommender,
    SequentialRules,
    ThemeScores,
    ThemeScoresConfig,
    TrainingConfig,
    load_recommender,
)
from llmrg.recommenders.base import BaseRecommender
from llmrg.recommenders.fusion.concat import ConcatConfig
from llmrg.recommenders.fusion.themes import ThemesConfig
from llmrg.recommenders.making import with_graphs
from llmrg.testing.recommender_suite import cycle_graphs, cycle_world, with_items

DATA = cycle_world(users=30)
FEW = TrainingConfig(epochs=6, batch_size=8, learning_rate=0.02, patience=2)
SMALL = SasRecConfig(embedding_size=8, max_length=8, layers=1)


def sasrec(fusion: ConcatConfig | ThemesConfig | None = None, **options: object) -> SequentialRecommender:
    return SequentialRecommender(SMALL, fusion=fusion, training=FEW, **options)  # type: ignore[arg-type]


MAKERS: dict[str, Callable[[], BaseRecommender]] = {
    "popularity": Popularity,
    "rules": SequentialRules,
    "item-knn": ItemKnn,
    "ease": Ease,
    "steps": lambda: ThemeScores(ThemeScoresConfig(view="graph", source="steps")),
    "sasrec": sasrec,
    "concat": lambda: sasrec(ConcatConfig()),
    "themes": lambda: sasrec(ThemesConfig()),
    "mix": lambda: Mix([sasrec(), SequentialRules()]),
    "auto": lambda: with_graphs(sasrec(), GraphOptions()),
}


def fitted(kind: str, data: object = DATA) -> BaseRecommender:
    made = MAKERS[kind]()
    made.fit(data, cycle_graphs(data))  # type: ignore[arg-type]
    return made


def scores(made: BaseRecommender) -> np.ndarray:
    return made.scores([Query.at(DATA.histories["u3"], 5, cycle_graphs(DATA)["u3"])])


def whole(made: BaseRecommender, data: object = DATA) -> BaseRecommender:
    made.fit_whole(data, cycle_graphs(data))  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize("kind", MAKERS)
def test_both_last_items_are_learnt_from(kind: str) -> None:
    """The same validated fit, then histories that end otherwise: only a final fit notices."""
    same = scores(whole(fitted(kind)))
    np.testing.assert_array_equal(scores(whole(fitted(kind))), same)
    for position in (-1, -2):
        other = with_items(DATA, position, "i19")
        assert not np.allclose(scores(whole(fitted(kind), other)), same), position


@pytest.mark.parametrize("kind", MAKERS)
def test_what_was_trained_finally_is_never_ranked_on_held_out_items(kind: str, tmp_path: Path) -> None:
    made = fitted(kind)
    assert len(rank_held_out(made, DATA).masked) == 30
    known = getattr(made, "validation_ndcg", None)
    whole(made).save(tmp_path)
    for one in (made, load_recommender(tmp_path)):
        assert one.final
        assert getattr(one, "validation_ndcg", None) == known
        for split in ("test", "validation"):
            with pytest.raises(CallerError, match="trained on whole histories, the held-out items among them"):
                rank_held_out(one, DATA, split=split)  # type: ignore[arg-type]
    np.testing.assert_allclose(scores(load_recommender(tmp_path)), scores(made), atol=1e-6)
    made.fit(DATA, cycle_graphs(DATA))
    assert len(rank_held_out(made, DATA).masked) == 30


def test_a_final_fit_runs_the_best_epoch_and_no_other_and_goes_on_when_killed(tmp_path: Path) -> None:
    training = TrainingConfig(epochs=40, batch_size=8, learning_rate=0.03, patience=3)
    told: list[int] = []
    made = SequentialRecommender(SMALL, training=training, options=RunOptions(progress=lambda epoch: told.append(epoch.of)))
    made.fit(DATA)
    best = [epoch.number for epoch in made.epochs if epoch.best][-1]
    assert best == made.best_epoch < len(made.epochs)
    told.clear()
    made.fit_whole(DATA)
    assert told == [best] * best
    assert all(epoch.ndcg is None for epoch in made.epochs)
    straight = scores(made)

    def kill(epoch: object) -> None:
        if epoch.of == best and epoch.number == 2:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    options = RunOptions(checkpoint=tmp_path / "x.training", progress=kill)
    killed = SequentialRecommender(SMALL, training=training, options=options)
    killed.fit(DATA)
    with pytest.raises(KeyboardInterrupt):
        killed.fit_whole(DATA)
    again = SequentialRecommender(SMALL, training=training, options=replace(options, progress=None))
    again.fit(DATA)
    assert again.epochs == []
    assert again.best_epoch == best
    again.fit_whole(DATA)
    assert len(again.epochs) == best - 2
    np.testing.assert_array_equal(scores(again), straight)


def test_graphs_are_seen_to_their_end_and_each_question_sees_what_was_before_it() -> None:
    made = sasrec(ThemesConfig(source="steps"))
    graphs = cycle_graphs(DATA)
    made.fit(DATA, graphs)
    made.fit_whole(DATA, graphs)
    assert made._graphs is not None
    asked = np.arange(1, len(DATA.histories["u0"]) + 1)
    for position in asked.tolist():
        batch = made._graphs.at(np.array([0]), np.array([[position]]), made._device)
        visible = int((batch.age[0, 0] >= 0).sum())
        assert visible == sum(s.seen <= position for s in graphs["u0"].steps if s.kind == "reasoned"), position


def test_what_has_no_final_fit_says_so() -> None:
    with pytest.raises(CallerError, match="not fitted"):
        sasrec().fit_whole(DATA)
    short = replace(DATA, histories={user: history.before(3) for user, history in DATA.histories.items()})
    made = sasrec()
    made.fit(short)
    with pytest.raises(ConfigError, match="validated no epoch"):
        made.fit_whole(short)
    base = whole(fitted("sasrec"))
    with pytest.raises(ConfigError, match="trained on the items that weights are fitted on"):
        Mix([base, SequentialRules()], refit=False).fit(DATA)


def test_of_several_ways_the_chosen_one_is_trained_finally(tmp_path: Path) -> None:
    made = fitted("auto")
    assert isinstance(made, BestOf)
    chosen, told = made.chosen, dict(made.validation)
    whole(made)
    assert made.candidates.keys() == {chosen}
    assert made.validation == told
