"""The training loop: packed rows, states below the adapters computed once, early stopping, resumable to the bit.

On one device it is a plain loop; started by `accelerate launch`, each process takes its share of every step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from llmrg.core.errors import MissingPackageError, ResourceError
from llmrg.recommenders.checkpoint import Checkpoint, State
from llmrg.recommenders.fusion.concat import ConcatGraphs
from llmrg.recommenders.training import Epoch, RunOptions, seeded
from llmrg.recsysllm.batches import Batch, pack, steps_of
from llmrg.recsysllm.config import LlmTrainingConfig
from llmrg.recsysllm.layout import Layout
from llmrg.recsysllm.lower_states import LowerStates
from llmrg.recsysllm.net import ContentOf, RecSysNet

CLIP = 1.0
"""Largest norm of a step's gradient."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Told after each step."""

    step: int
    of: int
    epoch: int
    loss: float
    """Mean of this epoch so far, nats."""
    tokens_per_second: float
    seconds_left: float
    """To the end of the last epoch; training may stop earlier."""


@dataclass(frozen=True)
class Examples:
    """What is trained on, each example in several versions, and what decides when to stop."""

    training: Sequence[Sequence[Layout]]
    """By example, versions that take turns from epoch to epoch."""
    validation: Sequence[Layout]
    content: ContentOf
    graphs: ConcatGraphs | None = None


def train_llm(
    net: RecSysNet,
    examples: Examples,
    config: LlmTrainingConfig,
    options: RunOptions,
    fingerprint: str,
    report: Callable[[Progress], None] | None = None,
    lower: LowerStates | None = None,
) -> list[Epoch]:
    """Train `net` in place and leave it with the weights of the epoch that finds the validation items most likely.

    Raises:
        ArtifactError: the checkpoint is damaged or belongs to another training.
        ResourceError: out of memory; the message says what to lower.
        MissingPackageError: accelerate is not installed.
    """
    try:
        return _Training(net, examples, config, options, fingerprint, report, lower).run()
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ResourceError(
            f"out of memory while training the language model ({str(error)[:200]}); lower batch_tokens, "
            " row_tokens, train_layers, max_tokens or cache_megabytes, or choose a smaller model"
        ) from error


class _Training:
    def __init__(
        self,
        net: RecSysNet,
        examples: Examples,
        config: LlmTrainingConfig,
        options: RunOptions,
        fingerprint: str,
        report: Callable[[Progress], None] | None,
        lower: LowerStates | None,
    ) -> None:
        self.net, self.examples, self.config, self.options = net, examples, config, options
        self.report = report or (lambda _: None)
        self.accelerator = _accelerator(options)
        self.optimizer = torch.optim.AdamW(
            list(net.groups(config.learning_rate, config.head_rate, config.graph_rate)), weight_decay=config.weight_decay
        )
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        first = self.accelerator.is_main_process
        path = options.checkpoint if first or (options.checkpoint and options.checkpoint.exists()) else None
        self.keeper = Checkpoint(path, net, self.optimizer, fingerprint)
        self.lower = lower or LowerStates(config.cache_megabytes)
        self.model = self.accelerator.prepare(net) if self.accelerator.num_processes > 1 else net
        """Adds up the gradients of all processes."""
        lengths = [len(versions[0]) for versions in examples.training]
        self.steps = max(1, math.ceil(sum(lengths) / max(config.batch_tokens, 1)))
        """Of an epoch, about: for the schedule."""

    def run(self) -> list[Epoch]:
        """The best NLL is kept as its negative: a checkpoint's figure is better when it is higher."""
        config, state = self.config, self.keeper.read()
        best, best_nll = self.keeper.best, -state.best_ndcg if state.epoch else math.inf
        epochs: list[Epoch] = []
        began = time.perf_counter()
        self._read()
        if not state.epoch and (untrained := self.validation_nll()) is not None:
            best_nll = untrained  # an epoch that is no better than the untrained net is not taken
        while self.examples.training and state.epoch < config.epochs and state.epoch - state.best_epoch < config.patience:
            started, number = time.perf_counter(), state.epoch + 1
            if config.max_seconds is not None and self._agreed(started - began > config.max_seconds):
                break
            loss = self._epoch(number)
            nll = self.validation_nll()
            better = nll is None or nll < best_nll
            if better:
                best, best_nll = {name: value.clone() for name, value in self.net.state_dict().items()}, nll or 0.0
            state = State(number, number if better else state.best_epoch, -best_nll)
            if self.accelerator.is_main_process:
                self.keeper.write(state, best)
            epochs.append(Epoch(number, config.epochs, loss, None, better, time.perf_counter() - started, nll))
            if self.options.progress is not None:
                self.options.progress(epochs[-1])
        self.net.load_state_dict(best)
        self.net.eval()
        return epochs

    def _agreed(self, answer: bool) -> bool:
        """The first process decides for all: their clocks differ, and one alone would wait for ever."""
        from accelerate.utils.operations import broadcast_object_list

        return bool(broadcast_object_list([answer])[0])

    def _read(self) -> None:
        self._train_mode(False)
        self.lower.read(self.net.backbone, self.examples.validation, self.config.batch_tokens)
        for version in range(min(_versions(self.examples), self.config.epochs)):
            chosen = [versions[version % len(versions)] for versions in self.examples.training]
            self.lower.read(self.net.backbone, chosen, self.config.batch_tokens)

    def _epoch(self, number: int) -> float:
        self._train_mode(True)
        seed = (self.options.seed * 1_000_003 + number) % 2**63
        dice = np.random.default_rng(seed)
        chosen = [versions[(number - 1) % len(versions)] for versions in self.examples.training]
        lengths = [len(layout) for layout in chosen]
        rows = pack(lengths, dice.permutation(len(chosen)).tolist(), self.config.row_tokens)
        steps = steps_of(rows, lengths, self.config.batch_tokens)
        steps = [steps[i] for i in dice.permutation(len(steps))]
        total = fed = 0.0
        started, rank = time.perf_counter(), self.accelerator.process_index
        with seeded(seed + rank, self.options.torch_device()):
            for step, group in enumerate(steps):
                mine = group[rank :: self.accelerator.num_processes] or group[:1]
                loss = self._step((number - 1) * self.steps + step, chosen, mine)
                total += loss
                fed += sum(lengths[n] for row in group for n in row)
                speed = fed / (time.perf_counter() - started)
                left = (sum(lengths) * (self.config.epochs - number + 1) - fed) / max(speed, 1e-9)
                self.report(Progress(step + 1, len(steps), number, total / (step + 1), speed, left))
        return total / max(len(steps), 1)

    def _step(self, at: int, chosen: Sequence[Layout], rows: Sequence[Sequence[int]]) -> float:
        factor = self._rate(at)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        batch = Batch.of(chosen, rows, self.net.backbone.device)
        below = self.lower.of(self.net.backbone, batch, chosen)
        losses = self.model(batch, self.examples.graphs, below, self._content(batch))
        loss: Tensor = losses.loss
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        torch.nn.utils.clip_grad_norm_(list(self.net.learnt().values()), CLIP)
        self.optimizer.step()
        return float(loss.detach())

    def _rate(self, step: int) -> float:
        """Rises in a line, falls as a cosine."""
        total = self.steps * self.config.epochs
        warm = max(1.0, self.config.warm_up * total)
        return min(1.0, (step + 1) / warm) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / total)))

    def _content(self, batch: Batch) -> np.ndarray | None:
        asks = batch.ask[batch.ask[:, 4] > 0]
        return self.examples.content(asks[:, 2:4]) if len(asks) and self.net.head is not None else None

    @torch.no_grad()
    def validation_nll(self) -> float | None:
        """Nats a validation item of the item head; else the mean over titles and that over words, added up."""
        layouts = self.examples.validation
        if not layouts:
            return None
        self._train_mode(False)
        lengths, totals = [len(layout) for layout in layouts], np.zeros((3, 2))
        order = sorted(range(len(layouts)), key=lambda n: lengths[n])
        for group in steps_of(pack(lengths, order, self.config.row_tokens), lengths, self.config.batch_tokens):
            batch = Batch.of(layouts, group, self.net.backbone.device)
            below = self.lower.of(self.net.backbone, batch, layouts)
            losses = self.net(batch, self.examples.graphs, below, self._content(batch)).counted()
            totals += [[float(values.sum()), number] for values, number in losses]
        items, *texts = (total / count if count else 0.0 for total, count in totals.tolist())
        return items or sum(texts)

    def _train_mode(self, training: bool) -> None:
        """Dropout in the heads alone: the language model stays as it was pretrained."""
        self.net.train(training)
        self.net.backbone.eval()
        self.net.backbone.training_way(training)


def _versions(examples: Examples) -> int:
    return max((len(versions) for versions in examples.training), default=1)


def _accelerator(options: RunOptions) -> Any:
    try:
        from accelerate.accelerator import Accelerator
        from accelerate.utils.dataclasses import DistributedDataParallelKwargs
    except ImportError as error:
        raise MissingPackageError("accelerate", "pip install 'llmrg[lm]'") from error
    # a step may ask one head nothing on one process, and something on another
    uneven = DistributedDataParallelKwargs(find_unused_parameters=True)
    return Accelerator(cpu=options.torch_device().type == "cpu", kwargs_handlers=[uneven])


@contextmanager
def one_thread(count: int) -> Iterator[None]:
    """Work with so many CPU threads; 0 leaves them as they are."""
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
