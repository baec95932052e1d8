"""The loop: batches, early stopping, seeds, killed and resumed trainings; and what a sequential recommender is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmrg.core.errors import ArtifactError, ConfigError
from llmrg.recommenders.models.sasrec import SasRecConfig
from llmrg.recommenders.objectives.cloze import ClozeConfig
from llmrg.recommenders.objectives.contrastive import ContrastiveConfig
from llmrg.recommenders.objectives.last_item import LastItemConfig
from llmrg.recommenders.objectives.next_item import NextItemConfig
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.registry import MODELS, default_objective, model_config
from llmrg.recommenders.sequential import SequentialRecommender
from llmrg.recommenders.training import POOL, Epoch, RunOptions, TrainingConfig, batches
from llmrg.testing.recommender_suite import cycle_world

FIVE = TrainingConfig(epochs=5, batch_size=4)
DATA = cycle_world(10)
QUERIES = [Query.at(history, 5) for history in DATA.histories.values()]


def small(kind: str = "sasrec", **settings: Any) -> Any:
    return model_config(kind, **{"embedding_size": 8, "max_length": 4, "layers": 1, **settings})


def fitted(
    model: Any = None, objective: Any = None, *, options: RunOptions | None = None, training: TrainingConfig = FIVE
) -> SequentialRecommender:
    made = SequentialRecommender(model or small(), objective, training=training, options=options)
    made.fit(DATA)
    return made


class Killed(Exception):
    pass


def kill_at(epoch: int, checkpoint: Path) -> RunOptions:
    def stop(done: Epoch) -> None:
        if done.number == epoch:
            raise Killed

    return RunOptions(checkpoint=checkpoint, progress=stop)


# -- batches -----------------------------------------------------------------------------------------------------------
@given(st.lists(st.integers(1, 50), max_size=300), st.integers(1, 9), st.integers(0, 99))
def test_every_row_is_in_one_batch(lengths: list[int], size: int, seed: int) -> None:
    found = batches(np.array(lengths, dtype=np.int64), size, np.random.default_rng(seed))
    assert all(0 < len(batch) <= size for batch in found)
    assert sorted(row for batch in found for row in batch) == list(range(len(lengths)))


def test_rows_of_a_batch_are_of_similar_length_and_batches_in_random_order() -> None:
    lengths = np.random.default_rng(0).geometric(0.1, 64 * POOL)
    found = batches(lengths, 32, np.random.default_rng(1))
    padded = sum(int(lengths[batch].max()) * len(batch) for batch in found)
    assert padded < 1.2 * lengths.sum() < 0.4 * lengths.reshape(-1, 32).max(axis=1).sum() * 32  # in batches as they come
    longest = np.array([lengths[batch].max() for batch in found])
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.3
    other = batches(lengths, 32, np.random.default_rng(2))
    assert any(set(a) != set(b) for a, b in zip(found, other, strict=True))


# -- the loop ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", sorted(MODELS))
def test_a_killed_training_goes_on_to_the_identical_result(kind: str, tmp_path: Path) -> None:
    whole = fitted(small(kind))
    file = tmp_path / "deep" / "checkpoint.safetensors"
    with pytest.raises(Killed):
        fitted(small(kind), options=kill_at(2, file))
    resumed = fitted(small(kind), options=RunOptions(checkpoint=file))
    assert [epoch.number for epoch in resumed.epochs] == [3, 4, 5]
    np.testing.assert_array_equal(resumed.scores(QUERIES), whole.scores(QUERIES))
    assert fitted(small(kind), options=RunOptions(checkpoint=file)).epochs == []  # nothing left to do


def test_checkpoints_of_others_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint"
    fitted(options=RunOptions(checkpoint=file))
    for options, objective in ((RunOptions(seed=1, checkpoint=file), None), (RunOptions(checkpoint=file), ContrastiveConfig())):
        with pytest.raises(ArtifactError, match="other data or settings"):
            fitted(objective=objective, options=options)
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(ArtifactError, match="damaged"):
        fitted(options=RunOptions(checkpoint=file))


def test_seeds_decide_and_the_callers_random_state_does_not() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = fitted(options=RunOptions(seed=3)).scores(QUERIES)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    np.testing.assert_array_equal(fitted(options=RunOptions(seed=3)).scores(QUERIES), first)
    assert not np.allclose(fitted(options=RunOptions(seed=4)).scores(QUERIES), first)


def test_the_best_epoch_is_kept_and_patience_ends_the_training() -> None:
    made = fitted(training=TrainingConfig(epochs=300, batch_size=4, learning_rate=0.02, patience=3))
    values = [epoch.ndcg for epoch in made.epochs]
    best = int(np.argmax(values)) + 1
    assert len(made.epochs) == best + 3
    assert [epoch.number for epoch in made.epochs if epoch.best][-1] == best
    assert made.epochs[0].loss > made.epochs[best - 1].loss


def test_no_epoch_starts_after_the_time_that_is_given() -> None:
    made = fitted(training=TrainingConfig(epochs=300, max_seconds=1e-9))
    assert len(made.epochs) <= 1
    assert np.isfinite(made.scores(QUERIES)).all()


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no device 'cuda:77' here .* take cpu, or auto"):
        fitted(options=RunOptions(device="cuda:77"))


def test_histories_too_short_to_train_on_leave_an_untrained_net_that_answers() -> None:
    short = {user: history.before(1) for user, history in DATA.histories.items()}
    for kind in ("sasrec", "bert4rec", "duorec"):
        made = SequentialRecommender(small(kind), training=FIVE)
        made.fit(type(DATA)("short", DATA.catalogue, short, DATA.report))
        assert made.epochs == []
        assert np.isfinite(made.scores([Query(history) for history in short.values()])).all()


# -- parts -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["cl4srec", "duorec", "sasrec"])
def test_without_contrastive_weight_the_training_is_sasrecs(kind: str) -> None:
    plain, free = fitted(small()), fitted(small(kind), ContrastiveConfig(augmented=0.0))
    np.testing.assert_array_equal(free.scores(QUERIES), plain.scores(QUERIES))
    assert [epoch.loss for epoch in free.epochs] == [epoch.loss for epoch in plain.epochs]


@pytest.mark.parametrize("kind", ["cl4srec", "duorec"])
def test_the_contrastive_terms_are_trained_on(kind: str) -> None:
    plain, made = fitted(small()), fitted(small(kind))
    assert made.epochs[0].loss > plain.epochs[0].loss
    assert not np.allclose(made.scores(QUERIES), plain.scores(QUERIES), atol=1e-5)


def test_bsarec_with_alpha_0_is_trained_as_sasrec_and_otherwise_is_not() -> None:
    sasrec = fitted(small(heads=1))
    free, made = (fitted(small("bsarec", alpha=alpha)) for alpha in (0.0, 0.7))
    np.testing.assert_array_equal(free.scores(QUERIES), sasrec.scores(QUERIES))
    assert not np.allclose(made.scores(QUERIES), sasrec.scores(QUERIES), atol=1e-5)


def test_on_histories_of_two_each_prefix_for_itself_is_one_pass() -> None:
    """With one prefix a history both objectives are one; with more they are not."""
    short = {user: history.before(4) for user, history in DATA.histories.items()}  # two for training, two held out
    data = type(DATA)("short", DATA.catalogue, short, DATA.report)
    found = []
    for objective in (NextItemConfig(), LastItemConfig()):
        made = SequentialRecommender(small(), objective, training=FIVE)
        made.fit(data)
        found.append(made.scores(QUERIES))
    np.testing.assert_array_equal(*found)
    assert not np.allclose(fitted(objective=LastItemConfig()).scores(QUERIES), fitted().scores(QUERIES), atol=1e-5)


def test_each_model_has_the_objective_of_its_paper() -> None:
    found = {kind: default_objective(model_config(kind)) for kind in MODELS}
    assert found.pop("bert4rec") == ClozeConfig(share=0.6)
    assert found.pop("cl4srec") == ContrastiveConfig(augmented=0.1, twin=0.0, same_target=0.0)
    assert found.pop("duorec") == ContrastiveConfig(augmented=0.0, twin=0.1, same_target=0.1)
    assert set(found.values()) == {NextItemConfig()}


@pytest.mark.parametrize(("kind", "objective"), [("bert4rec", NextItemConfig()), ("sasrec", ClozeConfig())])
def test_a_model_that_sees_what_it_is_asked_is_refused(kind: str, objective: Any) -> None:
    with pytest.raises(ConfigError, match=f"'{kind}' and the objective '{objective.kind}' do not go together"):
        SequentialRecommender(model_config(kind), objective)


def test_any_causal_model_takes_the_contrastive_objective() -> None:
    for kind in ("gru4rec", "bsarec", "fdsa"):
        made = fitted(small(kind), ContrastiveConfig(augmented=0.1, twin=0.1, same_target=0.1))
        assert np.isfinite(made.scores(QUERIES)).all()
    assert SasRecConfig().bidirectional is False
