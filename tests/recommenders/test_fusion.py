"""What the graphs add, by either fusion, and that they add nothing where there are none."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from llmrg.core.errors import ConfigError
from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.encoders.text import HashedVectors
from llmrg.recommenders.fusion.concat import ConcatConfig
from llmrg.recommenders.fusion.themes import ThemesConfig, ThemesGraphs
from llmrg.recommenders.loading import load_recommender
from llmrg.recommenders.models.bert4rec import Bert4RecConfig
from llmrg.recommenders.models.sasrec import SasRecConfig
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.ranking import masked, ranks
from llmrg.recommenders.sequential import SequentialRecommender
from llmrg.recommenders.theme_profiles import ItemProfiles
from llmrg.recommenders.training import RunOptions, TrainingConfig
from llmrg.testing.recommender_suite import cycle_graphs, cycle_world

SMALL = SasRecConfig(embedding_size=16, max_length=10, layers=1, dropout=0.1)
ITEMS, LENGTH, THEMES = 60, 10, 6
FUSIONS = {
    "themes": ThemesConfig(size=16, dropout=0.0),
    "steps": ThemesConfig(size=16, dropout=0.0, source="steps"),
    "concat": ConcatConfig(),
    "sr_gnn": ConcatConfig(encoder="sr_gnn"),
}


def theme_of(item: str) -> str:
    return f"theme {'abcdef'[int(item) % THEMES] * 4}"


def told_world(kind: str, users: int = 120) -> tuple[Dataset, dict[str, ReasoningGraph]]:
    """Random items: a history says nothing; the graph tells the next item ("imagined") or only its theme ("reasoned")."""
    dice = random.Random(0)
    catalogue = Catalogue(Item(str(row), f"Item {row}", (("theme", theme_of(str(row))),)) for row in range(1, ITEMS + 1))
    histories, graphs = {}, {}
    for user in map(str, range(users)):
        items = dice.sample(catalogue.ids, LENGTH)
        histories[user] = History(user, tuple(items))
        steps = []
        for p in range(1, LENGTH):
            if kind == "imagined":
                steps.append(Step(user, p, "imagined", "item", items[p - 1], p - 1, "next", items[p], 0.9, 0, seen=p))
            else:  # what the reason of the step before says about the item after it
                steps.append(Step(user, p - 1, "reasoned", "root", "", None, theme_of(items[p]), items[p - 1], 0.9, 0, seen=p))
        graphs[user] = ReasoningGraph(user, tuple(steps))
    return Dataset("told", catalogue, histories, LoadReport("told", 0, users, ITEMS), ("theme",)), graphs


def fitted(data: Dataset, graphs: Any, fusion: Any, *, model: Any = SMALL, **training: Any) -> SequentialRecommender:
    config = TrainingConfig(**{"epochs": 2, "batch_size": 32, "learning_rate": 0.01, **training})
    made = SequentialRecommender(model, fusion=fusion, text=HashedVectors(64), training=config)
    made.fit(data, graphs)
    return made


def hits(made: SequentialRecommender, data: Dataset, graphs: dict[str, ReasoningGraph], k: int) -> float:
    queries = [Query.at(h, LENGTH - 1, graphs.get(u, ReasoningGraph(u))) for u, h in data.histories.items()]
    rows = [np.array([int(item) for item in query.history.items]) for query in queries]
    found = ranks(masked(made.scores(queries), rows), np.array([int(h.items[-1]) for h in data.histories.values()]))
    return float((found <= k).mean())


@pytest.mark.parametrize("fusion", ["themes", "concat"])
@pytest.mark.parametrize(("kind", "k", "least"), [("imagined", 1, 0.8), ("reasoned", 10, 0.7)])
def test_what_only_the_graph_tells_is_learnt(fusion: str, kind: str, k: int, least: float) -> None:
    """Chance: 1 of 51 unseen items, and 10 of 51 (0.20); a theme has about 8.5 unseen items."""
    data, graphs = told_world(kind)
    config = FUSIONS[fusion]
    if fusion == "themes" and kind == "reasoned":  # only the newest reason tells
        config = ThemesConfig(size=16, dropout=0.0, half_lives=(0.1,))
    made = fitted(data, graphs, config, epochs=80)
    assert hits(made, data, graphs, k) >= least
    assert hits(made, data, {}, k) <= least / 2  # and without it the answer is gone


@pytest.mark.parametrize("fusion", ["themes", "concat"])
@pytest.mark.parametrize("off", ["reasoned", "imagined"])
def test_a_graph_that_is_off_changes_nothing(fusion: str, off: str) -> None:
    data = themed_cycle()
    graphs = {user: _cycle_themes(graph) for user, graph in cycle_graphs(data).items()}
    left = {u: replace(g, steps=tuple(s for s in g.steps if s.kind != off)) for u, g in graphs.items()}
    if fusion == "themes":
        config: Any = ThemesConfig(views=() if off == "reasoned" else ("graph",), use_imagined=off != "imagined")
    else:
        config = ConcatConfig(**{f"use_{off}": False})
    scores = []
    for given in (graphs, left):
        made = fitted(data, given, config)
        scores.append(made.scores([Query.at(h, 5, given[u]) for u, h in data.histories.items()]))
    np.testing.assert_array_equal(*scores)


def themed_cycle(users: int = 12) -> Dataset:
    return cycle_world(users)


def _cycle_themes(graph: ReasoningGraph) -> ReasoningGraph:
    """The reasons of the cycle world as the themes of its catalogue."""
    return replace(graph, steps=tuple(replace(s, reason=f"theme {int(s.item[1:]) % 3}") for s in graph.steps))


@pytest.mark.parametrize("name", FUSIONS)
def test_the_untrained_fusion_is_the_base_exactly(name: str) -> None:
    data = themed_cycle()
    graphs = {user: _cycle_themes(graph) for user, graph in cycle_graphs(data).items()}
    still = {"epochs": 1, "learning_rate": 1e-30}
    plain, fused = fitted(data, {}, None, **still), fitted(data, graphs, FUSIONS[name], **still)
    queries = [Query.at(h, 5, graphs[u]) for u, h in data.histories.items()]
    np.testing.assert_allclose(fused.scores(queries), plain.scores(queries), atol=1e-6)


@pytest.mark.parametrize("name", FUSIONS)
def test_every_parameter_of_the_graph_learns(name: str) -> None:
    data = themed_cycle()
    graphs = {user: _cycle_themes(graph) for user, graph in cycle_graphs(data).items()}
    first = fitted(data, graphs, FUSIONS[name], epochs=1, learning_rate=1e-30)._fitted()["fusion"].state_dict()
    made = fitted(data, graphs, FUSIONS[name], epochs=4, batch_size=4)
    assert made.visible == {"reasoned": (5 / 6, 1.0), "imagined": (1.0, 1.0)}  # the first item has no step about it
    for parameter, value in made._fitted()["fusion"].state_dict().items():
        if parameter != "vectors.encoders.imagined.recency":  # the nodes of a cut are of one age: the softmax cannot tell
            assert not torch.equal(value, first[parameter]), f"{parameter} has not moved"


def test_a_graph_that_no_training_position_sees_is_refused_with_what_to_do() -> None:
    data = themed_cycle()
    late = {
        user: replace(graph, steps=tuple(replace(s, seen=len(data.histories[user]) - 2) for s in graph.steps if s.position < 7))
        for user, graph in cycle_graphs(data).items()
    }
    for fusion in (ConcatConfig(), ThemesConfig(source="steps")):
        with pytest.raises(ConfigError, match="no step of the graphs is visible at any position"):
            fitted(data, {u: replace(g, steps=g.steps[:1]) for u, g in late.items()}, fusion)


@pytest.mark.parametrize("name", FUSIONS)
@pytest.mark.parametrize("model", [SMALL, Bert4RecConfig(embedding_size=16, max_length=10, layers=1, dropout=0.1)])
def test_parts_sum_to_the_score_before_and_after_saving(name: str, model: Any, tmp_path: Path) -> None:
    data = themed_cycle()
    graphs = {user: _cycle_themes(graph) for user, graph in cycle_graphs(data).items()}
    made = fitted(data, graphs, FUSIONS[name], model=model, epochs=6)
    made.save(tmp_path)
    again = load_recommender(tmp_path, text=HashedVectors(64))
    queries = [Query.at(data.histories[user], 6, graphs[user]) for user in ("u0", "u5")]
    scores = made.scores(queries)
    np.testing.assert_array_equal(again.scores(queries), scores)
    moved = 0.0
    for query, line in zip(queries, scores, strict=True):
        for item, score in zip(data.catalogue.ids, line, strict=True):
            parts = again.contributions(query, item)
            assert sum(part.value for part in parts) == pytest.approx(float(score), abs=1e-4)
            moved += sum(abs(part.value) for part in parts if part.kind != "base")
    assert moved > 1e-3


def test_a_reason_taken_away_takes_its_part_with_it() -> None:
    data, graphs = told_world("reasoned", 60)
    made = fitted(data, graphs, ThemesConfig(size=16, dropout=0.0), epochs=20)
    history, graph = data.histories["0"], graphs["0"]
    query = Query.at(history, 8, graph)
    item = next(item for item in data.catalogue.ids if theme_of(item) == query.graph.steps[-1].reason)  # type: ignore[union-attr]
    parts = {part.name: part.value for part in made.contributions(query, item)}
    assert parts[theme_of(item)] == max(value for name, value in parts.items() if name.startswith("theme"))
    without = replace(graph, steps=tuple(s for s in graph.steps if s.reason != theme_of(item)))
    row = data.catalogue.row(item) - 1
    assert made.scores([Query.at(history, 8, without)])[0, row] < made.scores([query])[0, row]


def test_a_later_step_in_a_query_is_not_used() -> None:
    """A caller who forgets to cut the graph still leaks nothing."""
    data = themed_cycle()
    graphs = {user: _cycle_themes(graph) for user, graph in cycle_graphs(data).items()}
    for fusion in FUSIONS.values():
        made = fitted(data, graphs, fusion)
        history, graph = data.histories["u0"], graphs["u0"]
        np.testing.assert_array_equal(made.scores([Query(history.before(4), graph)]), made.scores([Query.at(history, 4, graph)]))


def test_every_position_sees_what_its_prefix_alone_would_give() -> None:
    """Slots of one pass against the query for each prefix: the leak rule for themes, step by step."""
    data, graphs = told_world("reasoned", 20)
    made = fitted(data, graphs, ThemesConfig(size=16, dropout=0.0, views=("graph", "shared", "bag")), epochs=3)
    user = "3"
    history, graph = data.histories[user], graphs[user]
    rows = [np.array([data.catalogue.row(item) for item in history.items])]
    fusion_graphs = made._graphs
    assert isinstance(fusion_graphs, ThemesGraphs)
    whole = fusion_graphs.of_queries([Query.at(history, len(history), graph)], rows)
    fusion = made._fitted()["fusion"]
    positions = np.arange(1, LENGTH)[None, :]
    with torch.no_grad():
        together = whole.at(np.zeros(1, int), positions, torch.device("cpu"))
        asked = fusion.weights(together) @ fusion.theme[together.theme]
        for p in range(1, LENGTH):
            prefix = fusion_graphs.of_queries([Query.at(history, p, graph)], [rows[0][:p]])
            alone = prefix.at(np.zeros(1, int), np.array([[p]]), torch.device("cpu"))
            torch.testing.assert_close(asked[0, p - 1], (fusion.weights(alone) @ fusion.theme[alone.theme])[0, 0])


def test_leave_own_out_in_training_and_that_it_matters() -> None:
    """A world where each user's items are the user's own: only own steps say what they stand for."""
    users = 40
    catalogue = Catalogue(Item(f"own{u}x{t}", f"Own {u} {t}") for u in range(users) for t in range(6))
    histories = {f"u{u}": History(f"u{u}", tuple(f"own{u}x{t}" for t in range(6))) for u in range(users)}
    graphs = {}
    for user, history in histories.items():
        steps = [
            Step(user, p, "reasoned", "root", "", None, f"reason of {user}", item, 0.9, 0, seen=p + 1)
            for p, item in enumerate(history.items)
        ]
        graphs[user] = ReasoningGraph(user, tuple(steps))
    data = Dataset("own", catalogue, histories, LoadReport("own", 0, users, len(catalogue)))
    made = fitted(data, graphs, ThemesConfig(size=32, dropout=0.0, source="steps", use_imagined=False), epochs=15)
    fusion_graphs = made._graphs
    assert isinstance(fusion_graphs, ThemesGraphs)
    unguarded = replace(
        fusion_graphs, profiles=ItemProfiles.of(fusion_graphs.profiles.themes, fusion_graphs.profiles.matrix), _changes={}
    )
    leaky = SequentialRecommender(SMALL, fusion=_Given(unguarded), training=made.training)
    leaky.fit(data, graphs)

    def reasons(recommender: SequentialRecommender) -> float:
        """What reasons add to the item that does come next."""
        query = Query.at(histories["u7"], 3, graphs["u7"])
        return sum(part.value for part in recommender.contributions(query, "own7x3") if part.kind == "theme")

    assert reasons(made) == 0  # only the user's own steps say what the item stands for
    assert reasons(leaky) > 0.1  # the same world without the rule: the answer is in the profile


class _Given(ThemesConfig, frozen=True):
    """A themes fusion that is told what a test says."""

    def __new__(cls, graphs: ThemesGraphs) -> Any:
        config = graphs.setting.model_copy()
        object.__setattr__(config, "graphs_of", lambda data, text: graphs)
        return config


def test_users_without_a_graph_are_answered() -> None:
    data = themed_cycle()
    graphs = {"u1": _cycle_themes(cycle_graphs(data)["u1"]), "stranger": ReasoningGraph("stranger")}
    for fusion in FUSIONS.values():
        made = fitted(data, graphs, fusion, epochs=1)
        assert np.isfinite(made.scores([Query(history) for history in data.histories.values()])).all()
        assert np.isfinite(made.scores([Query(data.histories["u0"], ReasoningGraph("u0"))])).all()


def test_a_killed_fused_training_goes_on_to_the_identical_result(tmp_path: Path) -> None:
    data = themed_cycle()
    graphs = {user: _cycle_themes(graph) for user, graph in cycle_graphs(data).items()}
    queries = [Query.at(h, 5, graphs[u]) for u, h in data.histories.items()]

    def fit(epochs: int, checkpoint: Path | None) -> SequentialRecommender:
        config = TrainingConfig(epochs=epochs, batch_size=4)
        options = RunOptions(checkpoint=checkpoint)
        made = SequentialRecommender(SMALL, fusion=ThemesConfig(size=8), training=config, options=options)
        made.fit(data, graphs)
        return made

    whole = fit(4, None).scores(queries)
    fit(2, tmp_path / "kept")
    resumed = fit(4, tmp_path / "kept")
    assert [epoch.number for epoch in resumed.epochs] == [3, 4]
    np.testing.assert_array_equal(resumed.scores(queries), whole)


def test_wrong_choices_are_refused_at_construction() -> None:
    for wrong in ({"encoder": "gat"}, {"dropout": 1.0}, {"layers": 0}, {"unknown": 1}):
        with pytest.raises(ValidationError):
            ConcatConfig(**wrong)
    for bad in ({"views": ("all",)}, {"size": 0}, {"half_lives": (0.0,)}, {"unknown": 1}):
        with pytest.raises(ValidationError):
            ThemesConfig(**bad)
