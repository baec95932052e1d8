"""What the graphs add, and that they add nothing where there are none."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.encoders.building import Texts, imagined_arrays, reasoned_arrays
from llmrg.encoders.text import HashedVectors
from llmrg.recommenders.fusion import FusionConfig, GraphFusion, Graphs
from llmrg.recommenders.graph_recommender import GraphRecommender
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.ranking import masked, ranks
from llmrg.recommenders.sasrec import SasRecConfig, SasRecNet
from llmrg.recommenders.training import TrainingConfig
from llmrg.testing.recommender_suite import cycle_graphs, cycle_world

SMALL = SasRecConfig(embedding_size=16, max_length=10, blocks=1, dropout=0.1)
ITEMS, LENGTH = 60, 10


def told_world(kind: str, users: int = 120) -> tuple[Dataset, dict[str, ReasoningGraph]]:
    """Random items: a history says nothing; the graph tells the next item ("imagined") or only its theme ("reasoned")."""
    dice = random.Random(0)
    catalogue = Catalogue(Item(str(row), f"Item {row}") for row in range(1, ITEMS + 1))
    histories, graphs = {}, {}
    for user in map(str, range(users)):
        items = dice.sample(catalogue.ids, LENGTH)
        histories[user] = History(user, tuple(items))
        steps = []
        for p in range(1, LENGTH):
            theme = f"theme number {'abcdef'[int(items[p]) % 6] * 4}"
            if kind == "imagined":
                steps.append(Step(user, p, "imagined", "item", items[p - 1], p - 1, "next", items[p], 0.9, 0, seen=p))
            else:  # what the reason of the step before says about the item after it
                steps.append(Step(user, p - 1, "reasoned", "root", "", None, theme, items[p - 1], 0.9, 0, seen=p))
        graphs[user] = ReasoningGraph(user, tuple(steps))
    return Dataset("told", catalogue, histories, LoadReport("told", 0, users, ITEMS)), graphs


def hits(made: GraphRecommender, data: Dataset, graphs: dict[str, ReasoningGraph], k: int) -> float:
    queries = [Query.at(h, LENGTH - 1, graphs.get(u)) for u, h in data.histories.items()]
    rows = [np.array([int(item) for item in query.history.items]) for query in queries]
    found = ranks(masked(made.scores(queries), rows), np.array([int(h.items[-1]) for h in data.histories.values()]))
    return float((found <= k).mean())


@pytest.mark.parametrize(("kind", "k", "least"), [("imagined", 1, 0.8), ("reasoned", 10, 0.7)])
def test_what_only_the_graph_tells_is_learnt(kind: str, k: int, least: float) -> None:
    """Chance: 1 of 51 unseen items, and 10 of 51 (0.20); a theme has about 8.5 unseen items."""
    data, graphs = told_world(kind)
    made = GraphRecommender(HashedVectors(64), SMALL, training=TrainingConfig(epochs=80, batch_size=32, learning_rate=0.01))
    made.fit(data, graphs)
    assert hits(made, data, graphs, k) >= least
    assert hits(made, data, {}, k) <= least / 2  # and without it the answer is gone


@pytest.mark.parametrize("off", ["use_reasoned", "use_divergent"])
def test_a_graph_that_is_off_changes_nothing(off: str) -> None:
    data = cycle_world(8)
    graphs = cycle_graphs(data)
    kind = "imagined" if off == "use_reasoned" else "reasoned"
    left = {user: replace(graph, steps=tuple(s for s in graph.steps if s.kind == kind)) for user, graph in graphs.items()}
    scores = []
    for given in (graphs, left):
        made = GraphRecommender(None, SMALL, FusionConfig(**{off: False}), TrainingConfig(epochs=2))
        made.fit(data, given)
        scores.append(made.scores([Query.at(h, 5, given[u]) for u, h in data.histories.items()]))
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("encoder", ["causal", "sr_gnn"])
def test_the_untrained_fusion_is_near_its_base_and_without_graphs_is_the_base(encoder: str) -> None:
    data = cycle_world(4)
    graphs = cycle_graphs(data)
    base = SasRecNet(20, SMALL, torch.Generator().manual_seed(0))
    fusion = GraphFusion(base, 32, FusionConfig(encoder=encoder)).eval()
    rows = [np.array([data.catalogue.row(item) for item in h.items]) for h in data.histories.values()]
    items, positions = torch.from_numpy(np.stack(rows)), np.tile(np.arange(1, 10), (4, 1))
    texts = Texts()

    def encode(given: list[ReasoningGraph | None]) -> torch.Tensor:
        row = data.catalogue.row
        made = Graphs(reasoned_arrays(rows, given, row, texts), imagined_arrays(rows, given, row, texts))
        return fusion.encode(items, positions, made, torch.from_numpy(HashedVectors(32).embed(texts.all())))

    with torch.no_grad():
        plain = base.encode(items)
        torch.testing.assert_close(encode([None] * 4), plain)
        moved = encode(list(graphs.values())) - plain
    assert 0 < moved.norm() < 0.5 * plain.norm()


def test_users_without_a_graph_are_answered() -> None:
    data = cycle_world(8)
    made = GraphRecommender(None, SMALL, None, TrainingConfig(epochs=1))
    made.fit(data, {"u1": cycle_graphs(data)["u1"], "stranger": ReasoningGraph("stranger")})
    assert np.isfinite(made.scores([Query(history) for history in data.histories.values()])).all()
    made.fit(data)
    assert np.isfinite(made.scores([Query(data.histories["u0"], ReasoningGraph("u0"))])).all()


def test_a_later_step_in_a_query_is_not_used() -> None:
    """A caller who forgets to cut the graph still leaks nothing."""
    data = cycle_world(8)
    graphs = cycle_graphs(data)
    made = GraphRecommender(None, SMALL, None, TrainingConfig(epochs=1))
    made.fit(data, graphs)
    history, graph = data.histories["u0"], graphs["u0"]
    np.testing.assert_array_equal(made.scores([Query(history.before(4), graph)]), made.scores([Query.at(history, 4, graph)]))


def test_wrong_choices_are_refused_at_construction() -> None:
    for wrong in ({"encoder": "gat"}, {"dropout": 1.0}, {"steps": 0}, {"unknown": 1}):
        with pytest.raises(ValidationError):
            FusionConfig(**wrong)
