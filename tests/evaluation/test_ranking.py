"""What a recommender is shown, and what it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from llmrg.core.errors import CallerError, DataError
from llmrg.core.records import History, Item, ReasoningGraph, Step
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.evaluation.comparison import compare
from llmrg.evaluation.controls import plain_sequence, shuffled
from llmrg.evaluation.protocol import ProtocolCard
from llmrg.evaluation.ranking import rank_held_out
from llmrg.recommenders.protocol import Query


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


def test_comparison_finds_the_better_row_and_says_equal_rows_are_equal() -> None:
    data = dataset(n_users=12)
    good = rank_held_out(Spy(), data)

    class Bad(Spy):
        def scores(self, queries: Sequence[Query]) -> np.ndarray:
            return -super().scores(queries)

    bad = rank_held_out(Bad(), data)
    table = compare({"bad": [bad], "good": [good], "again": [bad]}, "bad", ProtocolCard("toy", 12, 12, (0,)), 12)
    rows = {row.name: row for row in table.rows}
    assert rows["bad"].difference is None
    assert rows["good"].metrics["HR@10"].mean == 1.0
    assert rows["good"].difference is not None
    assert rows["good"].difference.low > 0
    assert rows["good"].p_value is not None
    assert rows["good"].p_value < 0.05
    assert rows["again"].p_value == 1.0
    with pytest.raises(CallerError, match="same users"):
        compare({"a": [good], "b": [rank_held_out(Spy(), dataset(n_users=3))]}, "a", table.card, 12)


def test_plain_sequence_has_no_reasons_and_obeys_the_leak_rule() -> None:
    graphs = plain_sequence(dataset().histories)
    assert all(step.reason == "" for graph in graphs.values() for step in graph.steps)
    assert len(graphs["u0"].before(3).steps) == 2


def test_shuffling_keeps_the_shape_and_changes_the_reasons() -> None:
    data = dataset()
    graphs = {
        user: ReasoningGraph(user, tuple(
            Step(user, p, "reasoned", "root", "", None, f"{user}-{p}", item, p / 10, 0, seen=p + 1)
            for p, item in enumerate(history.items)
        ))
        for user, history in data.histories.items()
    }  # fmt: skip
    dealt = shuffled(graphs, seed=1)
    before = [(s.user, s.position, s.item, s.seen) for g in graphs.values() for s in g.steps]
    after = [(s.user, s.position, s.item, s.seen) for g in dealt.values() for s in g.steps]
    assert before == after
    reasons = [s.reason for g in graphs.values() for s in g.steps]
    new = [s.reason for g in dealt.values() for s in g.steps]
    assert sorted(reasons) == sorted(new)
    assert sum(a != b for a, b in zip(reasons, new, strict=True)) > len(reasons) / 2
    assert shuffled(graphs, seed=1) == dealt
