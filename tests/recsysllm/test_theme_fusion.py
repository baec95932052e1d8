"""Themes beside the item head: what they add is learnt, told apart by reason, kept, and cut at the question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llmrg.core.errors import ConfigError
from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.recommenders.fusion.themes import ThemesConfig
from llmrg.recommenders.loading import load_recommender
from llmrg.recommenders.making import GraphOptions
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.training import RunOptions, TrainingConfig
from llmrg.recsysllm import theme_fusion
from llmrg.recsysllm.config import LlmTrainingConfig, RecSysLlmConfig
from llmrg.recsysllm.making import language_model_of, with_themes
from llmrg.recsysllm.recommender import RecSysLlm
from llmrg.recsysllm.theme_fusion import ThemeFusion

THEMES, SHELF, LENGTH, USERS = 5, 15, 7, 60


def fortune() -> tuple[Dataset, dict[str, ReasoningGraph]]:
    """What comes next is of the theme that the graph's last reasoned step names, and of nothing that the history shows."""
    dice = np.random.default_rng(0)
    catalogue = Catalogue(Item(f"i{n}", f"Title {n}", (("theme", f"theme {n % THEMES}"),)) for n in range(SHELF))
    histories, graphs = {}, {}
    for number in range(USERS):
        user, rows = f"u{number}", dice.permutation(SHELF)[:LENGTH].tolist()
        steps = [
            Step(user, p - 1, "reasoned", "root", "", None, f"theme {rows[p] % THEMES}", f"i{rows[p - 1]}", 0.9, 0, seen=p)
            for p in range(1, LENGTH)
        ]
        histories[user] = History(user, tuple(f"i{row}" for row in rows))
        graphs[user] = ReasoningGraph(user, tuple(steps))
    report = LoadReport("fortune", USERS * LENGTH, USERS, SHELF)
    return Dataset("fortune", catalogue, histories, report, ("theme",)), graphs


@pytest.fixture(scope="module")
def world() -> tuple[Dataset, dict[str, ReasoningGraph]]:
    return fortune()


@pytest.fixture(scope="module")
def base(world, save_tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> RecSysLlm:
    folder = save_tiny(tmp_path_factory.mktemp("base") / "llama", layers=1, initializer_range=0.1)
    config = RecSysLlmConfig(model=str(folder), train_layers=1, lora_rank=2)
    made = RecSysLlm(config, training=LlmTrainingConfig(epochs=1), options=RunOptions(threads=1))
    made.fit(world[0])
    return made


@pytest.fixture(scope="module")
def fused(world, base: RecSysLlm) -> ThemeFusion:
    made = ThemeFusion(base, ThemesConfig(), TrainingConfig(epochs=30, learning_rate=1e-2, patience=30))
    made.fit(*world)
    return made


def queries(world: tuple[Dataset, Mapping[str, ReasoningGraph]]) -> list[Query]:
    dataset, graphs = world
    return [Query.at(history, LENGTH - 1, graphs[user]) for user, history in dataset.histories.items()]


def test_what_the_reasons_ask_for_is_learnt(world, base: RecSysLlm, fused: ThemeFusion) -> None:
    """The answer is one of three items of a known theme: the language model cannot know which theme."""
    answers = [world[0].catalogue.row(history.items[-1]) - 1 for history in world[0].histories.values()]
    means = []
    for model in (base, fused):
        scores = model.scores(queries(world)).astype(np.float64)
        scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
        means.append(scores[np.arange(USERS), answers].mean())
    assert means[1] > means[0] + 0.3


def test_without_a_graph_it_is_the_language_model(world, base: RecSysLlm, fused: ThemeFusion) -> None:
    bare = [Query(query.history) for query in queries(world)]
    assert not np.allclose(fused.scores(queries(world)), base.scores(queries(world)), atol=1e-3)
    silent = [Query(query.history, ReasoningGraph(query.history.user)) for query in bare]
    np.testing.assert_allclose(fused.scores(silent), base.scores(bare), atol=1e-5)


def test_parts_sum_to_the_score_and_name_their_reasons(world, fused: ThemeFusion) -> None:
    query = queries(world)[3]
    scores = fused.scores([query])[0]
    for column in (0, 7):
        parts = fused.contributions(query, world[0].catalogue.ids[column])
        assert sum(part.value for part in parts) == pytest.approx(float(scores[column]), abs=1e-4)
        assert any(part.name.startswith("theme ") for part in parts)


def test_saved_and_loaded_it_is_the_same(world, fused: ThemeFusion, tmp_path: Path) -> None:
    fused.save(tmp_path / "kept")
    found = load_recommender(tmp_path / "kept", options=RunOptions(threads=1))
    np.testing.assert_array_equal(found.scores(queries(world)), fused.scores(queries(world)))
    assert language_model_of(found).words.items


def test_steps_seen_later_change_nothing(world, fused: ThemeFusion) -> None:
    """Planted leak: steps made by someone who had seen the answer, in the graph of every question."""
    dataset, graphs = world
    leaky = []
    for user, history in dataset.histories.items():
        late = Step(user, LENGTH - 1, "reasoned", "root", "", None, "theme 0", history.items[-1], 1.0, 1, seen=LENGTH)
        leaky.append(Query.at(history, LENGTH - 1, ReasoningGraph(user, (*graphs[user].steps, late))))
    np.testing.assert_array_equal(fused.scores(leaky), fused.scores(queries(world)))


def test_validation_chooses_between_late_and_joint(world, base: RecSysLlm) -> None:
    made = with_themes(base, GraphOptions())
    made.fit(*world)
    assert set(made.validation) == {"late", "joint"}  # type: ignore[attr-defined]
    assert language_model_of(made) is base


@pytest.mark.parametrize("how", [{"head": "titles"}, {"layout": "blank", "draws": 1}])
def test_every_head_and_layout_takes_themes(world, base: RecSysLlm, how: dict[str, Any]) -> None:
    """Titles have no item head to learn beside; a masked first item has no reasons before it."""
    config = RecSysLlmConfig(model=base.config.model, train_layers=1, lora_rank=2, **how)
    made = with_themes(RecSysLlm(config, training=LlmTrainingConfig(epochs=1), options=RunOptions(threads=1)), GraphOptions())
    small = world[0].only(list(world[0].histories)[:8])
    made.fit(small, world[1])
    assert set(made.validation) == ({"late"} if "head" in how else {"late", "joint"})  # type: ignore[attr-defined]
    assert np.isfinite(made.scores(queries(world)[:2])).all()


def test_a_large_catalogue_is_learnt_from_some_users(world, base: RecSysLlm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores of all training questions would take gigabytes: as many users as there is room for, always the same ones."""
    seen: list[np.ndarray] = []
    real = theme_fusion.training_scores

    def watched(*given: Any) -> Any:
        found = real(*given)
        seen.append(found[0])
        assert len(found[0]) == len(found[1])
        return found

    monkeypatch.setattr(theme_fusion, "training_scores", watched)
    for room in (1 << 30, 40 * 4 * SHELF, 40 * 4 * SHELF, 1):
        monkeypatch.setattr(theme_fusion, "ROOM", room)
        ThemeFusion(base, ThemesConfig(), TrainingConfig(epochs=1)).fit(*world)
    everything, some, again, least = seen
    assert len(everything) == USERS * (LENGTH - 3), "each training item but the first"
    assert 30 < len(some) <= 40
    np.testing.assert_array_equal(some, again)
    assert len(np.unique(least[:, 0])) == 1


def test_a_fusion_without_its_base_is_refused(world, base: RecSysLlm) -> None:
    with pytest.raises(ConfigError, match="fit='late'"):
        with_themes(RecSysLlm(base.config.model_copy(update={"head": "titles"})), GraphOptions(fit="joint"))
    fewer = replace(world[0], catalogue=Catalogue([*world[0].catalogue, Item("new", "New")]))
    with pytest.raises(ConfigError, match="another catalogue"):
        ThemeFusion(base).fit(fewer, world[1])


def test_the_loss_lies_where_the_fusion_does(base: RecSysLlm, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU, without one: tensors are pretended to lie there."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    made = ThemeFusion(base)
    made._graphs = object()  # type: ignore[assignment]
    asked, by_user = np.array([[0, 1, 2], [0, 2, 3]]), [np.array([0, 1])]
    with FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True):
        monkeypatch.setattr(made, "_all_slots", lambda told, users, at: torch.empty((*at.shape, 5), device="cuda"))
        loss = made._loss(np.array([0]), asked, np.zeros((2, 5), np.float32), by_user)
    assert loss.device.type == "cuda"
