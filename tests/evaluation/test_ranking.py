"""What a recommender is shown, and what it is not."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llmrg.core.errors import ArtifactError, DataError
from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.evaluation.held_out import rank_held_out
from llmrg.recommenders.items import ItemRows
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.ranking import coverage


def dataset(n_users: int = 6, length: int = 5, n_items: int = 12) -> Dataset:
    items = [Item(f"i{k}", f"Item {k}") for k in range(n_items)]
    histories = {
        f"u{u}": History(f"u{u}", tuple(f"i{(u + k) % n_items}" for k in range(length)), (None,) * length) for u in range(n_users)
    }
    return Dataset("toy", Catalogue(items), histories, LoadReport("toy", n_users * length, n_users, n_items))


class Spy:
    """Scores the item after the last one highest (the rule of `dataset`) and keeps what it was asked."""

    name = "spy"

    def __init__(self, n_items: int = 12) -> None:
        self.items = ItemRows([f"i{k}" for k in range(n_items)])
        self.asked: list[Query] = []
        self.n_items = n_items

    def fit(self, dataset: Dataset, graphs: Mapping[str, ReasoningGraph] | None = None) -> None: ...

    def save(self, folder: Path) -> None: ...

    def scores(self, queries: Sequence[Query]) -> np.ndarray:
        self.asked += queries
        result = np.zeros((len(queries), self.n_items), dtype=np.float32)
        for row, query in enumerate(queries):
            last = int(query.history.items[-1][1:])
            result[row, (last + 1) % self.n_items] = 1.0
            result[row, last] = 2.0  # the item just taken: masked in one figure, in the way in the other
        return result


def graph_of(history: History) -> ReasoningGraph:
    steps = [
        Step(history.user, p, "reasoned", "item", history.items[p - 1], p - 1, "r", history.items[p], 0.9, 0, seen=p + 1)
        for p in range(1, len(history))
    ]
    return ReasoningGraph(history.user, tuple(steps))


@pytest.mark.parametrize(("split", "known"), [("test", 4), ("validation", 3)])
def test_the_query_ends_before_the_target(split: str, known: int) -> None:
    data, spy = dataset(), Spy()
    graphs = {user: graph_of(history) for user, history in data.histories.items()}
    ranks = rank_held_out(spy, data, graphs, split=split)  # type: ignore[arg-type]
    assert ranks.masked.tolist() == [1] * 6
    assert ranks.unmasked.tolist() == [2] * 6
    for query in spy.asked:
        assert len(query.history) == known
        assert query.graph is not None
        assert max(step.seen for step in query.graph.steps) == known


def test_chunks_do_not_matter() -> None:
    data = dataset()
    one, many = rank_held_out(Spy(), data, chunk=100), rank_held_out(Spy(), data, chunk=2)
    assert (one.masked == many.masked).all()
    assert (one.top == many.top).all()


def test_too_short_histories_are_said_so() -> None:
    with pytest.raises(DataError, match="3 items or more"):
        rank_held_out(Spy(), dataset(length=2))


class Flat(Spy):
    """Has no opinion, so that only the order of the catalogue decides."""

    def scores(self, queries: Sequence[Query]) -> np.ndarray:
        return np.zeros((len(queries), self.n_items), dtype=np.float32)


def test_top_lists_break_ties_by_row_and_end_where_nothing_is_left() -> None:
    data = dataset(n_users=3)
    top = rank_held_out(Flat(), data, top=3).top  # user u has taken i{u} to i{u+3} when i{u+4} is asked for
    assert top.tolist() == [[4, 5, 6], [0, 5, 6], [0, 1, 6]]
    whole = rank_held_out(Flat(), data, top=50).top
    assert whole.shape == (3, 12)
    assert whole[1].tolist() == [0, 5, 6, 7, 8, 9, 10, 11, -1, -1, -1, -1]
    assert coverage(whole[:1], n_items=12, k=12) == 8 / 12


def test_memory_depends_on_the_chunk_and_not_on_the_users() -> None:
    def peak(n_users: int) -> int:
        data = dataset(n_users, n_items=1500)
        tracemalloc.start()
        rank_held_out(Flat(1500), data, chunk=64, top=10)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    # 64 x 1,500 scores are 0.4 MB; 640 users' scores at once would be ten times as much
    assert peak(640) < 1.5 * peak(64)


def test_scores_are_matched_to_the_catalogue_by_id() -> None:
    data = dataset()
    turned = replace(data, catalogue=Catalogue(reversed(list(data.catalogue))))
    np.testing.assert_array_equal(rank_held_out(Spy(), turned).masked, rank_held_out(Spy(), data).masked)
    more = replace(data, catalogue=Catalogue([Item("new", "New"), *data.catalogue]))
    with pytest.raises(ArtifactError, match=r"1 of 13 items of 'toy' are new to it \(for instance 'new'\); train it again"):
        rank_held_out(Spy(), more)
