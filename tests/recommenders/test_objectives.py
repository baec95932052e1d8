"""What slots are asked and what a graph may know there; the contrastive terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from llmrg.recommenders.objectives.cloze import ClozeConfig
from llmrg.recommenders.objectives.contrastive import ContrastiveConfig, Occurrences, info_nce
from llmrg.recommenders.objectives.last_item import LastItemConfig
from llmrg.recommenders.objectives.next_item import NextItemConfig
from llmrg.recommenders.objectives.slots import MASK, Slots, padded, padding, positions_of

OBJECTIVES = [NextItemConfig(), LastItemConfig(), ClozeConfig(), ClozeConfig(share=0.2, only_last=0.5), ContrastiveConfig()]
every_objective = pytest.mark.parametrize("config", OBJECTIVES, ids=lambda config: config.kind)


def dice(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


WINDOWS = st.lists(st.tuples(st.integers(0, 9), st.integers(2, 7)), min_size=1, max_size=5)
"""(start, items) of each."""


@every_objective
@settings(max_examples=40, deadline=None)
@given(windows=WINDOWS, seed=st.integers(0, 99))
def test_no_slot_may_know_the_position_that_it_is_asked_for(config: Any, windows: list[tuple[int, int]], seed: int) -> None:
    """Each item here is its history position plus 1, so targets tell where they stand."""
    rows = [np.arange(start, start + size) + 1 for start, size in windows]
    starts = np.array([start for start, _ in windows])
    slots = config.build().training(rows, starts, 6, dice(seed))
    asked = slots.targets > 0
    assert asked.any(axis=1).all()
    np.testing.assert_array_equal(slots.positions[asked], slots.targets[asked] - 1)  # all that came before, and no more
    assert (slots.positions[slots.items == 0] == 0).all()
    shown = np.where(slots.items > 0, slots.items, 0)
    if config.kind == "cloze":
        assert (slots.items[asked] == MASK).all()
        assert ((slots.items == MASK) == asked).all()
    else:
        assert (shown[asked] == slots.targets[asked] - 1).all()


@every_objective
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_a_question_may_know_the_whole_history_and_no_more(config: Any, sizes: list[int]) -> None:
    rows = [np.arange(size) + 1 for size in sizes]
    slots = config.build().query(rows, 6)
    assert slots.items.shape == (len(sizes), 6)
    assert slots.positions[:, -1].tolist() == sizes
    assert not slots.targets.any()
    last = np.array([MASK if config.kind == "cloze" else size for size in sizes])
    np.testing.assert_array_equal(slots.items[:, -1], last)


def test_slots_by_hand() -> None:
    rows, starts = [np.array([11, 12, 13, 14]), np.array([15, 16])], np.array([5, 0])
    slots = NextItemConfig().build().training(rows, starts, 3, dice())
    assert slots.items.tolist() == [[11, 12, 13], [0, 0, 15]]
    assert slots.targets.tolist() == [[12, 13, 14], [0, 0, 16]]
    assert slots.positions.tolist() == [[6, 7, 8], [0, 0, 1]]
    slots = LastItemConfig().build().training(rows, starts, 3, dice())
    assert slots.items.tolist() == [[11, 12, 13], [0, 0, 15]]
    assert slots.targets.tolist() == [[0, 0, 14], [0, 0, 16]]
    slots = ClozeConfig(share=1.0, only_last=0.0).build().training(rows, starts, 3, dice())
    assert slots.items.tolist() == [[MASK] * 3, [0, MASK, MASK]]
    assert slots.targets.tolist() == [[12, 13, 14], [0, 15, 16]]
    assert slots.positions.tolist() == [[6, 7, 8], [0, 0, 1]]
    slots = ClozeConfig(only_last=1.0).build().training(rows, starts, 3, dice())
    assert slots.items.tolist() == [[12, 13, MASK], [0, 15, MASK]]


@every_objective
@given(lengths=st.lists(st.integers(0, 12), max_size=4), seed=st.integers(0, 99))
def test_the_windows_of_an_epoch_ask_for_each_item_but_the_first(config: Any, lengths: list[int], seed: int) -> None:
    """Once each before they are moved; moved ones stay inside their history."""
    objective, rows = config.build(), [np.arange(size) + 1 for size in lengths]
    windows, asked = objective.windows(lengths, 5), [np.zeros(size, dtype=int) for size in lengths]
    for u, start, stop in windows.tolist():
        assert 0 <= start < stop <= lengths[u]
        slots = NextItemConfig().build() if config.kind != "last_item" else objective
        targets = slots.training([rows[u][start:stop]], np.array([start]), 5, dice()).targets
        asked[u][targets[targets > 0] - 1] += 1
    assert all((count[1:] == 1).all() for count in asked)
    for (u, start, stop), (v, first, last) in zip(windows, objective.moved(windows, 5, dice(seed)), strict=True):
        assert (u, stop - start) == (v, last - first)
        assert 0 <= first <= start


def test_a_prefix_stays_where_it_is() -> None:
    made = LastItemConfig().build()
    assert made.windows([3, 1, 8], 4).tolist()[:2] == [[0, 0, 2], [0, 0, 3]]
    assert made.windows([3, 1, 8], 4).tolist()[-1] == [2, 3, 8]
    assert made.moved(made.windows([9], 2), 2, dice()).tolist() == made.windows([9], 2).tolist()


def test_padding_knows_a_mask_from_nothing() -> None:
    rows = [np.array([1, 2, 3, 4]), np.array([MASK]), np.array([], dtype=np.int64)]
    items = padded(rows, 3)
    assert items.tolist() == [[2, 3, 4], [0, 0, MASK], [0, 0, 0]]
    assert positions_of(items, np.array([4, 1, 0])).tolist() == [[2, 3, 4], [0, 0, 1], [0, 0, 0]]
    assert [padding(items[k:]) for k in (0, 1, 2)] == [0, 2, 2]
    assert Slots(items[1:], items[1:], items[1:]).trimmed().items.tolist() == [[MASK], [0]]


def test_cloze_hides_the_share_that_it_is_told() -> None:
    rows = [np.arange(50) + 1 for _ in range(400)]
    slots = ClozeConfig(share=0.3, only_last=0.25).build().training(rows, np.zeros(400, np.int64), 50, dice())
    counts = (slots.items == MASK).sum(axis=1)
    assert 0.2 < np.mean(counts == 1) < 0.3
    assert 0.28 < counts[counts > 1].mean() / 50 < 0.32
    assert (slots.items[counts == 1, -1] == MASK).all()


# -- contrastive terms -------------------------------------------------------------------------------------------------
def by_hand(first: np.ndarray, second: np.ndarray, temperature: float) -> float:
    views, count = np.concatenate([first, second]).astype(float), len(first)
    found = []
    for i in range(2 * count):
        weights = np.exp(views @ views[i] / temperature)
        found.append(-np.log(weights[(i + count) % (2 * count)] / np.delete(weights, i).sum()))
    return float(np.mean(found))


def test_info_nce_by_hand() -> None:
    first, second = dice().normal(size=(2, 4, 3)).astype(np.float32)
    for temperature in (0.5, 1.0):
        found = info_nce(torch.from_numpy(first), torch.from_numpy(second), temperature)
        assert float(found) == pytest.approx(by_hand(first, second, temperature), rel=1e-5)
    assert float(info_nce(torch.ones(1, 3), torch.zeros(1, 3), 1.0)) == 0.0


PARTS = [np.array([1, 2, 3, 4]), np.array([5, 6, 3, 7, 4]), np.array([8, 3]), np.array([9, 2])]


def asked(config: ContrastiveConfig, encode: Callable[[np.ndarray], Tensor], seed: int = 0) -> Tensor | None:
    made = config.build()
    slots = made.training(PARTS, np.zeros(4, np.int64), 5, dice()).trimmed()
    return made.extra_loss(encode, PARTS, PARTS, slots, encode(slots.items), 5, dice(seed))


class Seen:
    """Encodes a slot as a one-hot vector of its item, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[np.ndarray] = []

    def __call__(self, items: np.ndarray) -> Tensor:
        self.calls.append(items)
        return torch.nn.functional.one_hot(torch.from_numpy(items + 1), 12).float()


def rows_of(items: np.ndarray) -> list[list[int]]:
    return [[item for item in line if item] for line in items.tolist()]


def test_weights_of_zero_ask_nothing_and_draw_nothing() -> None:
    seen, generator = Seen(), dice(7)
    config = ContrastiveConfig(augmented=0.0)
    made = config.build()
    slots = made.training(PARTS, np.zeros(4, np.int64), 5, generator)
    assert made.extra_loss(seen, PARTS, PARTS, slots, torch.zeros(4, 5, 3), 5, generator) is None
    assert made.extra_rows == 0
    assert seen.calls == []
    assert generator.random() == dice(7).random()


@pytest.mark.parametrize(("field", "value"), [("crop", 0.5), ("mask", 0.5), ("reorder", 1.0)])
def test_augmented_views(field: str, value: float) -> None:
    seen, config = Seen(), ContrastiveConfig(**{"crop": 1.0, "mask": 0.0, "reorder": 0.0, field: value})
    for seed in range(20):
        asked(config, seen, seed)
    changed = [
        (view, part.tolist())
        for call in seen.calls
        if len(call) == 4 and call is not seen.calls[0]
        for view, part in zip(rows_of(call), PARTS, strict=True)
        if view != part.tolist() and view != part[:-1].tolist()
    ]
    assert changed
    for view, part in changed:
        if field == "crop":
            assert len(view) == max(1, len(part) // 2)
            assert any(part[k : k + len(view)] == view for k in range(len(part)))
        elif field == "mask":
            assert sum(item == MASK for item in view) == len(part) // 2
            assert all(item in (MASK, own) for item, own in zip(view, part, strict=True))
        else:
            assert sorted(view) == sorted(part)


def test_both_views_of_cl4srec_are_compared() -> None:
    seen = Seen()
    loss = asked(ContrastiveConfig(augmented=2.0), seen)
    assert loss is not None
    first, second = (seen(call).numpy()[:, -1] for call in seen.calls[1:3])
    assert float(loss) == pytest.approx(2.0 * by_hand(first, second, 1.0), rel=1e-5)


def test_duorecs_positive_is_another_history_with_the_same_target() -> None:
    found = set()
    for seed in range(40):
        seen = Seen()
        loss = asked(ContrastiveConfig(augmented=0.0, same_target=3.0), seen, seed)
        rows = rows_of(seen.calls[1])
        found |= {tuple(row) for row in rows[:1]}
        assert rows[2] in ([1, 2], [5, 6])  # the third history is 8, 3: two others lead to 3
        assert rows[3] in ([1],)  # the fourth is 9, 2: the first leads to 2 as well
        own = seen.calls[0]
        assert loss is not None
        assert float(loss) > 0
        assert own.shape == (4, 4)
    # the first history's slots ask for 2, 3 and 4: prefixes before these items elsewhere, never its own
    assert found == {(9,), (5, 6), (8,), (5, 6, 3, 7)}


def test_a_target_that_nothing_else_leads_to_is_its_own_positive() -> None:
    others = Occurrences(PARTS).others([np.array([5, 6, 3])], np.array([7]), 5, dice())
    assert [row.tolist() for row in others] == [[5, 6, 3]]
    first = Occurrences(PARTS).others([np.array([1])], np.array([5]), 5, dice())  # 5 only ever comes first
    assert [row.tolist() for row in first] == [[1]]
    long = Occurrences([np.arange(1, 10), np.array([3, 9])]).others([np.array([3])], np.array([9]), 4, dice())
    assert [row.tolist() for row in long] == [[5, 6, 7, 8]]


def test_the_dropout_twin_is_the_same_slot_encoded_again() -> None:
    noise = torch.Generator().manual_seed(0)
    loss = asked(ContrastiveConfig(augmented=0.0, twin=1.0), lambda items: torch.randn(*items.shape, 3, generator=noise))
    assert loss is not None
    seen = Seen()
    twin = asked(ContrastiveConfig(augmented=0.0, twin=1.0), seen)
    np.testing.assert_array_equal(seen.calls[0], seen.calls[1])
    assert twin is not None
    assert float(twin) < float(loss)  # one-hot twins agree; noise does not


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"share": 0.0}, {"only_last": 1.5}):
        with pytest.raises(ValidationError):
            ClozeConfig(**wrong)
    for wrong in ({"augmented": -0.1}, {"temperature": 0.0}, {"crop": 0.0}):
        with pytest.raises(ValidationError):
            ContrastiveConfig(**wrong)
