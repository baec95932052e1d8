"""The loop: early stopping, seeds, killed and resumed trainings."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from llmrg.core.errors import ArtifactError
from llmrg.recommenders.batches import Sequences, padded, slot_positions, trimmed
from llmrg.recommenders.graph_recommender import GraphRecommender
from llmrg.recommenders.losses import full_softmax
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.sasrec import SasRecConfig, SasRecNet
from llmrg.recommenders.sasrec_recommender import SasRec
from llmrg.recommenders.training import Epoch, RunOptions, TrainingConfig
from llmrg.testing.recommender_suite import cycle_graphs, cycle_world

SMALL = SasRecConfig(embedding_size=8, max_length=8, blocks=1)
FIVE = TrainingConfig(epochs=5, batch_size=4)
DATA = cycle_world(10)
QUERIES = [Query.at(h, 5, cycle_graphs(DATA)[u]) for u, h in DATA.histories.items()]


def fitted(options: RunOptions, kind: str = "sasrec", training: TrainingConfig = FIVE) -> SasRec | GraphRecommender:
    made = SasRec(SMALL, training, options) if kind == "sasrec" else GraphRecommender(None, SMALL, None, training, options)
    made.fit(DATA, cycle_graphs(DATA))
    return made


class Killed(Exception):
    pass


def kill_at(epoch: int) -> RunOptions:
    def stop(done: Epoch) -> None:
        if done.number == epoch:
            raise Killed

    return RunOptions(progress=stop)


@pytest.mark.parametrize("kind", ["sasrec", "graph"])
def test_a_killed_training_goes_on_to_the_identical_result(kind: str, tmp_path: Path) -> None:
    whole = fitted(RunOptions(), kind)
    file = tmp_path / "deep" / "checkpoint.safetensors"
    with pytest.raises(Killed):
        fitted(RunOptions(checkpoint=file, progress=kill_at(2).progress), kind)
    resumed = fitted(RunOptions(checkpoint=file), kind)
    assert [epoch.number for epoch in resumed.epochs] == [3, 4, 5]
    np.testing.assert_array_equal(resumed.scores(QUERIES), whole.scores(QUERIES))
    assert fitted(RunOptions(checkpoint=file), kind).epochs == []  # nothing left to do


def test_checkpoints_of_others_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint"
    fitted(RunOptions(checkpoint=file))
    with pytest.raises(ArtifactError, match="other data or settings"):
        fitted(RunOptions(seed=1, checkpoint=file))
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(ArtifactError, match="damaged"):
        fitted(RunOptions(checkpoint=file))


def test_seeds_decide_and_the_callers_random_state_does_not() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = fitted(RunOptions(seed=3)).scores(QUERIES)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    np.testing.assert_array_equal(fitted(RunOptions(seed=3)).scores(QUERIES), first)
    assert not np.allclose(fitted(RunOptions(seed=4)).scores(QUERIES), first)


def test_the_best_epoch_is_kept_and_patience_ends_the_training() -> None:
    made = fitted(RunOptions(), training=TrainingConfig(epochs=300, batch_size=4, learning_rate=0.02, patience=3))
    values = [epoch.ndcg for epoch in made.epochs]
    best = int(np.argmax(values)) + 1
    assert len(made.epochs) == best + 3
    assert [epoch.number for epoch in made.epochs if epoch.best][-1] == best
    assert made.epochs[0].loss > made.epochs[best - 1].loss


def test_loss_and_gradients_equal_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(50, (30,), generator=generator)
    values = [torch.randn(shape, generator=generator) for shape in ((30, 8), (50, 8))]
    found = []
    for own in (True, False):
        states, table = (value.clone().requires_grad_() for value in values)
        loss = full_softmax(states, table, targets) if own else torch.nn.functional.cross_entropy(states @ table.T, targets)
        (3 * loss).backward()
        found.append((loss.detach(), states.grad, table.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert full_softmax(values[0][:0], values[1], targets[:0]) == 0


def test_loss_in_chunks_equals_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    states, table, targets = torch.randn(7, 4), torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 4, 0, 1])
    whole = full_softmax(states, table, targets)
    monkeypatch.setattr("llmrg.recommenders.losses.CHUNK_LOGITS", 10)
    torch.testing.assert_close(full_softmax(states, table, targets), whole)


def test_padding_and_positions() -> None:
    rows = [np.array([1, 2, 3, 4]), np.array([5]), np.array([], dtype=np.int64)]
    items = padded(rows, 3)
    assert items.tolist() == [[2, 3, 4], [0, 0, 5], [0, 0, 0]]
    assert slot_positions(items, np.array([4, 1, 0])).tolist() == [[2, 3, 4], [0, 0, 1], [0, 0, 0]]
    assert trimmed(items[1:2]) == 2
    assert trimmed(items[2:]) == 2


def test_sequences_shift_by_one_and_ask_after_the_whole_part() -> None:
    data = Sequences.of([np.array([1, 2, 3]), np.array([4]), np.array([5, 6])], [9, 8, 0], 4)
    assert data.inputs.tolist() == [[0, 0, 1, 2], [0, 0, 0, 5]]
    assert data.targets.tolist() == [[0, 0, 2, 3], [0, 0, 0, 6]]
    assert (data.users.tolist(), data.train.tolist()) == ([0, 2], [2, 1])
    assert data.questions.tolist() == [[0, 1, 2, 3], [0, 0, 0, 4]]
    assert (data.asked.tolist(), data.answers.tolist()) == ([0, 1], [9, 8])


def test_sasrec_encodes_a_prefix_as_in_the_whole_and_padding_as_zero() -> None:
    net = SasRecNet(20, SasRecConfig(embedding_size=8, max_length=6), torch.Generator().manual_seed(0)).eval()
    whole = net.encode(torch.tensor([[0, 3, 4, 5, 6, 7]]))
    assert (whole[0, 0] == 0).all()
    torch.testing.assert_close(net.encode(torch.tensor([[3, 4, 5]]))[0], whole[0, 1:4])


def test_histories_too_short_to_train_on_leave_an_untrained_net_that_answers() -> None:
    data = cycle_world(3)
    short = {user: history.before(1) for user, history in data.histories.items()}
    made = SasRec(SMALL, FIVE)
    made.fit(type(data)("short", data.catalogue, short, data.report))
    assert made.epochs == []
    assert np.isfinite(made.scores([Query(history) for history in short.values()])).all()


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValidationError, match=re.escape("10 % 3")):
        SasRecConfig(embedding_size=10, heads=3)
