"""Controls have the shape of what they stand beside, and nothing of its content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrg.core.errors import CallerError
from llmrg.core.graph_table import GraphTable
from llmrg.core.records import History, ReasoningGraph, Step, in_order
from llmrg.core.themes import Appeal, Profile, ProfileSource, Themes
from llmrg.evaluation.controls import plain_sequence, shuffled, shuffled_profile

ITEMS = [f"i{n}" for n in range(14)]
REASONS = ["pirates", "the  sea", "the sea", "love", "war", "ghosts"]

Graphs = dict[str, ReasoningGraph]
World = tuple[dict[str, History], Graphs]


def reasoned(history: History, p: int, reason: str, *, cause: int | None = None, chain: int = 0, seen: int | None = None) -> Step:
    kind, item = ("root", "") if cause is None else ("item", history.items[cause])
    return Step(history.user, p, "reasoned", kind, item, cause, reason, history.items[p], 0.8, chain, seen or p + 1)  # type: ignore[arg-type]


def imagined(history: History, cut: int, reason: str, item: str, chain: int = 0) -> Step:
    return Step(
        history.user, cut, "imagined", "item", history.items[cut - 1], cut - 1, reason, item, 0.7, chain, cut, grounding=0.9
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Some users with histories of 2 to 8 items, reasoned steps at some positions, imagined ones at some cuts."""
    histories, graphs = {}, {}
    for n in range(draw(st.integers(1, 5))):
        items = tuple(draw(st.permutations(ITEMS)))[: draw(st.integers(2, 8))]
        history = History(f"u{n}", items)
        steps = []
        for p in draw(st.sets(st.integers(0, len(items) - 1))):
            cause = draw(st.none() | st.integers(0, p - 1)) if p else None
            steps.append(
                reasoned(history, p, draw(st.sampled_from(REASONS)), cause=cause, seen=draw(st.integers(p + 1, len(items))))
            )
        for cut in draw(st.sets(st.integers(1, len(items)), max_size=2)):
            free = [item for item in ITEMS if item not in items[:cut]]
            for item in draw(st.lists(st.sampled_from(free), max_size=3, unique=True)):
                steps.append(imagined(history, cut, draw(st.sampled_from(REASONS)), item))
        histories[history.user] = history
        graphs[history.user] = ReasoningGraph(history.user, in_order(steps))
    return histories, graphs


def places(graphs: Mapping[str, ReasoningGraph]) -> Counter[tuple[object, ...]]:
    """All of the steps but their content."""
    return Counter(
        (s.user, s.position, s.kind, s.cause_kind, s.cause, s.cause_position, s.chain, s.seen, s.origin)
        for graph in graphs.values()
        for s in graph.steps
    )


# -- shuffled ----------------------------------------------------------------------------------------------------------
def test_an_item_that_the_user_has_taken_is_never_dealt() -> None:
    """Each imagined item is in the other user's history: whoever deals blindly deals a taken item half of the time."""
    histories = {"a": History("a", tuple(ITEMS[:6])), "b": History("b", tuple(ITEMS[6:12]))}
    graphs = {
        "a": ReasoningGraph("a", tuple(imagined(histories["a"], 6, "love", item) for item in ITEMS[6:12])),
        "b": ReasoningGraph("b", tuple(imagined(histories["b"], 6, "war", item) for item in ITEMS[:6])),
    }
    for seed in range(5):
        for user, graph in shuffled(graphs, seed, histories=histories).items():
            assert not {step.item for step in graph.steps} & {*histories[user].items}
            assert len({step.item for step in graph.steps}) == 6


@settings(max_examples=150, deadline=None)
@given(worlds(), st.integers(0, 3))
def test_shuffling_keeps_places_and_never_deals_what_was_taken_before(world: World, seed: int) -> None:
    histories, graphs = world
    dealt = shuffled(graphs, seed, histories=histories)
    assert places(dealt) == places(graphs)
    assert dealt == shuffled(graphs, seed, histories=histories)
    for user, graph in dealt.items():
        assert [*graph.steps] == sorted(graph.steps, key=lambda s: (s.position, s.kind != "reasoned", -s.score))
        for step in graph.reasoned():
            assert step.item == histories[user].items[step.position]
        for step in graph.imagined():
            assert step.item not in histories[user].items[: step.position]
        for cut in graph.cuts():
            items = [step.item for step in graph.imagined(cut)]
            assert len(items) == len(set(items)), "as many different items as before"


@settings(max_examples=100, deadline=None)
@given(worlds(), st.integers(0, 3))
def test_one_theme_of_a_user_becomes_one_theme_and_its_words_go_with_it(world: World, seed: int) -> None:
    """Steps that share a reason share one afterwards: chains keep their shape, and lose their meaning."""
    histories, graphs = world
    themes = Themes({"pirates": "adventure", "the sea": "adventure", "the  sea": "adventure"})
    dealt = shuffled(graphs, seed, histories=histories, themes=themes)
    known = {s.reason for graph in graphs.values() for s in graph.steps}
    for user, graph in graphs.items():
        # equal places may come in another order: compare the themes of steps by place
        pairs: dict[tuple[object, ...], list[set[str]]] = {}
        for old, new in ((graph, 0), (dealt[user], 1)):
            for s in old.steps:
                key = (s.position, s.kind, s.cause_position)
                pairs.setdefault(key, [set(), set()])[new].add(themes.theme(s.reason))
        fates: dict[str, set[str]] = {}
        for before, after in pairs.values():
            if len(before) == 1:
                assert len(after) == 1
                fates.setdefault(next(iter(before)), set()).update(after)
        assert all(len(after) == 1 for after in fates.values())
        assert {s.reason for s in dealt[user].steps} <= known


def test_each_group_of_steps_gets_the_reason_of_another() -> None:
    histories = {f"u{n}": History(f"u{n}", tuple(ITEMS[n : n + 4])) for n in range(8)}
    graphs = {
        user: ReasoningGraph(user, tuple(reasoned(h, p, f"{user}-{p // 2}") for p in range(4))) for user, h in histories.items()
    }
    before = [s.reason for g in graphs.values() for s in g.steps]
    after = [s.reason for g in shuffled(graphs, 1, histories=histories).values() for s in g.steps]
    assert sorted(before) == sorted(after)
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert [a == b for a, b in zip(after[::2], after[1::2], strict=True)] == [True] * 16


def test_rejected_steps_are_left_out_and_a_user_without_steps_keeps_an_empty_graph() -> None:
    history = History("a", ("i0", "i1"))
    no = Step("a", 1, "reasoned", "root", "", None, "love", "i1", 0.1, -1, 2, accepted=False)
    assert shuffled({"a": ReasoningGraph("a", (no,))}, histories={"a": history}) == {"a": ReasoningGraph("a")}
    assert shuffled({}, histories={}) == {}


def test_a_graph_without_its_history_is_named() -> None:
    history = History("a", ("i0", "i1"))
    with pytest.raises(CallerError, match="'a'"):
        shuffled({"a": ReasoningGraph("a", (imagined(history, 2, "love", "i9"),))}, histories={})


def test_imagined_items_are_dealt_out_and_none_is_made_up() -> None:
    """Where there is room to exchange, every item still comes as often as before."""
    histories = {f"u{n}": History(f"u{n}", (*tuple(f"h{n}-{k}" for k in range(4)), f"x{n % 7}")) for n in range(60)}
    graphs = {
        user: ReasoningGraph(user, tuple(imagined(h, 5, "love", f"x{(n + k) % 7}") for k in range(1, 4)))
        for n, (user, h) in enumerate(histories.items())
    }
    dealt = shuffled(graphs, 3, histories=histories)
    before, after = ([step.item for graph in some.values() for step in graph.steps] for some in (graphs, dealt))
    assert Counter(after) == Counter(before)
    assert before != after


def test_a_table_is_dealt_without_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    histories = {f"u{n}": History(f"u{n}", tuple(ITEMS[n : n + 4])) for n in range(8)}
    table = GraphTable.of(
        ReasoningGraph(user, (reasoned(h, 2, user, cause=0), imagined(h, 4, "love", ITEMS[13]))) for user, h in histories.items()
    )
    monkeypatch.setattr(GraphTable, "__getitem__", lambda *_: pytest.fail("a record was made"))
    assert len(shuffled(table, histories=histories).steps) == 16
    assert plain_sequence(histories, like=table).steps["position"].tolist() == [2] * 8


# -- plain sequence ----------------------------------------------------------------------------------------------------
def test_plain_sequence_has_no_reasons_and_obeys_the_leak_rule() -> None:
    graphs = plain_sequence({f"u{n}": History(f"u{n}", tuple(ITEMS[n : n + 5])) for n in range(6)})
    assert all(step.reason == "" for graph in graphs.values() for step in graph.steps)
    assert [step.position for step in graphs["u0"].steps] == [1, 2, 3, 4]
    assert len(graphs["u0"].before(3).steps) == 2


def test_a_plain_sequence_like_a_graph_stands_where_the_graph_stands() -> None:
    history = History("a", tuple(ITEMS[:8]))
    # the last five items (3 to 7) were looked at, in blocks that end at 5 and 8; nothing was found for position 6
    steps = [reasoned(history, 3, "war", seen=5), reasoned(history, 4, "war", cause=3, seen=5)]
    steps += [reasoned(history, 5, "love", cause=3, seen=8), reasoned(history, 7, "war", cause=5, seen=8)]
    like = {"a": ReasoningGraph("a", tuple(steps))}
    graph = plain_sequence({"a": history, "b": History("b", ("i1", "i2"))}, like=like)
    # position 3 is the first that was looked at: what led there was cut off
    assert [(s.position, s.cause_position, s.seen) for s in graph["a"].steps] == [(4, 3, 5), (5, 4, 8), (7, 6, 8)]
    assert graph["b"].steps == ()


@settings(max_examples=100, deadline=None)
@given(worlds(), st.booleans())
def test_a_plain_sequence_is_that_of_a_walk(world: World, matched: bool) -> None:
    histories, graphs = world
    for user, plain in plain_sequence(histories, like=graphs if matched else None).items():
        items, steps, first = histories[user].items, graphs[user].reasoned(), 0
        seen = {p: p + 1 for p in range(1, len(items))}
        if matched:
            seen = {p: min(s.seen for s in steps if s.position == p) for p in sorted({s.position for s in steps})}
            first = min((p for s in steps for p in (s.position, s.cause_position) if p is not None), default=0)
        expected = [
            Step(user, p, "reasoned", "item", items[p - 1], p - 1, "", items[p], 1.0, 0, at)
            for p, at in seen.items()
            if first < p < len(items)
        ]
        assert plain == ReasoningGraph(user, tuple(expected))


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_a_plain_sequence_is_never_seen_where_the_graph_is_not(world: World) -> None:
    histories, graphs = world
    for user, plain in plain_sequence(histories, like=graphs).items():
        ours, theirs = plain.steps, graphs[user].reasoned()
        assert {s.position for s in ours} <= {s.position for s in theirs}
        looked_at = [p for s in theirs for p in (s.position, s.cause_position) if p is not None]
        assert all(s.cause_position is not None and s.cause_position >= min(looked_at) for s in ours)
        for p in range(len(histories[user]) + 1):
            assert len(plain.before(p).steps) <= len(graphs[user].before(p).reasoned())


# -- profiles ----------------------------------------------------------------------------------------------------------
def profile(sizes: list[int]) -> Profile:
    appeals = [Appeal(f"i{n}", f"t{n}-{k}", 0.5, uses=k) for n, size in enumerate(sizes) for k in range(size)]
    return Profile(ProfileSource("catalogue", verified=True), tuple(appeals))


def lists(of: Profile) -> dict[str, list[tuple[str, float, int]]]:
    found: dict[str, list[tuple[str, float, int]]] = {}
    for one in of.appeals:
        found.setdefault(one.item, []).append((one.theme, one.score, one.uses))
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=12), st.integers(0, 5))
def test_every_item_gets_the_whole_list_of_another(sizes: list[int], seed: int) -> None:
    whole = profile(sizes)
    dealt = shuffled_profile(whole, seed)
    before, after = lists(whole), lists(dealt)
    assert before.keys() == after.keys()
    assert sorted(map(sorted, before.values())) == sorted(map(sorted, after.values()))
    assert all(before[item] != after[item] for item in before)
    assert dealt == shuffled_profile(whole, seed)
    assert dealt.source.name == "catalogue"
    assert not dealt.source.verified
    assert "wrong items" in dealt.source.note


def test_profiles_that_cannot_be_dealt() -> None:
    assert shuffled_profile(profile([]), 0).appeals == ()
    with pytest.raises(CallerError, match="'i0'"):
        shuffled_profile(profile([3]), 0)
