"""One training loop for every trained recommender: Adam, early stopping on validation NDCG@10, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn

from llmrg.recommenders.checkpoint import Checkpoint, State


class TrainingConfig(BaseModel, frozen=True, extra="forbid"):
    """How long and how fast."""

    epochs: PositiveInt = 200
    """Passes over the users at most."""
    batch_size: PositiveInt = 64
    """Users a batch."""
    learning_rate: PositiveFloat = 2e-3
    weight_decay: NonNegativeFloat = 0.0
    """Decoupled from the gradient (AdamW); 0 is plain Adam."""
    patience: PositiveInt = 10
    """Epochs without a better validation NDCG@10 before training stops."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One finished pass, as told to the progress callback."""

    number: int
    """1-based."""
    of: int
    loss: float
    ndcg: float | None
    """Validation NDCG@10, seen items masked, ties against us; None where no history is long enough."""
    best: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a fit is run; none of it belongs to the model."""

    seed: int = 0
    device: str = "cpu"
    checkpoint: Path | None = None
    """File written after every epoch; a fit that finds it there goes on from it, to the identical result."""
    progress: Callable[[Epoch], None] | None = None


@contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[torch.Generator]:
    """A generator with this seed; dropout's global generator is seeded inside and given back unchanged."""
    devices = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield torch.Generator().manual_seed(seed)


def train(
    net: nn.Module,
    rows: int,
    loss: Callable[[Tensor], Tensor],
    validate: Callable[[], float | None],
    config: TrainingConfig,
    options: RunOptions,
    fingerprint: str,
) -> list[Epoch]:
    """Train `net` in place and leave it with the weights of its best epoch.

    Args:
        rows: how many training rows there are.
        loss: mean loss of the rows numbered by a (B,) int64 tensor.
        validate: validation NDCG@10 of the net as it stands; None makes the last epoch the best one.
        fingerprint: names data and settings; a checkpoint with another one is refused.

    Raises: ArtifactError: the checkpoint is damaged or belongs to another training.
    """
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    keeper = Checkpoint(options.checkpoint, net, optimizer, fingerprint)
    state, best, epochs = keeper.read(), keeper.best, []
    while rows and state.epoch < config.epochs and state.epoch - state.best_epoch < config.patience:
        began, number = time.perf_counter(), state.epoch + 1
        mean = _one_pass(net, rows, loss, optimizer, config, options, number)
        net.eval()
        with torch.no_grad():
            ndcg = validate()
        better = ndcg is None or ndcg > state.best_ndcg
        if better:
            best = {name: value.detach().clone() for name, value in net.state_dict().items()}
        state = State(number, number if better else state.best_epoch, ndcg if better and ndcg is not None else state.best_ndcg)
        keeper.write(state, best)
        epochs.append(Epoch(number, config.epochs, mean, ndcg, better, time.perf_counter() - began))
        if options.progress is not None:
            options.progress(epochs[-1])
    net.load_state_dict(best)
    net.eval()
    return epochs


def _one_pass(
    net: nn.Module,
    rows: int,
    loss: Callable[[Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    config: TrainingConfig,
    options: RunOptions,
    number: int,
) -> float:
    """One epoch, with a seed of its own, so that a resumed training draws the same numbers. Returns the mean loss."""
    net.train()
    total = 0.0
    with seeded((options.seed * 1_000_003 + number) % 2**63, options.device) as generator:
        for batch in torch.randperm(rows, generator=generator).split(config.batch_size):  # type: ignore[no-untyped-call]
            optimizer.zero_grad(set_to_none=True)
            value = loss(batch)
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += value.detach().item() * len(batch)
    return total / rows
