"""Losses against torch's own, and against each other where they must agree."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from llmrg.recommenders.losses import Bonus, LossConfig, full_softmax, item_loss

M, N, D = 30, 50, 8


def drawn(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


TARGETS = torch.randint(N, (M,), generator=torch.Generator().manual_seed(1))


def bonus_at(value: Tensor) -> Bonus:
    """Single scores, one of them twice, some at targets."""
    row = torch.tensor([0, 0, 3, 3, 29, 5])
    column = torch.tensor([7, 7, 1, 40, int(TARGETS[29]), int(TARGETS[5])])
    return Bonus(row, column, value)


def dense(states: Tensor, table: Tensor, bonus: Bonus | None) -> Tensor:
    scores = states @ table.T
    return scores if bonus is None else scores.index_put((bonus.row, bonus.column), bonus.value, accumulate=True)


@pytest.mark.parametrize("with_bonus", [False, True])
@pytest.mark.parametrize("chunk", [4_000_000, 200])
def test_full_softmax_and_its_gradients_equal_autograds(with_bonus: bool, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmrg.recommenders.losses.CHUNK_LOGITS", chunk)
    found = []
    for ours in (True, False):
        states, table, value = drawn((M, D), (N, D), (6,))
        bonus = bonus_at(value) if with_bonus else None
        loss = full_softmax(states, table, TARGETS, bonus) if ours else F.cross_entropy(dense(states, table, bonus), TARGETS)
        (3 * loss).backward()
        found.append((loss.detach(), states.grad, table.grad, value.grad if with_bonus else loss.detach()))
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("kind", ["softmax", "sampled_softmax", "gbce", "bce"])
def test_no_target_costs_nothing(kind: str) -> None:
    states, table = drawn((0, D), (N, D))
    loss = item_loss(states, table, TARGETS[:0], LossConfig(kind=kind))
    loss.backward()
    assert loss.item() == 0.0


@pytest.mark.parametrize("with_bonus", [False, True])
def test_sampled_softmax_with_all_items_as_negatives_is_the_full_one(with_bonus: bool) -> None:
    found = []
    for kind in ("softmax", "sampled_softmax"):
        states, table, value = drawn((M, D), (N, D), (6,))
        loss = item_loss(states, table, TARGETS, LossConfig(kind=kind, negatives=999), bonus_at(value) if with_bonus else None)
        loss.backward()
        found.append((loss.detach(), states.grad, table.grad, value.grad if with_bonus else loss.detach()))
    for full, sampled in zip(*found, strict=True):
        torch.testing.assert_close(full, sampled)


def losses(states: Tensor, table: Tensor, bonus: Bonus | None = None, **settings: float) -> dict[str, Tensor]:
    """Each kind with the same negatives."""
    found = {}
    for kind in ("sampled_softmax", "gbce", "bce"):
        torch.manual_seed(4)
        found[kind] = item_loss(
            states, table, TARGETS, LossConfig.model_validate({"kind": kind, "negatives": 10, **settings}), bonus
        )
    return found


@pytest.mark.parametrize("with_bonus", [False, True])
def test_sampled_losses_by_hand(with_bonus: bool) -> None:
    states, table, value = drawn((M, D), (N, D), (6,))
    bonus = bonus_at(value) if with_bonus else None
    scores = dense(states, table, bonus)
    torch.manual_seed(4)
    negatives = torch.randperm(N)[:10].tolist()
    softmax, bce, gbce = [], [], []
    power = (10 / 49) * (0.75 * (1 - 49 / 10) + 49 / 10)
    for line, target in zip(scores, TARGETS.tolist(), strict=True):
        wrong = torch.stack([line[item] for item in negatives if item != target])
        softmax.append(torch.cat([line[target, None], wrong]).logsumexp(0) - line[target])
        bce.append(-F.logsigmoid(line[target]) - F.logsigmoid(-wrong).mean())
        gbce.append(-power * F.logsigmoid(line[target]) - F.logsigmoid(-wrong).sum())
    found = losses(states, table, bonus)
    for kind, expected in (("sampled_softmax", softmax), ("bce", bce), ("gbce", gbce)):
        torch.testing.assert_close(found[kind], torch.stack(expected).mean())


def test_gbce_without_calibration_weighs_each_pair_as_bce_does() -> None:
    states, table = drawn((M, D), (N, D))
    right = -F.logsigmoid((states * table[TARGETS]).sum(1)).mean()
    torch.manual_seed(4)
    negatives = torch.randperm(N)[:10]
    real = (negatives[None] != TARGETS[:, None]).float()
    wrong = -F.logsigmoid(-(states @ table[negatives].T)) * real
    free = losses(states, table, calibration=0.0)  # bce, with the sum over negatives in place of their mean
    torch.testing.assert_close(free["gbce"] - wrong.sum(1).mean(), free["bce"] - (wrong.sum(1) / real.sum(1)).mean())
    calibrated = losses(states, table, calibration=1.0)  # fully: the target counts as much as the share of negatives drawn
    torch.testing.assert_close(free["gbce"] - calibrated["gbce"], right * (1 - 10 / 49))


def test_other_negatives_in_each_batch() -> None:
    states, table = drawn((M, D), (N, D))
    config = LossConfig(kind="sampled_softmax", negatives=5)
    torch.manual_seed(0)
    first, second = item_loss(states, table, TARGETS, config), item_loss(states, table, TARGETS, config)
    torch.manual_seed(0)
    assert first.item() != second.item()
    assert item_loss(states, table, TARGETS, config).item() == first.item()
