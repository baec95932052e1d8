"""The table: differences against the reference row, row against row, and what is printed of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from llmrg.cli.tables import comparison_rows, contrast_rows
from llmrg.core.errors import CallerError
from llmrg.evaluation.comparison import Comparison, compare
from llmrg.evaluation.held_out import Ranks
from llmrg.evaluation.protocol import ProtocolCard, Visibility

CARD = ProtocolCard("toy", 400, 50, (0,))
BASE, PLAIN, SHUFFLED, OURS = "SASRec", "plain", "shuffled", "reasoning"


def ranks(values: np.ndarray, users: int = 400) -> Ranks:
    names = tuple(f"u{n}" for n in range(users))
    return Ranks(names, values, values + 1, np.tile(np.arange(20), (users, 1)))


def drawn(good: float, seed: int, users: int = 400) -> Ranks:
    """The target is first for this share of the users, else beyond the list."""
    return ranks(np.where(np.random.default_rng(seed).random(users) < good, 1, 40), users)


@pytest.fixture(scope="module")
def table() -> Comparison:
    """Any graph helps over the base; ours does not over the shuffled one."""
    rows = {BASE: [drawn(0.1, 0)], PLAIN: [drawn(0.3, 1)], SHUFFLED: [drawn(0.5, 2)], OURS: [drawn(0.5, 3)]}
    return compare(rows, BASE, CARD, 50, [(OURS, PLAIN), (OURS, SHUFFLED), (OURS, BASE)])


def test_comparison_finds_the_better_row_and_says_equal_rows_are_equal() -> None:
    good, bad = ranks(np.ones(12, dtype=int), 12), ranks(np.full(12, 40), 12)
    table = compare({"bad": [bad], "good": [good], "again": [bad]}, "bad", CARD, 50)
    rows = {row.name: row for row in table.rows}
    assert rows["bad"].difference is None
    assert rows["bad"].p == ""
    assert rows["good"].metrics["HR@10"].value == 1.0
    assert rows["good"].difference is not None
    assert rows["good"].difference.low > 0
    assert rows["good"].p_value is not None
    assert rows["good"].p_value < 0.05
    assert rows["again"].p_value == 1.0


def test_a_graph_can_beat_the_base_and_still_not_the_shuffled_one(table: Comparison) -> None:
    by_name = {row.name: row for row in table.rows}
    assert by_name[OURS].p_value is not None
    assert by_name[OURS].p_value < 0.01
    plain, dealt, base = table.contrasts
    assert (plain.name, plain.against) == (OURS, PLAIN)
    assert plain.difference.low > 0
    assert plain.p_value < 0.05
    assert dealt.difference.low < 0 < dealt.difference.high
    assert dealt.p_value > 0.05
    assert base.difference == by_name[OURS].difference
    assert (base.p_value, base.p_is_bound) == (by_name[OURS].p_value, True)


def test_holm_counts_every_test_of_the_table_once(table: Comparison) -> None:
    # three rows against the base and two contrasts; the third contrast is one of the rows
    assert {row.p for row in table.rows} == {"", "<= 0.0005"}
    rows = {row.name: [drawn(0.1 if row.name == BASE else 0.5, n)] for n, row in enumerate(table.rows)}
    alone = compare(rows, BASE, CARD, 50)
    assert {row.p for row in alone.rows} == {"", "<= 0.0003"}


def test_a_contrast_is_the_difference_of_its_rows(table: Comparison) -> None:
    means = {row.name: row.metrics["NDCG@10"].value for row in table.rows}
    for one in table.contrasts:
        assert one.difference.value == pytest.approx(means[one.name] - means[one.against])


def test_json_and_text_keep_what_is_a_bound(table: Comparison) -> None:
    plain = json.loads(json.dumps(table.to_json()))
    assert [(one["name"], one["against"]) for one in plain["contrasts"]] == [(OURS, PLAIN), (OURS, SHUFFLED), (OURS, BASE)]
    assert [row["p_is_bound"] for row in plain["rows"]] == [False, True, True, True]
    assert plain["contrasts"][1]["p_is_bound"] is False
    header, rows = comparison_rows(table)
    assert [row[header.index("p")] for row in rows] == ["", "<= 0.0005", "<= 0.0005", "<= 0.0005"]
    header, rows = contrast_rows(table)
    assert [row[0] for row in rows] == ["reasoning minus plain", "reasoning minus shuffled", "reasoning minus SASRec"]
    assert not rows[1][2].startswith("<=")
    assert contrast_rows(compare({BASE: [drawn(0.1, 0)]}, BASE, CARD, 50))[1] == []


@pytest.mark.parametrize(
    ("reference", "contrasts", "message"),
    [(BASE, [(OURS, "attributes")], "'attributes'"), ("BSARec", [], "'BSARec'"), (BASE, [(OURS, OURS)], "twice")],
)
def test_rows_that_are_not_there_are_named(reference: str, contrasts: list[tuple[str, str]], message: str) -> None:
    rows = {BASE: [drawn(0.1, 0)], OURS: [drawn(0.5, 3)]}
    with pytest.raises(CallerError, match=message):
        compare(rows, reference, CARD, 50, contrasts)


def test_rows_of_other_users_are_refused() -> None:
    with pytest.raises(CallerError, match="same users"):
        compare({"a": [drawn(0.5, 0, 12)], "b": [drawn(0.5, 0, 3)]}, "a", CARD, 50)


def test_the_card_prints_what_is_known_and_nothing_else() -> None:
    labels = [label for label, _ in CARD.lines()]
    assert labels == ["data", "split", "ranking", "seen", "ties", "query", "loss", "selection", "seeds", "interval"]
    card = ProtocolCard(
        "toy",
        400,
        50,
        (0, 1),
        mind="attributes, verified by itself",
        run="a1b2c3",
        graphs_at=(Visibility("reasoned", 0.984, 1.0), Visibility("imagined", 0.004, 0.75)),
        objective="next item",
        fusion="themes",
        weights="softmax over the catalogue on the validation items",
    )
    told = dict(card.lines())
    assert told["mind"] == "attributes, verified by itself"
    assert told["graphs at"] == (
        "reasoned: 98.4% of training positions, 100.0% of test positions; "
        "imagined: 0.4% of training positions, 75.0% of test positions"
    )
    assert {"run", "objective", "fusion", "weights"} <= told.keys()
    assert told["seeds"] == "2 (0, 1)"
