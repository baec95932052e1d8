"""Several recommenders on the same users: one table, each row with its interval, and paired tests of row against row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from llmrg.core.conversions import frame
from llmrg.core.errors import CallerError
from llmrg.core.interval import Interval
from llmrg.evaluation.held_out import Ranks
from llmrg.evaluation.protocol import ProtocolCard
from llmrg.evaluation.statistics import PairedTest, bootstrap_mean, corrected, p_text, paired_difference
from llmrg.recommenders.ranking import coverage, metric

if TYPE_CHECKING:
    import pandas as pd

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
    """Of that difference, Holm-corrected over all tests of the table, those of contrasts among them."""
    p_is_bound: bool = False
    """The number of sign flips limits the p-value: it is at most `p_value`."""

    @property
    def p(self) -> str:
        """For people: `0.031`, `<= 0.0006`, or nothing in the reference row."""
        return "" if self.p_value is None else p_text(self.p_value, self.p_is_bound)


@dataclass(frozen=True)
class Contrast:
    """One row against another: what a graph adds to what it must beat."""

    name: str
    against: str
    difference: Interval
    """NDCG@10 of `name` minus that of `against`, same users."""
    p_value: float
    """Holm-corrected as in `Row`."""
    p_is_bound: bool = False

    @property
    def p(self) -> str:
        return p_text(self.p_value, self.p_is_bound)


@dataclass(frozen=True)
class Comparison:
    """The table and its card."""

    rows: tuple[Row, ...]
    reference: str
    card: ProtocolCard
    contrasts: tuple[Contrast, ...] = ()

    def __repr__(self) -> str:
        card = self.card
        return f"Comparison({len(self.rows)} recommenders on {card.data!r}: {card.users:,} users, {card.items:,} items)"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def to_pandas(self) -> pd.DataFrame:
        """One row a recommender, by name: each metric with the ends of its interval, the difference to the reference row, and p.

        Raises: MissingPackageError.
        """
        named = f"NDCG@10 minus {self.reference}"
        rows = [
            {"recommender": row.name}
            | {label: value for name, interval in row.metrics.items() for label, value in _ends(name, interval).items()}
            | (_ends(named, row.difference) if row.difference is not None else {})
            | {"p": row.p_value, "coverage": row.coverage}
            | {f"{name} unmasked": value for name, value in row.unmasked.items()}
            for row in self.rows
        ]
        return frame(rows, list(dict.fromkeys(label for row in rows for label in row))).set_index("recommender")


def _ends(name: str, value: Interval) -> dict[str, float]:
    return {name: value.value, f"{name} low": value.low, f"{name} high": value.high}


def compare(
    ranks: Mapping[str, Sequence[Ranks]],
    reference: str,
    card: ProtocolCard,
    n_items: int,
    contrasts: Sequence[tuple[str, str]] = (),
    *,
    seed: int = 0,
) -> Comparison:
    """Make the table.

    Args:
        ranks: name -> one `Ranks` per seed (a recommender without randomness has one). All of the same users, in the same order.
        reference: the row that every other row is tested against.
        contrasts: further tests, each of a row against another.
    Raises: CallerError: rows of different users; a reference or a contrast names a row that is not there, or one row twice.
    """
    users = {run.users for runs in ranks.values() for run in runs}
    if len(users) != 1:
        raise CallerError("rows of a comparison must rank the same users in the same order")
    for row, other in ((reference, None), *contrasts):
        for name in {row, other} - {None, *ranks}:
            raise CallerError(
                f"no row is named {name!r}, so nothing can be tested against it; rows: {', '.join(map(repr, ranks))}"
            )
        if row == other:
            raise CallerError(f"a contrast needs two rows, not {row!r} twice")
    tests = _tests(ranks, [*((name, reference) for name in ranks if name != reference), *contrasts], seed)
    rows = []
    for name, runs in ranks.items():
        test = tests.get((name, reference))
        rows.append(
            Row(
                name=name,
                metrics={m: bootstrap_mean(_per_user(runs, m), seed) for m in ALL},
                unmasked={m: float(np.mean([metric(m, run.unmasked).mean() for run in runs])) for m in HEADLINE},
                coverage=float(np.mean([coverage(run.top, n_items, 10) for run in runs])),
                difference=test.difference if test else None,
                p_value=test.p_value if test else None,
                p_is_bound=bool(test and test.p_is_bound),
            )
        )
    contrast_rows = [Contrast(*pair, tests[pair].difference, tests[pair].p_value, tests[pair].p_is_bound) for pair in contrasts]
    return Comparison(tuple(rows), reference, card, tuple(contrast_rows))


Pair = tuple[str, str]


def _tests(ranks: Mapping[str, Sequence[Ranks]], pairs: Sequence[Pair], seed: int) -> dict[Pair, PairedTest]:
    """Each pair once, corrected for all of them."""
    values = {name: _per_user(runs, "NDCG@10") for name, runs in ranks.items()}
    differences = {pair: paired_difference(values[pair[0]], values[pair[1]], seed) for pair in pairs}
    return dict(zip(differences, corrected(list(differences.values())), strict=True))


def _per_user(runs: Sequence[Ranks], name: str) -> np.ndarray:
    mean: np.ndarray = np.mean([metric(name, run.masked) for run in runs], axis=0)
    return mean
