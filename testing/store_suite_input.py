"""Contract of odd and of bad input: kept exactly, or refused with the value named and nothing written."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from llmrg.core.errors import CallerError
from llmrg.core.records import History, Item, Knowledge, ReasoningGraph, Step, in_order
from llmrg.core.themes import Appeal, Profile, ProfileSource, Themes
from llmrg.graph_store.protocol import GraphStore, StoreCounts
from llmrg.testing.store_examples import ITEMS, NAMESPACE, ODD_IDS, fill, make_graph, make_knowledge, make_run, make_step


def put_everywhere(store: GraphStore, odd: str) -> None:
    """`odd` as namespace, item, title, user, attribute, reason, cause, critique, run and key part; then read it all back."""
    item, user = Item(odd, odd, ((odd, odd),)), History(odd, (odd, ITEMS[0], odd), (), ((odd, odd),))
    steps = (
        make_step(odd, 1, cause=odd, reason=odd, item=odd),
        make_step(odd, 2, cause_kind="attribute", cause=odd, cause_position=None, item=odd, accepted=False, why_rejected=odd),
    )
    graph, entry = ReasoningGraph(odd, in_order(steps), odd), Knowledge(odd, odd, odd, 0.5, 1, odd, 2, (1.0, 0.5), odd)
    store.put_items(odd, [item, Item(ITEMS[0], "plain")])
    store.put_histories(odd, [user])
    store.append_draft(odd, odd, odd, graph.steps, 2, 0)
    assert in_order(store.draft(odd, odd, odd)[0]) == graph.steps
    assert store.replace_graph(odd, graph) == 1
    store.put_knowledge(odd, [entry])
    store.count_uses(odd, {entry.key: 1})
    store.put_theme_texts(odd, {odd: odd} if odd.strip() else {})
    profile = Profile(ProfileSource(odd, odd, True, odd), (Appeal(odd, odd, 0.5, 3),) if odd.strip() else ())
    store.put_profile(odd, profile)
    store.put_run(odd, make_run(odd, settings={odd: odd}, costs={odd: 1.0}))
    store.set_user_status(odd, odd, odd, "failed", odd)

    assert item in store.items(odd)
    assert store.history(odd, odd) == user
    assert store.histories(odd, [odd]) == {odd: user}
    assert store.users(odd) == [odd]
    assert store.users(odd, after=odd) == []
    assert store.graph(odd, odd) == replace(graph, version=1)
    assert store.graphs(odd, [odd]) == {odd: replace(graph, version=1)}
    assert store.knowledge_for(odd, [(odd, odd)], odd) == [replace(entry, uses=2)]
    assert store.nearest_knowledge(odd, odd, np.array([1.0, 0.5]), mind=odd)[0][0] == replace(entry, uses=2)
    assert store.run(odd, odd).settings == {odd: odd}
    assert store.user_statuses(odd, odd) == {odd: ("failed", odd)}
    assert store.themes(odd) == Themes({odd: odd} if odd.strip() else {}, (profile,))
    assert store.counts(odd) == StoreCounts(2, 1, 1, 1, 1, 0, 1, 1, *((1, 1) if odd.strip() else (0, 0)))
    assert store.graph(odd, odd, odd) == replace(graph, version=1)
    assert store.graphs_by_run(odd) == {odd: 1}
    assert store.forget_run(odd, odd)
    assert store.graphs_by_run(odd) == {}
    assert not store.graphs(odd, [odd])


def _step(**changes: Any) -> Step:
    """A step that its own checks would refuse, as a careless caller might make one."""
    step = make_step()
    for name, value in changes.items():
        object.__setattr__(step, name, value)
    return step


def _put_step(**changes: Any) -> Callable[[GraphStore], object]:
    return lambda store: store.replace_graph(NAMESPACE, ReasoningGraph("ann", (make_step(), _step(**changes)), "run 1"))


BAD_CALLS: dict[str, Callable[[GraphStore], object]] = {
    "empty namespace": lambda s: s.put_items("", [Item("a", "b")]),
    "empty namespace, read": lambda s: s.counts(""),
    "empty item id": lambda s: s.put_items(NAMESPACE, [Item("fine", "b"), Item("", "b")]),
    "number as item id": lambda s: s.put_items(NAMESPACE, [Item(7, "b")]),  # type: ignore[arg-type]
    "half a surrogate pair": lambda s: s.put_items(NAMESPACE, [Item("fine", "b"), Item("a", "\ud800")]),
    "number as attribute": lambda s: s.put_items(NAMESPACE, [Item("a", "b", (("year", 1999),))]),  # type: ignore[arg-type]
    "empty user id": lambda s: s.put_histories(NAMESPACE, [History("", ITEMS[:1])]),
    "number as user id": lambda s: s.put_histories(NAMESPACE, [History(7, ITEMS[:1])]),  # type: ignore[arg-type]
    "fewer times than items": lambda s: s.put_histories(NAMESPACE, [History("cleo", ITEMS[:2], (1.0,))]),
    "time not a number": lambda s: s.put_histories(NAMESPACE, [History("cleo", ITEMS[:2], (1.0, math.nan))]),
    "empty user, read": lambda s: s.graph(NAMESPACE, ""),
    "run that is not text, read": lambda s: s.graphs(NAMESPACE, ["ann"], 7),  # type: ignore[arg-type]
    "empty run, forgotten": lambda s: s.forget_run(NAMESPACE, ""),
    "page of nothing": lambda s: s.users(NAMESPACE, limit=0),
    "step of another user": lambda s: s.replace_graph(NAMESPACE, ReasoningGraph("ann", (make_step("bob"),), "run 1")),
    "empty item in a step": _put_step(item=""),
    "unknown origin": _put_step(origin="hearsay"),
    "grounding above 1": _put_step(grounding=1.5),
    "reason that is not text": _put_step(reason=None),
    "position beyond 64 bits": _put_step(position=2**63, cause_position=0, seen=2**63 + 1),
    "draft without a run": lambda s: s.append_draft(NAMESPACE, "", "ann", (), 1, 0),
    "draft below zero": lambda s: s.append_draft(NAMESPACE, "run 1", "ann", (), 1, -1),
    "draft that goes back": lambda s: s.append_draft(NAMESPACE, "run 1", "ann", (), 2, 3),
    "knowledge score not a number": lambda s: s.put_knowledge(NAMESPACE, [make_knowledge(), make_knowledge(score=math.nan)]),
    "knowledge score above 1": lambda s: s.put_knowledge(NAMESPACE, [make_knowledge(), make_knowledge(0, 2, score=1.1)]),
    "uses below zero": lambda s: s.put_knowledge(NAMESPACE, [make_knowledge(uses=-1)]),
    "vector not a number": lambda s: s.put_knowledge(NAMESPACE, [make_knowledge(vector=(1.0, math.nan))]),
    "vector of zeros": lambda s: s.put_knowledge(NAMESPACE, [make_knowledge(vector=(0.0, 0.0))]),
    "query of zeros": lambda s: s.nearest_knowledge(NAMESPACE, ITEMS[1], np.zeros(2)),
    "query of two rows": lambda s: s.nearest_knowledge(NAMESPACE, ITEMS[1], np.ones((2, 2))),
    "counting down": lambda s: s.count_uses(NAMESPACE, {make_knowledge().key: -1}),
    "empty run id": lambda s: s.put_run(NAMESPACE, make_run("")),
    "settings that JSON cannot hold": lambda s: s.put_run(NAMESPACE, make_run(settings={"x": object()})),
    "cost not a number": lambda s: s.put_run(NAMESPACE, make_run(costs={"x": math.nan})),
    "unknown run status": lambda s: s.put_run(NAMESPACE, make_run(status="asleep")),
    "unknown user status": lambda s: s.set_user_status(NAMESPACE, "run 1", "ann", "asleep"),  # type: ignore[arg-type]
}


class InputContract:
    @pytest.mark.parametrize("odd", ODD_IDS.values(), ids=ODD_IDS.keys())
    def test_odd_texts_are_kept_exactly(self, store: GraphStore, odd: str) -> None:
        fill(store)
        put_everywhere(store, odd)
        assert store.counts(NAMESPACE) == StoreCounts(12, 2, 0, 0, 0, 0, 0, 0)

    def test_a_null_byte_is_kept_exactly_or_refused(self, store: GraphStore) -> None:
        with contextlib.suppress(CallerError):
            put_everywhere(store, "before\x00after")
        assert store.items("before") == []
        assert store.users("before") == []

    @pytest.mark.parametrize("call", BAD_CALLS.values(), ids=BAD_CALLS.keys())
    def test_bad_input_is_refused_and_nothing_is_written(self, store: GraphStore, call: Callable[[GraphStore], object]) -> None:
        fill(store)
        store.replace_graph(NAMESPACE, make_graph())
        before = store.counts(NAMESPACE)
        with pytest.raises(CallerError):
            call(store)
        assert store.counts(NAMESPACE) == before
        assert store.graph(NAMESPACE, "ann") == replace(make_graph(), version=1)
        assert store.draft(NAMESPACE, "run 1", "ann") == ((), 0)

    def test_input_that_fails_while_it_is_read_writes_nothing(self, store: GraphStore) -> None:
        def items() -> Any:
            yield Item("a", "b")
            raise OSError("the file ended early")

        with pytest.raises(OSError, match="ended early"):
            store.put_items(NAMESPACE, items())
        assert store.items(NAMESPACE) == []

    def test_input_may_come_from_the_store_itself(self, store: GraphStore) -> None:
        fill(store)
        store.put_items(NAMESPACE, (Item(f"copy of {item.id}", item.title) for item in store.items(NAMESPACE)))
        store.put_histories(NAMESPACE, (replace(store.history(NAMESPACE, user), user=user * 2) for user in ("ann", "bob")))
        assert len(store.items(NAMESPACE)) == 24
        assert store.users(NAMESPACE) == ["ann", "annann", "bob", "bobbob"]
