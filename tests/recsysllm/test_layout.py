"""Layouts: the paper's figure, what is refused, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrg.core.errors import CallerError
from llmrg.recsysllm.layout import NOTHING, VOCABULARY, Builder, Control, Layout, Span, blank
from llmrg.recsysllm.masks import visible_in
from llmrg.recsysllm.pieces import Tokens

END = 99
STAND_INS = [50, 51, 52, 53, 54, 55, 56]
MASK, START = STAND_INS[Control.MASK], STAND_INS[Control.START]
X = [1, 2, 3, 4, 5, 6, 7]
FIGURE = Tokens(np.array(X), np.array([1, 1, 1, 0, 0, 2, 2]))
"""x1..x7 of figure 1, with the entities (x1, x2, x3) and (x6, x7)."""
MASKED = [Span(0, 3), Span(4, 5)]


def tokens_of(entities: Sequence[int], first: int = 1) -> Tokens:
    """Distinct tokens."""
    return Tokens(np.arange(first, first + len(entities)), np.array(entities, dtype=np.int64))


# -- the paper's figure --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("positions", "inter"),
    [("paper", [0, 1, 2, 3, 4, 0, 0, 0, 0, 2, 2]), ("running", [0, 1, 2, 3, 4, 0, 1, 2, 3, 2, 3])],
)
def test_the_papers_figure(positions: Any, inter: list[int]) -> None:
    """Chu et al. 2023, figure 1: (x1, x2, x3) and x5 are masked. Worked out by hand."""
    made = blank(FIGURE, MASKED, "entity", positions, END, STAND_INS)
    assert made.ids.tolist() == [MASK, 4, MASK, 6, 7, START, 1, 2, 3, START, 5]
    assert made.control.tolist() == [Control.MASK, 0, Control.MASK, 0, 0, Control.START, 0, 0, 0, Control.START, 0]
    assert made.part.tolist() == [0] * 5 + [1] * 6
    assert made.inter.tolist() == inter
    assert made.intra.tolist() == [0, 0, 0, 1, 2, 1, 2, 3, 4, 1, 2]
    assert made.target.tolist() == [NOTHING] * 5 + [1, 2, 3, END, 5, END]
    assert set(made.node.tolist()) == {VOCABULARY}
    seen = visible_in(made)
    for row in range(11):
        assert np.flatnonzero(seen[row]).tolist() == list(range(5 if row < 5 else row + 1))


@pytest.mark.parametrize(
    ("level", "control"),
    [("entity", Control.MASK), ("sentence", Control.SENTENCE_MASK), ("document", Control.DOCUMENT_MASK)],
)
def test_each_level_has_a_mask_of_its_own(level: Any, control: Control) -> None:
    made = blank(FIGURE, [Span(3, 7)], level, "running", END, STAND_INS)
    assert made.control[3] == control
    assert made.ids[3] == STAND_INS[control]


def test_a_span_of_two_entities_begins_anew_with_each() -> None:
    """a1 a2 ; b1 b2: the [S] counts as 1, the separator and each later entity begin at 1 (paper, inference)."""
    made = blank(tokens_of([1, 1, 0, 2, 2]), [Span(0, 5)], "document", "running", END, STAND_INS)
    assert made.intra[made.part > 0].tolist() == [1, 2, 3, 1, 1, 2]


def test_spans_stand_in_the_order_given() -> None:
    """Chronological order is the paper's; shuffled is GLM's: then the earlier span is written with the later one in sight."""
    ahead = blank(FIGURE, MASKED, "entity", "paper", END, STAND_INS)
    back = blank(FIGURE, MASKED[::-1], "entity", "paper", END, STAND_INS)
    assert back.ids.tolist() == [*ahead.ids[:5].tolist(), START, 5, START, 1, 2, 3]
    assert back.inter[5:].tolist() == [2, 2, 0, 0, 0, 0]
    assert back.target[5:].tolist() == [5, END, 1, 2, 3, END]
    x1, x5 = (back.ids.tolist().index(word) for word in (1, 5))
    assert visible_in(back)[x1, x5]
    assert not visible_in(ahead)[ahead.ids.tolist().index(1), ahead.ids.tolist().index(5)]


def test_a_document_span_runs_on() -> None:
    """All but the first token is one span; its tokens have one [gM], and positions that go on from it."""
    made = blank(FIGURE, [Span(3, 7)], "document", "running", END, STAND_INS)
    assert made.ids.tolist() == [1, 2, 3, STAND_INS[Control.DOCUMENT_MASK], START, 4, 5, 6, 7]
    assert made.inter.tolist() == [0, 1, 2, 3, 3, 4, 5, 6, 7]
    assert made.target[made.part > 0].tolist() == [4, 5, 6, 7, END]


def test_inference_begins_with_the_start_alone() -> None:
    made = blank(FIGURE, [Span(5, 7, item=3, position=4)], "entity", "paper", END, STAND_INS, answered=False)
    assert made.ids.tolist() == [1, 2, 3, 4, 5, MASK, START]
    assert (made.target == NOTHING).all()
    assert made.ask.tolist() == [[6, 4, 3]]


def test_slots_stand_in_part_a_and_are_seen_by_all_of_it() -> None:
    made = blank(FIGURE, MASKED, "entity", "paper", END, STAND_INS, slots_at=3, slot_position=8, user=6)
    slots = [STAND_INS[Control.REASONED], STAND_INS[Control.IMAGINED]]
    assert made.ids.tolist() == [MASK, *slots, 4, MASK, 6, 7, START, 1, 2, 3, START, 5]
    assert made.inter.tolist()[:7] == list(range(7))
    assert made.slot_position.tolist() == [8, 8]
    assert made.user == 6
    assert visible_in(made)[:7, :7].all()


# -- what is refused -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("spans", "problem"),
    [
        ([Span(1, 3)], "cuts an entity at 1"),
        ([Span(0, 2)], "cuts an entity at 2"),
        ([Span(3, 6)], "cuts an entity at 6"),
        ([Span(0, 4), Span(3, 5)], "overlaps"),
        ([Span(4, 5), Span(4, 5)], "overlaps"),
        ([Span(3, 3)], "is empty"),
        ([Span(5, 4)], "is empty"),
        ([Span(5, 8)], "outside the 7 tokens"),
        ([Span(-1, 3)], "outside the 7 tokens"),
    ],
)
def test_spans_that_make_no_sense_are_refused(spans: list[Span], problem: str) -> None:
    with pytest.raises(CallerError, match=problem):
        blank(FIGURE, spans, "entity", "paper", END, STAND_INS)


def test_the_control_may_cut_entities() -> None:
    made = blank(FIGURE, [Span(1, 6)], "entity", "running", END, STAND_INS, whole_entities=False)
    assert made.target[made.part > 0].tolist() == [2, 3, 4, 5, 6, END]


def test_two_neighbouring_entities_are_two() -> None:
    made = blank(tokens_of([1, 1, 2, 2]), [Span(2, 4)], "entity", "paper", END, STAND_INS)
    assert made.intra.tolist() == [1, 2, 0, 1, 2, 3]


# -- what holds for every layout of the paper ----------------------------------------------------------------------------
@st.composite
def masked_texts(draw: st.DrawFn) -> tuple[Tokens, list[Span]]:
    """Texts of entities and single words, some of which are masked whole, in any order."""
    lengths = draw(st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=8))
    entity: list[int] = []
    units, number = [], 0
    for length, is_entity in lengths:
        number += is_entity
        units.append((len(entity), len(entity) + length))
        entity += [number if is_entity else 0] * length
    chosen = draw(st.lists(st.sampled_from(units), min_size=1, unique=True))
    return tokens_of(entity), [Span(start, stop) for start, stop in draw(st.permutations(chosen))]


@given(masked_texts(), st.sampled_from(["paper", "running"]), st.booleans())
def test_every_blank_layout_keeps_its_promises(text: tuple[Tokens, list[Span]], positions: Any, with_slots: bool) -> None:
    tokens, spans = text
    made = blank(tokens, spans, "entity", positions, END, STAND_INS, slots_at=0 if with_slots else None)
    seen, words = visible_in(made), made.ids.tolist()
    kept = [word for word, control in zip(words, made.control, strict=True) if not control]
    _no_entity_is_cut(tokens, made)
    masked = np.concatenate([tokens.ids[span.start : span.stop] for span in spans]).tolist()
    # Each masked token is a target exactly once, and an end follows each span.
    assert sorted(made.target[made.target != NOTHING].tolist()) == sorted([*masked, *[END] * len(spans)])
    assert sorted(kept) == sorted(tokens.ids.tolist())
    # Part A is read both ways and sees nothing of part B; part B sees part A and what stands before it.
    a = made.part == 0
    assert seen[np.ix_(a, a)].all()
    assert not seen[np.ix_(a, ~a)].any()
    assert seen[np.ix_(~a, a)].all()
    assert (seen[np.ix_(~a, ~a)] == np.tri(int((~a).sum()), dtype=bool)).all()
    _no_target_is_in_sight(made, seen)


def _no_target_is_in_sight(made: Layout, seen: np.ndarray) -> None:
    """A place never sees the token that it predicts (all tokens of these texts are different)."""
    for place in np.flatnonzero((made.target != NOTHING) & (made.target != END)):
        in_sight = made.ids[seen[place] & (made.control == 0)]
        assert made.target[place] not in in_sight


@given(masked_texts(), st.data())
def test_no_layout_cuts_an_entity(text: tuple[Tokens, list[Span]], data: st.DataObject) -> None:
    """Of any spans whatever: refused, or all entities are whole."""
    tokens, _ = text
    ends = data.draw(st.lists(st.integers(0, len(tokens)), min_size=2, max_size=6))
    spans = [Span(min(pair), max(pair)) for pair in zip(ends[::2], ends[1::2], strict=False)]
    try:
        made = blank(tokens, spans, "entity", "paper", END, STAND_INS)
    except CallerError:
        return
    _no_entity_is_cut(tokens, made)


def _no_entity_is_cut(tokens: Tokens, made: Layout) -> None:
    """All tokens of an entity stand in part A, or none of them."""
    in_a = set(made.ids[(made.part == 0) & (made.control == 0)].tolist())
    for number in np.unique(tokens.entity[tokens.entity > 0]):
        whole = set(tokens.ids[tokens.entity == number].tolist())
        assert whole <= in_a or not whole & in_a


# -- causal --------------------------------------------------------------------------------------------------------------
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=10),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3), st.integers(0, 4), st.booleans()), min_size=1, max_size=5),
)
def test_a_branch_sees_the_text_up_to_its_anchor_and_itself(lengths: list[int], asked: list[tuple[int, int, int, bool]]) -> None:
    """Texts and branches of all lengths; branches may hang on any token of the text, in any order."""
    made, words = Builder(STAND_INS), 0
    for length in lengths:
        made.text(tokens_of([1] * length, first=1 + words))
        words += length
    main, starts, fresh = words, [], 1000
    for where, before, answer, with_slots in asked:
        anchor = where % main if main else -1
        said, told = tokens_of([0] * before, fresh), tokens_of([1] * answer, fresh + 100)
        slot = 3 if with_slots else None
        starts.append((made.branch(anchor, said, told, end=END, slot_position=slot), anchor, len(said) + 2 * with_slots))
        fresh += 1000
    layout = made.build()
    seen = visible_in(layout)
    assert (seen[:main, :main] == np.tri(main, dtype=bool)).all()
    assert not seen[:main, main:].any()
    for number, (start, anchor, before) in enumerate(starts, start=1):
        first = start - before
        own = np.flatnonzero(layout.part == number)
        assert own.tolist() == list(range(first, first + len(own)))
        for at in own.tolist():
            assert np.flatnonzero(seen[at]).tolist() == [*range(anchor + 1), *range(first, at + 1)]
        # Positions go on from the anchor, as if the text ended there.
        assert (layout.inter[own] == np.arange(len(own)) + anchor + 1).all()
        answer = layout.ids[start + 1 : own[-1] + 1].tolist()
        assert layout.target[start : own[-1] + 1].tolist() == [*answer, layout.target[own[-1]]]
        assert layout.target[own[-1]] == END or not answer
    _no_target_is_in_sight(layout, seen)


def test_one_sight_is_enough_for_many_layers() -> None:
    """What a token sees of others has seen nothing that it may not see itself: so layers may be stacked."""
    made = Builder(STAND_INS)
    made.text(tokens_of([0] * 6))
    made.branch(2, tokens_of([0], 20), tokens_of([1, 1], 30), end=END, slot_position=1)
    made.branch(5, tokens_of([], 40), tokens_of([1], 50), end=END)
    for layout in (made.build(), blank(FIGURE, MASKED, "entity", "paper", END, STAND_INS)):
        seen = visible_in(layout).astype(int)
        assert ((seen @ seen > 0) == (seen > 0)).all()


# -- examples of histories -----------------------------------------------------------------------------------------------
LETTERS = "0123456789ABCDEFGHIJKLMNOP"


def shelf(count: int) -> list[str]:
    """Titles whose letters occur nowhere else, not in the prompt either."""
    return [LETTERS[2 * n : 2 * n + 2] for n in range(count)]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_examples_of_histories_ask_for_what_they_do_not_show(small: Callable[..., Any], data: st.DataObject) -> None:
    """With titles that share no letter: whatever is asked for, no letter of it is in sight but what was written before."""
    layout, loss = data.draw(st.sampled_from(["causal", "blank"])), data.draw(st.sampled_from(["trie", "vocabulary"]))
    order = data.draw(st.sampled_from(["chronological", "shuffled"]))
    levels = data.draw(st.sampled_from([(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]))
    rows = data.draw(st.permutations(range(1, 13)))[: data.draw(st.integers(1, 12))]
    desk = _desk(small, layout=layout, loss=loss, order=order, levels=levels, positions="paper", head="both")
    made = desk.training(rows, seed=data.draw(st.integers(0, 99)))
    if made is None:
        assert len(rows) < 2
        return
    assert (made.target != NOTHING).any() or len(made.ask)
    seen = visible_in(made)
    plain = made.control == 0
    for place in np.flatnonzero((made.target != NOTHING) & (made.target != desk.text.end)):
        if made.target[place] == desk.text.coder.ids(" ")[0]:
            continue  # every title begins with a blank
        assert made.target[place] not in made.ids[seen[place] & plain]
    for at, position, item in made.ask.tolist():
        assert rows[position] == item
        title = set(desk.text.titles[item - 1]) - {desk.text.coder.ids(" ")[0]}
        assert not title & set(made.ids[seen[at] & plain].tolist())


_DESKS: dict[Any, Any] = {}


def _desk(small: Callable[..., Any], **how: Any) -> Any:
    """Made once a setting: hypothesis asks often."""
    key = tuple(sorted(how.items()))
    if key not in _DESKS:
        _DESKS[key] = small(shelf(12), **how)
    return _DESKS[key]


def test_a_causal_history_asks_after_every_item(small: Callable[..., Any]) -> None:
    desk = _desk(small, head="both")
    made = desk.training([3, 1, 4, 2, 5])
    assert made is not None
    assert made.ask[:, 1:].tolist() == [[1, 1], [2, 4], [3, 2], [4, 5]]
    seen = visible_in(made)
    blank_letter = desk.text.coder.ids(" ")[0]
    for at, position, _ in made.ask.tolist():
        shown = {row for row in range(1, 13) if (set(desk.text.titles[row - 1]) - {blank_letter}) & set(made.ids[seen[at]])}
        assert shown == set([3, 1, 4, 2, 5][:position])


def test_a_longer_history_is_sampled_and_stays_within_its_tokens(small: Callable[..., Any]) -> None:
    for layout in ("causal", "blank"):
        desk = _desk(small, layout=layout, max_tokens=120, head="items")
        rows = [1 + n % 12 for n in range(200)]
        for seed in range(5):
            made = desk.training(rows, seed=seed)
            assert made is not None
            assert len(made) <= 120
        question = desk.question(rows)
        assert len(question) <= 120
        assert question.ask.tolist() == [[question.ask[0, 0], 200, 0]]


@pytest.mark.parametrize("layout", ["causal", "blank"])
@pytest.mark.parametrize("level", range(3))
def test_one_place_is_enough_or_nothing_is_asked(small: Callable[..., Any], layout: str, level: int) -> None:
    """Where one item of a history enters, there may be nothing to ask; then there is no example."""
    levels = tuple(float(n == level) for n in range(3))
    desk = _desk(small, layout=layout, history_items=1, levels=levels, head="both")
    for length in (2, 3, 9):
        for seed in range(3):
            made = desk.training(list(range(1, length + 1)), seed=seed)
            assert made is None or len(made.ask) or (made.target != NOTHING).any()
