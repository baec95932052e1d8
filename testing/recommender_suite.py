"""The contract of every recommender. Subclass it in your tests and say how to make one:

class TestMine(RecommenderSuite):
    def make(self) -> Recommender:
        return Mine()

    def load(self, folder: Path) -> Recommender:
        return Mine.load(folder)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmrg.core.errors import UnknownItemError
from llmrg.core.graph_table import GraphTable
from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.core.themes import Themes
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.recommenders.protocol import Query, Recommender
from llmrg.recommenders.queries import Queries
from llmrg.recommenders.ranking import masked, top_k

ITEMS = 20
LENGTH = 9


def cycle_world(users: int = 80) -> Dataset:
    """Item j is always followed by item j + 1, the last by the first; users start at different items."""
    catalogue = Catalogue(Item(f"i{j}", f"Item {j}", (("theme", f"theme {j % 3}"),)) for j in range(ITEMS))
    histories = {f"u{u}": History(f"u{u}", tuple(f"i{(u + t) % ITEMS}" for t in range(LENGTH))) for u in range(users)}
    report = LoadReport("cycle", users * LENGTH, users, ITEMS)
    return Dataset("cycle", catalogue, histories, report, ("theme",))


def cycle_graphs(dataset: Dataset) -> dict[str, ReasoningGraph]:
    """A step per item from the one before it, and one imagined step from every cut: the item that does follow."""
    return {user: ReasoningGraph(user, tuple(_steps(history))) for user, history in dataset.histories.items()}


def _steps(history: History) -> list[Step]:
    user, items = history.user, history.items
    steps = []
    for p in range(1, len(items) + 1):
        before, follower = items[p - 1], f"i{(int(items[p - 1][1:]) + 1) % ITEMS}"
        if p < len(items):
            steps.append(Step(user, p, "reasoned", "item", before, p - 1, f"after {before}", items[p], 0.9, 0, seen=p + 1))
        steps.append(Step(user, p, "imagined", "item", before, p - 1, f"after {before}", follower, 0.8, 0, seen=p))
    return steps


def with_items(dataset: Dataset, position: int, item: str) -> Dataset:
    """Every history with another item at `position` (negative: from the end)."""
    changed: dict[str, History] = {}
    for user, history in dataset.histories.items():
        items = list(history.items)
        items[position] = item
        changed[user] = replace(history, items=tuple(items))
    return replace(dataset, histories=changed)


class RecommenderSuite(ABC):
    """Nine promises of the protocol."""

    learns_order = True
    """False for recommenders that cannot find a cycle, such as popularity."""
    tolerance = 1e-5

    @abstractmethod
    def make(self) -> Recommender:
        """A new, unfitted recommender; two of them fitted on the same data must agree."""

    @abstractmethod
    def load(self, folder: Path) -> Recommender:
        """What `save` wrote to this folder."""

    def graphs(self, dataset: Dataset) -> Mapping[str, ReasoningGraph]:
        return cycle_graphs(dataset)

    def themes(self, dataset: Dataset) -> Themes | None:
        return None

    def fitted(self, dataset: Dataset, graphs: Mapping[str, ReasoningGraph] | None = None) -> Recommender:
        recommender = self.make()
        recommender.fit(dataset, graphs if graphs is not None else self.graphs(dataset), self.themes(dataset))
        return recommender

    @pytest.fixture(scope="class")
    def world(self) -> Dataset:
        return cycle_world()

    @pytest.fixture(scope="class")
    def known(self, world: Dataset) -> Recommender:
        return self.fitted(world)

    def queries(self, dataset: Dataset) -> list[Query]:
        """Prefixes of every length, with their graphs."""
        graphs = self.graphs(dataset)
        users = list(dataset.histories)[: 2 * ITEMS]
        return [Query.at(dataset.histories[u], 1 + n % (LENGTH - 2), graphs.get(u)) for n, u in enumerate(users)]

    def test_scores_are_one_finite_row_a_query(self, known: Recommender, world: Dataset) -> None:
        scores = known.scores(self.queries(world))
        assert scores.shape == (2 * ITEMS, ITEMS)
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()

    def test_unknown_item_is_named(self, known: Recommender) -> None:
        with pytest.raises(UnknownItemError, match="nonsense"):
            known.scores([Query(History("u0", ("i1", "nonsense")))])

    def test_empty_history_gets_popularity(self, known: Recommender, world: Dataset) -> None:
        some = world.only(list(world.histories)[:ITEMS])
        popular = replace(some, histories={**some.histories, **_fans(30)})
        scores = self.fitted(popular).scores([Query(History("nobody", ()))])
        assert top_k(scores, 1)[0].tolist() == [popular.catalogue.row("i9")]
        assert known.scores([]).shape == (0, ITEMS)

    def test_batch_equals_one_by_one(self, known: Recommender, world: Dataset) -> None:
        queries = self.queries(world)
        alone = np.concatenate([known.scores([query]) for query in queries])
        np.testing.assert_allclose(known.scores(queries), alone, atol=self.tolerance)

    def test_questions_in_columns_score_as_one_by_one(self, known: Recommender, world: Dataset) -> None:
        """Also where one comes before any item, and where a user has no graph."""
        graphs = dict(list(self.graphs(world).items())[: ITEMS + 3])
        numbers = np.arange(2 * ITEMS)
        positions = numbers % (LENGTH - 1)
        users = [world.arrays.users[number] for number in numbers]
        alone = [Query.at(world.histories[u], int(p), graphs.get(u)) for u, p in zip(users, positions, strict=True)]
        columns = Queries(world.arrays, numbers, positions, GraphTable.of_mapping(graphs))
        np.testing.assert_allclose(known.scores(columns), known.scores(alone), atol=self.tolerance)

    def test_saved_and_loaded_scores_are_equal(self, known: Recommender, world: Dataset, tmp_path: Path) -> None:
        known.save(tmp_path / "saved")
        scores = self.load(tmp_path / "saved").scores(self.queries(world))
        np.testing.assert_array_equal(scores, known.scores(self.queries(world)))

    def test_planted_cycle_is_found_at_rank_1(self, known: Recommender, world: Dataset) -> None:
        if not self.learns_order:
            pytest.skip("this recommender does not learn order")
        queries = self.queries(world)
        seen = [np.array([world.catalogue.row(item) for item in query.history.items]) for query in queries]
        best = [int(row[0]) for row in top_k(masked(known.scores(queries), seen), 1)]
        right = [world.catalogue.row(query.history.items[-1]) % ITEMS + 1 for query in queries]
        assert np.mean(np.array(best) == right) >= 0.9  # early stopping may end before the shortest prefixes are learnt

    def test_test_items_are_never_read(self, known: Recommender, world: Dataset) -> None:
        """Planted leak: another last item in every history, steps about it included, changes nothing."""
        other = with_items(world, -1, "i0")
        leaky = self.fitted(other, self.graphs(other))
        np.testing.assert_array_equal(leaky.scores(self.queries(world)), known.scores(self.queries(world)))

    def test_validation_items_are_not_trained_on(self, world: Dataset) -> None:
        """Planted leak: of two items with the same text one is every history's validation item, the other occurs nowhere.

        Each takes either part once, so that what they start from cancels out: being a validation item must not raise a score.
        """
        extra = [*world.catalogue, Item("one", "One more"), Item("two", "One more")]
        some, gains, spread = world.only(list(world.histories)[: 2 * ITEMS]), [], 1e-9
        for planted, other in (("one", "two"), ("two", "one")):
            data = with_items(replace(some, catalogue=Catalogue(extra)), -2, planted)
            scores = self.fitted(data, {}).scores([Query(h.before(LENGTH - 2)) for h in data.histories.values()])
            own, idle = (scores[:, data.catalogue.row(item) - 1] for item in (planted, other))
            gains.append(float((own - idle).mean()))
            spread = max(spread, float(scores[:, :ITEMS].std()))
        assert np.mean(gains) <= spread / 4  # early stopping may keep an epoch that likes the planted item, a little


def _fans(count: int) -> dict[str, Any]:
    return {f"fan{n}": History(f"fan{n}", ("i9",)) for n in range(count)}
