"""Several recommenders on the same users: one table, each row with its interval and its paired difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from llmrg.core.errors import CallerError
from llmrg.evaluation.metrics import coverage, metric
from llmrg.evaluation.protocol import ProtocolCard
from llmrg.evaluation.ranking import Ranks
from llmrg.evaluation.statistics import Interval, bootstrap_mean, holm, paired_difference

HEADLINE = ("HR@10", "NDCG@10")
ALL = ("HR@5", "HR@10", "HR@20", "NDCG@5", "NDCG@10", "NDCG@20", "MRR@10")


@dataclass(frozen=True)
class Row:
    """One recommender, all seeds."""

    name: str
    metrics: dict[str, Interval]
    """Seen items masked."""
    unmasked: dict[str, float]
    coverage: float
    """Share of the catalogue in anybody's first 10."""
    difference: Interval | None
    """NDCG@10 minus the reference row's, same users; None in the reference row."""
    p_value: float | None
    """Holm-corrected over the rows of the table."""


@dataclass(frozen=True)
class Comparison:
    """The table and its card."""

    rows: tuple[Row, ...]
    reference: str
    card: ProtocolCard

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(ranks: Mapping[str, Sequence[Ranks]], reference: str, card: ProtocolCard, n_items: int, seed: int = 0) -> Comparison:
    """Make the table.

    Args:
        ranks: name -> one `Ranks` per seed (a recommender without randomness has one). All of the same users, in the same order.
        reference: the row that differences are taken against.
    Raises: CallerError: rows of different users.
    """
    users = {run.users for runs in ranks.values() for run in runs}
    if len(users) != 1:
        raise CallerError("rows of a comparison must rank the same users in the same order")
    values = {name: _per_user(runs, "NDCG@10") for name, runs in ranks.items()}
    others = [name for name in ranks if name != reference]
    tests = {name: paired_difference(values[name], values[reference], seed) for name in others}
    corrected = dict(zip(others, holm([tests[name][1] for name in others]), strict=True))
    rows = tuple(
        Row(
            name=name,
            metrics={m: bootstrap_mean(_per_user(runs, m), seed) for m in ALL},
            unmasked={m: float(np.mean([metric(m, run.unmasked).mean() for run in runs])) for m in HEADLINE},
            coverage=float(np.mean([coverage(run.top, n_items, 10) for run in runs])),
            difference=tests[name][0] if name in tests else None,
            p_value=corrected.get(name),
        )
        for name, runs in ranks.items()
    )
    return Comparison(rows, reference, card)


def _per_user(runs: Sequence[Ranks], name: str) -> np.ndarray:
    mean: np.ndarray = np.mean([metric(name, run.masked) for run in runs], axis=0)
    return mean
