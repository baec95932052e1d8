"""A training that begins with the weights of a recommender trained before."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from llmrg.core.errors import ConfigError
from llmrg.data.dataset import Catalogue
from llmrg.data.demo_set import load_demo
from llmrg.encoders.text import HashedVectors
from llmrg.recommenders import (
    BaseRecommender,
    BestOf,
    Ease,
    GraphOptions,
    Query,
    RunOptions,
    SequentialRecommender,
    SequentialRules,
    TrainingConfig,
    model_config,
)
from llmrg.recommenders.making import make_recommender
from llmrg.testing.growing import before_growth
from llmrg.testing.recommender_suite import cycle_graphs, cycle_world

WORLD = cycle_world(24)
OLD = before_growth(WORLD, 0.2, new_items=2)
KINDS = ("sasrec", "gru4rec", "bert4rec", "fdsa", "cl4srec", "duorec", "bsarec")


def small(kind: str = "sasrec", epochs: int = 3, seed: int = 0, **options: Any) -> BaseRecommender:
    shape = {"embedding_size": 8, "max_length": 6, "layers": 1}
    how: dict[str, Any] = {"training": TrainingConfig(epochs=epochs), "options": RunOptions(seed=seed, threads=1)}
    return make_recommender(kind, HashedVectors(), **{**shape, **how, **options})


def fitted(made: BaseRecommender, dataset: Any = OLD, graphs: bool = False) -> BaseRecommender:
    made.fit(dataset, cycle_graphs(dataset) if graphs else {})
    return made


def scores(made: BaseRecommender, items: list[str], graphs: bool = False) -> np.ndarray:
    """(U, n) of these items, asked for what the old world knows of its users."""
    told = cycle_graphs(OLD) if graphs else {}
    queries = [Query.at(history, len(history), told.get(user)) for user, history in OLD.histories.items()]
    return made.scores(queries)[:, made.items.rows(items) - 1]


@pytest.mark.parametrize("kind", KINDS)
def test_without_an_epoch_old_items_have_their_old_scores(kind: str) -> None:
    """Item rows are in another order, two are new, and the weights that were drawn come from another seed."""
    old = fitted(small(kind))
    grown = replace(WORLD, catalogue=Catalogue(reversed(list(WORLD.catalogue))))
    warm = small(kind, epochs=0, seed=7)
    warm.start_from(old)
    fitted(warm, grown)
    items = list(OLD.catalogue.ids)
    assert len(warm.items) == len(items) + 2
    np.testing.assert_allclose(scores(warm, items), scores(old, items), rtol=1e-5, atol=1e-6)
    assert not np.allclose(scores(fitted(small(kind, epochs=0, seed=7), grown), items), scores(old, items), atol=1e-3)


def test_items_that_are_gone_are_left_out() -> None:
    old = fitted(small(), WORLD)
    warm = small(epochs=0, seed=7)
    warm.start_from(old)
    fitted(warm, OLD)
    items = list(OLD.catalogue.ids)
    np.testing.assert_allclose(scores(warm, items), scores(old, items), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("how", [GraphOptions("concat"), GraphOptions("sr_gnn"), GraphOptions(fit="joint")])
def test_fusions_go_on_with_theirs(how: GraphOptions) -> None:
    """On the same data: in a world that has grown the weights of themes depend on how many items stand for each."""
    old = fitted(small(graphs=how), OLD, graphs=True)
    warm = small(epochs=0, seed=7, graphs=how)
    warm.start_from(old)
    fitted(warm, OLD, graphs=True)
    items = list(OLD.catalogue.ids)
    found = scores(warm, items, graphs=True)
    np.testing.assert_allclose(found, scores(old, items, graphs=True), rtol=1e-4, atol=1e-5)
    assert not np.allclose(found, scores(warm, items), atol=1e-3)  # graphs do take part


def test_a_fusion_may_begin_with_a_base_that_had_none() -> None:
    old = fitted(small())
    warm = small(epochs=0, seed=7, graphs=GraphOptions("concat"))
    warm.start_from(old)
    fitted(warm, OLD, graphs=True)
    items = list(OLD.catalogue.ids)  # an untrained fusion is its base
    np.testing.assert_allclose(scores(warm, items, graphs=True), scores(old, items), rtol=1e-4, atol=1e-5)


def test_the_fit_that_was_chosen_goes_on_alone() -> None:
    old = fitted(small(graphs=GraphOptions()), OLD, graphs=True)
    warm = small(graphs=GraphOptions())
    assert isinstance(old, BestOf)
    assert isinstance(warm, BestOf)
    warm.start_from(old)
    fitted(warm, WORLD, graphs=True)
    assert set(warm.validation) == {old.chosen}


def test_a_start_that_no_epoch_improves_on_stays() -> None:
    old = fitted(small(epochs=40))
    warm = small(epochs=2, seed=7)
    assert isinstance(warm, SequentialRecommender)
    warm.training = TrainingConfig(epochs=2, learning_rate=1.0)  # throws all away
    warm.start_from(old)
    fitted(warm)
    assert warm.best_epoch == 0
    np.testing.assert_allclose(scores(warm, ["i3"]), scores(old, ["i3"]), rtol=1e-5, atol=1e-6)
    warm.fit_whole(OLD, {})  # one epoch on whole histories all the same
    assert warm.final


@cache
def demo_training(kind: str, seed: int) -> tuple[SequentialRecommender, SequentialRecommender]:
    """Trained anew, and from what was trained before a tenth was added."""
    now = load_demo()
    before = before_growth(now, 0.1, new_items=20)
    old, anew, warm = (SequentialRecommender(model_config(kind), options=RunOptions(seed=seed)) for _ in range(3))
    old.fit(before)
    anew.fit(now)
    warm.start_from(old)
    warm.fit(now)
    return anew, warm


def test_after_growth_fewer_epochs_are_as_good() -> None:
    anew, warm = demo_training("sasrec", 0)
    as_good = next(e.number for e in warm.epochs if e.ndcg is not None and e.ndcg >= 0.95 * anew.validation_ndcg)
    needed = next(e.number for e in anew.epochs if e.ndcg is not None and e.ndcg >= 0.95 * anew.validation_ndcg)
    assert as_good <= needed / 2
    assert len(warm.epochs) < len(anew.epochs)


@pytest.mark.parametrize(
    ("made", "start", "words"),
    [
        pytest.param(SequentialRules, small, "counts, and has no weights", id="rules"),
        pytest.param(Ease, small, "counts, and has no weights", id="ease"),
        pytest.param(small, SequentialRules, "no start for a sequential model", id="start that counts"),
        pytest.param(lambda: small("gru4rec"), small, "is a sasrec, and a gru4rec is to be trained", id="kind"),
        pytest.param(lambda: small(embedding_size=16), small, "embedding_size=8, and embedding_size=16", id="width"),
        pytest.param(lambda: small(max_length=9), small, "max_length=6, and max_length=9", id="length"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(made: Any, start: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        made().start_from(fitted(start()))
    assert "--from" in caught.value.on_shell or "sasrec" in str(caught.value)


def test_a_start_of_other_data_is_refused() -> None:
    other = replace(WORLD, catalogue=Catalogue(replace(item, id=f"x{item.id}") for item in WORLD.catalogue))
    histories = {user: replace(h, items=tuple(f"x{item}" for item in h.items)) for user, h in WORLD.histories.items()}
    warm = small()
    warm.start_from(fitted(small(), WORLD))
    with pytest.raises(ConfigError, match=r"other data: none of its \d+ items \(for instance 'i0'\)"):
        fitted(warm, replace(other, histories=histories))


def test_a_start_that_knows_held_out_items_is_refused() -> None:
    old = fitted(small())
    old.fit_whole(OLD, {})
    with pytest.raises(ConfigError, match="held-out items among them"):
        small().start_from(old)


def test_a_language_model_takes_no_start() -> None:
    from llmrg.recsysllm.recommender import RecSysLlm

    with pytest.raises(ConfigError, match="adapters are trained from the base language model"):
        RecSysLlm().start_from(fitted(small()))
