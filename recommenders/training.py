"""One training loop for every trained recommender: Adam, early stopping on validation NDCG@10, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from llmrg.core.errors import ConfigError
from llmrg.recommenders.checkpoint import Checkpoint, State

POOL = 32
"""Batches whose rows are sorted by length together: rows of a batch are of similar length, and batches still vary."""
SMALL = 2000
"""Items of a catalogue up to which one thread is faster than several."""


class TrainingConfig(BaseModel, frozen=True, extra="forbid"):
    """How long and how fast."""

    epochs: NonNegativeInt = 200
    """Passes over the users at most; 0 leaves weights as they begin."""
    batch_size: PositiveInt = 64
    """Histories a batch."""
    learning_rate: PositiveFloat = 2e-3
    weight_decay: NonNegativeFloat = 0.0
    """Decoupled from the gradient (AdamW); 0 is plain Adam."""
    patience: PositiveInt = 10
    """Epochs without a better validation NDCG@10 before training stops."""
    max_seconds: PositiveFloat | None = None
    """Start no further epoch after so many seconds of this call; None for no limit."""


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
    nll: float | None = None
    """Nats a validation item, where that is what decides."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a fit is run; none of it belongs to the model."""

    seed: int = 0
    device: str = "cpu"
    """`cpu`, `cuda`, `cuda:1`, `mps`, or `auto` for a GPU where there is one."""
    threads: int = 0
    """CPU threads; 0 takes one for catalogues of up to 2,000 items and all cores for larger ones."""
    checkpoint: Path | None = None
    """File written after every epoch; a fit that finds it there goes on from it, to the identical result."""
    progress: Callable[[Epoch], None] | None = None

    def apart(self, way: str) -> RunOptions:
        """The same for a second training beside the first, with a checkpoint of its own."""
        return self if self.checkpoint is None else replace(self, checkpoint=Path(f"{self.checkpoint}-{way}"))

    def torch_device(self) -> torch.device:
        """Raises: ConfigError: no such device here."""
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            device = torch.device(self.device)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"there is no device {self.device!r} here ({reason}); take cpu, or auto") from None
        return device


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[torch.Generator]:
    """A generator with this seed; dropout's global generator is seeded inside and given back unchanged."""
    devices = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield torch.Generator().manual_seed(seed)


@contextmanager
def threads(options: RunOptions, items: int) -> Iterator[None]:
    """Work with so many CPU threads as the options say: small matrices gain nothing from several."""
    before = torch.get_num_threads()
    wanted = options.threads or (1 if items <= SMALL else before)
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train(
    net: nn.Module,
    lengths: np.ndarray,
    loss: Callable[[np.ndarray, np.random.Generator], Tensor],
    validate: Callable[[], float | None],
    config: TrainingConfig,
    options: RunOptions,
    fingerprint: Callable[[], str],
    *,
    warm: bool = False,
) -> tuple[list[Epoch], int]:
    """Train `net` in place and leave it with the weights of its best epoch.

    Args:
        lengths: (R,) length of each training row; rows of similar length share a batch.
        loss: mean loss of the rows numbered by a (B,) int64 array; its generator decides all that is random in it.
        validate: validation NDCG@10 of the net as it stands; None makes the last epoch the best one.
        fingerprint: names data and settings; a checkpoint with another one is refused.
        warm: the net has been trained before: an epoch is better only if it is better than the net as it comes.

    Returns: the epochs of this call, and the number of the best one, 0 where there was none.
    Raises: ArtifactError: the checkpoint is damaged or belongs to another training.
    """
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    keeper = Checkpoint(options.checkpoint, net, optimizer, fingerprint() if options.checkpoint else "")
    state, epochs = keeper.read(), []
    best = keeper.best
    if warm and not state.epoch:
        net.eval()
        with torch.no_grad():
            state = State(best_ndcg=-1.0 if (known := validate()) is None else known)
    started = time.perf_counter()
    while len(lengths) and state.epoch < config.epochs and state.epoch - state.best_epoch < config.patience:
        began, number = time.perf_counter(), state.epoch + 1
        if config.max_seconds is not None and began - started > config.max_seconds:
            break
        mean = _one_pass(net, lengths, loss, optimizer, config, options, number)
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
    return epochs, state.best_epoch


def batches(lengths: np.ndarray, size: int, dice: np.random.Generator) -> list[np.ndarray]:
    """All row numbers in random batches of `size`, rows of similar length together, the batches in random order."""
    order = dice.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), size * POOL):
        pool = order[start : start + size * POOL]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[i : i + size] for i in range(0, len(pool), size)]
    return [batches[i] for i in dice.permutation(len(batches))]


def _one_pass(
    net: nn.Module,
    lengths: np.ndarray,
    loss: Callable[[np.ndarray, np.random.Generator], Tensor],
    optimizer: torch.optim.Optimizer,
    config: TrainingConfig,
    options: RunOptions,
    number: int,
) -> float:
    """One epoch, with a seed of its own, so that a resumed training draws the same numbers. Returns the mean loss."""
    net.train()
    total, seed = 0.0, (options.seed * 1_000_003 + number) % 2**63
    dice = np.random.default_rng(seed)
    with seeded(seed, options.torch_device()):
        for batch in batches(lengths, config.batch_size, dice):
            optimizer.zero_grad(set_to_none=True)
            value = loss(batch, dice)
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += value.detach().item() * len(batch)
    return total / len(lengths)
