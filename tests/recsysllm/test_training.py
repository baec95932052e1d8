"""The training loop: killed or not, cached or not, packed or not, on one process or two, it learns the same."""

from __future__ import annotations

import os
import signal
import socket
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from llmrg.core.errors import ArtifactError, ResourceError
from llmrg.recommenders.training import Epoch, RunOptions
from llmrg.recsysllm import training
from llmrg.recsysllm.batches import Batch, pack, steps_of
from llmrg.recsysllm.config import LlmTrainingConfig
from llmrg.recsysllm.item_head import ItemHead
from llmrg.recsysllm.lower_states import LowerStates
from llmrg.recsysllm.net import RecSysNet
from llmrg.recsysllm.training import Examples, Progress, train_llm

TITLES = ["Dune", "Dune Messiah", "Emma", "Walden", "A", "Ab"]
HISTORIES = [[1, 2, 3, 4], [3, 4, 5], [6, 5, 4, 3, 2, 1], [2, 4, 6], [1, 3], [5, 1, 6, 2]]
QUICK = LlmTrainingConfig(epochs=4, batch_tokens=150, row_tokens=100, patience=9)
WAYS = ["causal", "blank"]

Desk = Any


class Lesson:
    """What is learnt, the same every time it is made."""

    def __init__(self, small: Callable[..., Desk], layout: str, loss: str = "trie", kind: str = "llama") -> None:
        self.make = lambda: small(TITLES, kind, layout=layout, loss=loss, head="both", draws=3)
        desk = self.make()
        self.draws = 3 if layout == "blank" else 1
        layouts = [[desk.training(h, seed=9 * n + d, user=n) for d in range(self.draws)] for n, h in enumerate(HISTORIES)]
        asked = [desk.question(history, 1 + n, user=n) for n, history in enumerate(HISTORIES)]
        self.examples = Examples(layouts, asked, self.content)

    def content(self, asked: np.ndarray) -> np.ndarray:
        """Something that depends on user and position."""
        where = asked[:, 0, None] * 7 + asked[:, 1, None] * 3 + np.arange(len(TITLES))[None]
        return np.stack([np.sin(where), np.cos(where)]).astype(np.float32)

    def net(self) -> RecSysNet:
        """A shaken net with a head for items, dropout included."""
        desk = self.make()
        torch.manual_seed(8)
        vectors = np.random.default_rng(2).normal(size=(len(TITLES), 12)).astype(np.float32)
        head = ItemHead(desk.net.backbone.size, vectors, np.array([1.0, 2.0]))
        made = RecSysNet(desk.net.backbone, desk.text.trie, head)
        made.control.load_state_dict(desk.net.control.state_dict())
        made.intra.load_state_dict(desk.net.intra.state_dict())
        return made

    def train(
        self,
        config: LlmTrainingConfig = QUICK,
        checkpoint: Path | None = None,
        progress: Callable[[Epoch], None] | None = None,
        step: Callable[[Progress], None] | None = None,
        mark: str = "this",
        lower: LowerStates | None = None,
    ) -> tuple[dict[str, torch.Tensor], list[Epoch]]:
        """Weights and epochs."""
        net = self.net()
        options = RunOptions(seed=4, checkpoint=checkpoint, progress=progress)
        epochs = train_llm(net, self.examples, config, options, mark, step, lower)
        return net.state_dict(), epochs


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


# -- killed --------------------------------------------------------------------------------------------------------------
class Killed(Exception):
    pass


@pytest.mark.parametrize("layout", WAYS)
def test_resumed_is_undisturbed(small: Callable[..., Desk], layout: str, tmp_path: Path) -> None:
    """Killed after each epoch, and in the middle of one: all learnt weights end equal to the bit."""
    lesson = Lesson(small, layout)
    whole, told = lesson.train()
    for stop in range(1, QUICK.epochs):

        def kill(epoch: Epoch, stop: int = stop) -> None:
            if epoch.number == stop:
                raise Killed

        path = tmp_path / f"{stop}.safetensors"
        with pytest.raises(Killed):
            lesson.train(checkpoint=path, progress=kill)
        weights, epochs = lesson.train(checkpoint=path)
        assert equal(weights, whole)
        assert [(epoch.number, epoch.loss, epoch.nll) for epoch in epochs] == [(e.number, e.loss, e.nll) for e in told[stop:]]

    def kill_inside(progress: Progress) -> None:
        if (progress.epoch, progress.step) == (3, 2):
            raise Killed

    with pytest.raises(Killed):
        lesson.train(checkpoint=tmp_path / "inside", step=kill_inside)
    assert equal(lesson.train(checkpoint=tmp_path / "inside")[0], whole)
    assert lesson.train(checkpoint=tmp_path / "inside")[1] == [], "a finished training is not repeated"


def test_a_training_can_be_stopped_by_the_clock_and_go_on(small: Callable[..., Desk], tmp_path: Path) -> None:
    lesson, path = Lesson(small, "causal"), tmp_path / "clock"
    hasty = QUICK.model_copy(update={"max_seconds": 1e-9})
    assert lesson.train(hasty, path)[1] == []
    assert equal(lesson.train(QUICK, path)[0], lesson.train()[0])


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda whole: whole[:-100], "is damaged"),
        (lambda whole: b"\x00" * 50, "is damaged"),
        (lambda whole: b"", "is damaged"),
    ],
)
def test_a_damaged_checkpoint_is_refused(
    small: Callable[..., Desk], tmp_path: Path, damage: Callable[[bytes], bytes], problem: str
) -> None:
    lesson, path = Lesson(small, "causal"), tmp_path / "checkpoint"
    lesson.train(QUICK.model_copy(update={"epochs": 1}), path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ArtifactError, match=problem) as error:
        lesson.train(checkpoint=path)
    assert "delete it" in str(error.value)


def test_the_checkpoint_of_another_training_is_refused(small: Callable[..., Desk], tmp_path: Path) -> None:
    lesson, path = Lesson(small, "causal"), tmp_path / "checkpoint"
    lesson.train(QUICK.model_copy(update={"epochs": 1}), path)
    with pytest.raises(ArtifactError, match="belongs to other data or settings"):
        lesson.train(checkpoint=path, mark="other")


# -- what does not matter ------------------------------------------------------------------------------------------------
class Counted(LowerStates):
    """Knows how many batches it could serve."""

    def __init__(self, room: int) -> None:
        super().__init__(0)
        self.room, self.served = room, list[bool]()

    def of(self, *asked: Any) -> Any:
        found = super().of(*asked)
        self.served.append(found is not None)
        return found


@pytest.mark.parametrize("layout", WAYS)
@pytest.mark.parametrize("kind", ["llama", "gemma3", "gpt2"])
def test_with_and_without_the_lower_states(small: Callable[..., Desk], kind: str, layout: str) -> None:
    """All of them kept, some of them, none: the same losses."""
    lesson = Lesson(small, layout, kind=kind)
    config = QUICK.model_copy(update={"epochs": 2})
    kept, some, none = Counted(10**9), Counted(30_000), Counted(0)
    losses = [[(epoch.loss, epoch.nll) for epoch in lesson.train(config, lower=lower)[1]] for lower in (kept, some, none)]
    assert all(kept.served)
    assert 0 < sum(some.served) < len(some.served)
    assert none.served
    assert not any(none.served)
    np.testing.assert_allclose(losses[1], losses[0], atol=1e-4)
    np.testing.assert_allclose(losses[2], losses[0], atol=1e-4)


def test_lower_states_serve_a_second_training(small: Callable[..., Desk]) -> None:
    """What was read is not read again, and what learns on top of it does not matter."""
    lesson, lower = Lesson(small, "causal"), Counted(10**9)
    first = lesson.train(lower=lower)
    room = lower.room
    second = lesson.train(lower=lower)
    assert lower.room == room < 10**9
    assert all(lower.served)
    assert equal(first[0], second[0])


@pytest.mark.parametrize("layout", WAYS)
@pytest.mark.parametrize("kind", ["llama", "gemma3", "gpt2"])
def test_packing_and_padding_do_not_change_the_loss(small: Callable[..., Desk], kind: str, layout: str) -> None:
    for loss in ("trie", "vocabulary"):
        lesson = Lesson(small, layout, loss, kind)
        net = lesson.net().eval()
        examples = [versions[0] for versions in lesson.examples.training]
        everyone = range(len(examples))
        for rows in ([[n] for n in everyone], [list(everyone)], [[4, 0], [5], [1, 2, 3]], [[5, 3], [2], [1, 0], [4]]):
            batch = Batch.of(examples, rows)
            known = batch.ask[batch.ask[:, 4] > 0]
            with torch.no_grad():
                losses = net(batch, None, None, lesson.content(known[:, 2:4]))
            found = [float(losses.loss), *(float(values.sum()) for values, _ in losses.counted())]
            if rows == [[n] for n in everyone]:
                expected = found
                assert sum(value > 0 for value in found) >= 3
            np.testing.assert_allclose(found, expected, rtol=1e-5)


# -- what the loss is ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("layout", "loss"), [("causal", "trie"), ("causal", "vocabulary"), ("blank", "trie")])
def test_the_loss_by_hand(small: Callable[..., Desk], layout: str, loss: str) -> None:
    """Mean over items asked for, plus mean over titles (or words): each example alone, each place in a loop of its own."""
    lesson = Lesson(small, layout, loss)
    net, desk = lesson.net().eval(), lesson.make()
    examples = [versions[1 % lesson.draws] for versions in lesson.examples.training][:3]
    whole = [[*title, desk.text.end] for title in desk.text.titles]
    items, titles, words, starts = list[float](), 0.0, list[float](), 0
    assert net.head is not None
    for layout_ in examples:
        with torch.no_grad():
            states = net.states(Batch.of([layout_], [[0]]))[0]
            logits = net.backbone.word_logits(states).double()
            for at in np.flatnonzero(layout_.target != -100):
                node, word = int(layout_.node[at]), int(layout_.target[at])
                if node < 0:
                    words.append(-float(logits[at].log_softmax(0)[word]))
                    continue
                path = desk.text.trie.path(node)
                nexts = sorted({title[len(path)] for title in whole if title[: len(path)] == path and len(title) > len(path)})
                titles -= float(logits[at, nexts].log_softmax(0)[nexts.index(word)])
                starts += node == 0
            for at, position, item in layout_.ask.tolist():
                content = lesson.content(np.array([[layout_.user, position]]))
                scores = net.head(states[at][None], torch.from_numpy(content))[0].double()
                items.append(-float(scores.log_softmax(0)[item - 1]))
    expected = np.mean(items) + (titles / starts if starts else 0.0) + (np.mean(words) if words else 0.0)
    batch = Batch.of(examples, [[0, 2], [1]])
    with torch.no_grad():
        found = net(batch, None, None, lesson.content(batch.ask[:, 2:4]))
    assert float(found.loss) == pytest.approx(expected, rel=1e-5)
    assert (found.starts, len(found.words)) == (starts, len(words))
    assert bool(starts) == (loss == "trie")


def test_training_learns_and_keeps_the_best_epoch(small: Callable[..., Desk]) -> None:
    """Asked what it was trained on, it gets better; asked for what nothing tells, the untrained net is kept."""
    lesson = Lesson(small, "causal")
    config = LlmTrainingConfig(epochs=12, learning_rate=5e-3, head_rate=2e-2, batch_tokens=150, row_tokens=100, patience=3)
    known = replace(lesson.examples, validation=[versions[0] for versions in lesson.examples.training])
    for examples, learnable in ((known, True), (lesson.examples, False)):
        net = lesson.net()
        start = nll(net, examples, config)
        epochs = train_llm(net, examples, config, RunOptions(), "")
        assert epochs[-1].loss < epochs[0].loss
        best = min(start, *(epoch.nll or 9e9 for epoch in epochs))
        assert nll(net, examples, config) == pytest.approx(best, abs=1e-6)
        assert any(epoch.best for epoch in epochs) == learnable
        assert (best < start - 0.3) == learnable
        assert learnable or len(epochs) == config.patience
    fresh = dict(lesson.net().named_parameters())
    frozen = {name: weight for name, weight in net.named_parameters() if not weight.requires_grad}
    assert all(torch.equal(weight, fresh[name]) for name, weight in frozen.items()), "the base model stays as it was"


def nll(net: RecSysNet, examples: Examples, config: LlmTrainingConfig) -> float:
    """Of the validation examples, as it stands."""
    found = training._Training(net, examples, config, RunOptions(), "", None, None).validation_nll()
    assert found is not None
    return found


def test_a_catalogue_with_nothing_to_decide_can_be_trained_on(small: Callable[..., Desk]) -> None:
    """One item: its title is certain, so there is no gradient; nothing breaks."""
    for layout in WAYS:
        desk = small(["Only"], layout=layout)
        examples = [[desk.training([1, 1, 1])]]
        assert examples[0][0] is None or layout == "blank"
        made = Examples([row for row in examples if row[0] is not None], [desk.question([1, 1], 1)], lambda _: np.zeros(0))
        epochs = train_llm(desk.net, made, QUICK, RunOptions(), "")
        assert all(epoch.loss == 0.0 for epoch in epochs)


def test_too_little_memory_is_said(small: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(RecSysNet, "forward", full)
    with pytest.raises(ResourceError, match="lower batch_tokens"):
        Lesson(small, "causal").train()


# -- rows and steps ------------------------------------------------------------------------------------------------------
def test_rows_hold_every_example_once() -> None:
    dice = np.random.default_rng(0)
    for _ in range(50):
        lengths = dice.integers(1, 120, dice.integers(1, 40)).tolist()
        order = dice.permutation(len(lengths)).tolist()
        rows = pack(lengths, order, 100)
        assert [number for row in rows for number in row] == order
        assert all(len(row) == 1 or sum(lengths[n] for n in row) <= 100 for row in rows)
        steps = steps_of(rows, lengths, 300)
        assert sorted(number for step in steps for row in step for number in row) == sorted(order)
        for step in steps:
            assert len(step) == 1 or len(step) * max(sum(lengths[n] for n in row) for row in step) <= 300


# -- two processes -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Share:
    """A job of several processes."""

    name: str
    world: int
    layout: str = "causal"
    head: str = "titles"
    levels: tuple[float, float, float] = (1.0, 0.0, 0.0)
    seconds: tuple[float, ...] = ()
    """What the clock of each process allows."""

    def run(self, small: Callable[..., Desk], folder: Path) -> list[dict[str, torch.Tensor]]:
        """The weights that each process ends with."""
        port, children = _free_port(), []
        for rank in range(self.world):
            child = os.fork()
            if not child:
                os._exit(self._work(small, folder, rank, port))
            children.append(child)
        limit = time.monotonic() + 120
        while children and time.monotonic() < limit:
            children = [child for child in children if os.waitpid(child, os.WNOHANG) == (0, 0)]
            time.sleep(0.02)
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        errors = "".join(path.read_text() for path in sorted(folder.glob(f"{self.name}-*.error")))
        assert not errors, errors[-3000:]
        assert not children, "a process waits for ever"
        return [load_file(folder / f"{self.name}-{rank}.safetensors") for rank in range(self.world)]

    def _work(self, small: Callable[..., Desk], folder: Path, rank: int, port: int) -> int:
        where = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": self.world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in where.items()}, ACCELERATE_USE_CPU="true", OMP_NUM_THREADS="1")
        try:
            from accelerate.state import AcceleratorState

            AcceleratorState._reset_state(reset_partial_state=True)
            weights = self.learnt(small, folder, rank)
            save_file({name: value.clone() for name, value in weights.items()}, folder / f"{self.name}-{rank}.safetensors")
        except BaseException:
            (folder / f"{self.name}-{rank}.error").write_text(traceback.format_exc())
        return 0

    def learnt(self, small: Callable[..., Desk], folder: Path, rank: int) -> dict[str, torch.Tensor]:
        desk = small(PAIRS, train_layers=1, model={"layers": 2}, layout=self.layout, head=self.head, levels=self.levels, draws=1)
        layouts = [desk.training(row, seed=user, user=user) for user, row in enumerate(ROUNDS)]
        torch.manual_seed(0)
        head = ItemHead(desk.net.backbone.size, np.eye(6, dtype=np.float32), np.ones(1)) if self.head != "titles" else None
        net = RecSysNet(desk.net.backbone, desk.text.trie, head)
        longest = max(map(len, layouts))
        seconds = self.seconds[rank] if self.seconds else None
        config = LlmTrainingConfig(epochs=3, batch_tokens=4 * longest, row_tokens=1, learning_rate=3e-3, max_seconds=seconds)
        examples = Examples([[layout] for layout in layouts], layouts[:2], lambda asked: np.zeros((1, len(asked), 6), np.float32))
        epochs = train_llm(net, examples, config, RunOptions(checkpoint=folder / f"{self.name}.checkpoint"), self.name)
        assert len(epochs) == (0 if self.seconds else 3)
        return net.state_dict()


PAIRS = ["ab", "ac", "bc", "ca", "cb", "ba"]
ROUNDS = [[1, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 6], [4, 5, 6, 1], [5, 6, 1, 2], [6, 1, 2, 3], [1, 3, 5, 2], [2, 4, 6, 3]]


def _free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_two_processes_learn_as_one(small: Callable[..., Desk], tmp_path: Path) -> None:
    """Gradients are added up: both end with equal weights, which are those of one process with the same steps."""
    one, (two, other) = Share("one", 1).run(small, tmp_path)[0], Share("two", 2).run(small, tmp_path)
    assert equal(two, other)
    start = small(PAIRS, train_layers=1, model={"layers": 2}).net.state_dict()
    moved = sum(float((one[name] - start[name]).square().sum()) for name in one) ** 0.5
    apart = sum(float((one[name] - two[name]).square().sum()) for name in one) ** 0.5
    assert moved > 0.1
    assert apart < 0.02 * moved


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_two_processes_with_uneven_work_agree(small: Callable[..., Desk], tmp_path: Path) -> None:
    """Of mixed examples some have no question for a head, so that it has no gradient on one of them. Clocks may differ."""
    one, other = Share("mixed", 2, "blank", "both", (0.4, 0.0, 0.6)).run(small, tmp_path)
    assert equal(one, other)
    one, other = Share("clock", 2, seconds=(1e-9, 1e9)).run(small, tmp_path)
    assert equal(one, other)
