"""The graph in the language model: absent until it is trained, learnt where it tells something, never ahead of its time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llmrg.core.graph_table import GraphTable
from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.core.themes import Themes
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.encoders.text import HashedVectors
from llmrg.recommenders.base import FitData
from llmrg.recommenders.fusion.concat import ConcatConfig, ConcatGraphs
from llmrg.recommenders.items import ItemRows
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.training import RunOptions
from llmrg.recsysllm.batches import Batch
from llmrg.recsysllm.config import LlmTrainingConfig, RecSysLlmConfig
from llmrg.recsysllm.graph_plug import GraphPlug, RandomVectors
from llmrg.recsysllm.layout import Control
from llmrg.recsysllm.net import RecSysNet
from llmrg.recsysllm.recommender import RecSysLlm

TITLES = ["Dune", "Emma", "Walden", "Ulysses", "Beloved", "Dracula"]
HISTORIES = {"u0": [1, 2, 3, 4, 5], "u1": [6, 5, 4, 3], "u2": [2, 4, 6, 1, 3]}


def reasoned(user: str, position: int, reason: str, seen: int) -> Step:
    items = [f"i{row}" for row in HISTORIES[user]]
    cause = items[position - 1]
    return Step(user, position, "reasoned", "item", cause, position - 1, reason, items[position], 0.9, 0, seen)


def imagined(user: str, position: int, reason: str, item: int, seen: int) -> Step:
    cause = f"i{HISTORIES[user][position - 1]}"
    return Step(user, position, "imagined", "item", cause, position - 1, reason, f"i{item}", 0.8, 0, seen)


def graphs(**more: list[Step]) -> dict[str, ReasoningGraph]:
    """One step of each kind at each position, and more of some users."""
    found = {}
    for user, rows in HISTORIES.items():
        steps = [reasoned(user, p, f"reason {p}", p + 1) for p in range(1, len(rows))]
        steps += [imagined(user, p, f"idea {p}", 1 + p % 6, p) for p in range(1, len(rows) + 1)]
        found[user] = ReasoningGraph(user, tuple(steps + more.get(user, [])))
    return found


@dataclass
class World:
    """A small catalogue told to a net, and what graphs say of three users."""

    desk: Any
    told: Callable[[Mapping[str, ReasoningGraph]], ConcatGraphs]

    def plugged(self, told: ConcatGraphs) -> RecSysNet:
        """The same net with an untrained plug."""
        torch.manual_seed(3)
        plug = GraphPlug(self.desk.net.backbone.size, _vectors(), told.sizes["text"], told.setting)
        made = RecSysNet(self.desk.net.backbone, self.desk.text.trie, None, plug)
        made.control.load_state_dict(self.desk.net.control.state_dict())
        made.intra.load_state_dict(self.desk.net.intra.state_dict())
        return made.eval()

    def batch(self) -> Batch:
        layouts = [self.desk.training(rows, user=user) for user, rows in enumerate(HISTORIES.values())]
        return Batch.of(layouts, [[0, 1], [2]])


def _vectors() -> np.ndarray:
    return HashedVectors().embed(TITLES)


@pytest.fixture(scope="module", params=["causal", "blank"])
def world(request: pytest.FixtureRequest, small: Callable[..., Any]) -> World:
    desk = small(TITLES, layout=request.param, loss="vocabulary")
    catalogue = Catalogue(Item(f"i{n}", title) for n, title in enumerate(TITLES, start=1))
    histories = {user: History(user, tuple(f"i{row}" for row in rows)) for user, rows in HISTORIES.items()}
    dataset = Dataset("small", catalogue, histories, LoadReport("by hand", 14, 3, 6))
    items = ItemRows(catalogue.ids)
    parts = {user: items.rows(history.items) for user, history in histories.items()}

    def told(known: Mapping[str, ReasoningGraph]) -> ConcatGraphs:
        return ConcatConfig().graphs_of(FitData(dataset, items, parts, GraphTable.of_mapping(known), Themes()), HashedVectors())

    return World(desk, told)


def test_an_untrained_plug_changes_no_bit(world: World) -> None:
    told, batch = world.told(graphs()), world.batch()
    net = world.plugged(told)
    assert len(batch.slot) > 2
    with torch.no_grad():
        bare, plain = world.desk.net.states(batch), world.desk.net(batch)
        for known in (told, None):
            assert torch.equal(net.states(batch, known), bare)
            found = net(batch, known)
            assert torch.equal(found.words, plain.words)
            assert found.loss == plain.loss


def test_the_first_step_teaches_the_encoders(world: World) -> None:
    told = world.told(graphs())
    net = world.plugged(told)
    net(world.batch(), told).loss.backward()
    assert net.plug is not None
    for layer, encoder in net.plug.vectors.encoders.items():
        assert any(weight.grad is not None and bool(weight.grad.abs().max() > 0) for weight in encoder.parameters()), layer


def test_slots_show_what_was_known_at_their_positions(world: World, shake: Callable[..., Any]) -> None:
    """Additions stand at the slots alone, and those of one user are not those of another."""
    told, batch = world.told(graphs()), world.batch()
    net = shake(world.plugged(told))
    with torch.no_grad():
        added = net.added(batch.control, batch.intra, batch.slot, told) - net.added(batch.control, batch.intra, batch.slot, None)
        added = added / net.backbone.scale
    moved = added.abs().amax(dim=2) > 1e-6
    slots = (batch.control == Control.REASONED) | (batch.control == Control.IMAGINED)
    assert not moved[~slots].any()
    for row, column, user, position in batch.slot.tolist():
        alone = net.plug(told, np.array([user]), np.array([[position]]))[0, 0]  # type: ignore[misc]
        layer = int(batch.control[row, column]) - Control.REASONED
        np.testing.assert_allclose(added[row, column], alone[layer].detach(), atol=1e-5)
    seen = {(user, position): added[row, column] for row, column, user, position in batch.slot[1::2].tolist() if position}
    pairs = list(seen.values())
    assert all(not torch.allclose(one, other, atol=1e-4) for n, one in enumerate(pairs) for other in pairs[:n])


@pytest.mark.parametrize("world", ["causal"], indirect=True)
@pytest.mark.parametrize("late", [1, 2, 3, 4])
def test_steps_seen_later_change_nothing(world: World, shake: Callable[..., Any], late: int) -> None:
    """Steps about any position that were made with more than `late` items in sight: slots up to there stay as they were."""
    early = graphs()
    more = [reasoned("u0", p, "hindsight", max(late, p) + 1) for p in range(1, 5)]
    more += [imagined("u0", p, "foresight", 6, max(late + 1, p)) for p in range(1, 6)]
    batch, changed = world.batch(), world.told(graphs(u0=more))
    told = world.told(early)
    net = shake(world.plugged(told))
    with torch.no_grad():
        before, after = (
            net.added(batch.control, batch.intra, batch.slot, known) / net.backbone.scale for known in (told, changed)
        )
    apart = {position: False for _, _, user, position in batch.slot.tolist() if user == 0}
    for row, column, user, position in batch.slot.tolist():
        same = torch.allclose(before[row, column], after[row, column], atol=1e-6)
        assert same or (user == 0 and position > late), (before[row, column] - after[row, column]).abs().max()
        if user == 0:
            apart[position] |= not same
    assert all(apart[position] for position in apart if position > late), "what is known by then does count"


# -- a world in which only the graph tells what comes --------------------------------------------------------------------
THEMES, SHELF, LENGTH, USERS = 4, 12, 7, 48


def fortune(seed: int = 0) -> tuple[Dataset, dict[str, ReasoningGraph]]:
    """Histories are drawn evenly; at each cut one imagined step names the theme of what follows, and another item of it."""
    dice = np.random.default_rng(seed)
    catalogue = Catalogue(Item(f"i{n}", f"Title {n}", (("theme", f"theme {n % THEMES}"),)) for n in range(SHELF))
    histories, found = {}, {}
    for number in range(USERS):
        user = f"u{number}"
        rows = dice.permutation(SHELF)[:LENGTH].tolist()
        steps = []
        for p in range(1, LENGTH):
            theme = rows[p] % THEMES
            other = int(dice.choice([row for row in range(SHELF) if row % THEMES == theme and row != rows[p]]))
            cause = f"i{rows[p - 1]}"
            steps.append(Step(user, p, "imagined", "item", cause, p - 1, f"theme {theme}", f"i{other}", 0.9, 0, seen=p))
        histories[user] = History(user, tuple(f"i{row}" for row in rows))
        found[user] = ReasoningGraph(user, tuple(steps))
    report = LoadReport("fortune", USERS * LENGTH, USERS, SHELF)
    return Dataset("fortune", catalogue, histories, report, ("theme",)), found


def nll(folder: Path, way: str, epochs: int) -> float:
    """Of the test items, after a short training."""
    dataset, found = fortune()
    config = RecSysLlmConfig(model=str(folder), graph=way, item_attributes=(), train_layers=1, lora_rank=4)  # type: ignore[arg-type]
    training = LlmTrainingConfig(epochs=epochs, learning_rate=3e-3, head_rate=1e-2, batch_tokens=300, patience=10)
    made = RecSysLlm(config, training=training, options=RunOptions(threads=1))
    made.fit(dataset, found)
    queries = [Query.at(h, LENGTH - 1, found[user]) for user, h in dataset.histories.items()]
    scores = torch.from_numpy(made.scores(queries)).log_softmax(1)
    answers = [dataset.catalogue.row(h.items[-1]) - 1 for h in dataset.histories.values()]
    return -float(scores[range(USERS), answers].mean())


def test_what_only_the_graph_tells_is_learnt(save_tiny: Callable[..., Path], tmp_path: Path) -> None:
    """Four themes of three items: without the graph ln 12 = 2.5 nats, with it ln 3 = 1.1 at best."""
    folder = save_tiny(tmp_path / "calm", layers=2, initializer_range=0.1)
    without, slots = nll(folder, "none", 4), nll(folder, "slots", 10)  # more epochs do not make the first one better
    assert slots < without - 0.6, (slots, without)


# -- the control ---------------------------------------------------------------------------------------------------------
def test_random_vectors_mean_nothing_and_are_always_the_same() -> None:
    like = HashedVectors()
    texts: Sequence[str] = ("ghosts", "ghost", "", "ghosts", "\ud800 alone")
    found = RandomVectors(like).embed(texts)
    assert found.shape == (5, like.embed([""]).shape[1])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, RandomVectors(like).embed(texts))
    np.testing.assert_array_equal(found[0], found[3])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 1, 0, 1, 1], atol=1e-6)
    alike = like.embed(["ghosts", "ghost"])
    assert alike[0] @ alike[1] > 0.5 > abs(found[0] @ found[1])
    assert "hashed" in RandomVectors(like).name
