"""Items that are new since training: left out of a history, told, and the reasons of the rest kept."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.core.records import History, ReasoningGraph, Step
from llmrg.recommenders import Query, recommend_batch
from llmrg.recommenders.popularity import Popularity
from llmrg.recommenders.recommend import known_query
from llmrg.testing.recommender_suite import cycle_world
from llmrg.testing.store_examples import ITEMS, any_graph, make_step

HISTORY = History("ann", ITEMS, tuple(float(n) for n in range(len(ITEMS))))


def fitted() -> Popularity:
    made = Popularity()
    made.fit(cycle_world())
    return made


class Knows:
    """A recommender as far as it matters here."""

    items = frozenset(ITEMS)


def inserted(history: History, graph: ReasoningGraph, at: int) -> Query:
    """The same with an item `new` at a position: everything from there on comes one later."""

    def later(step: Step) -> Step:
        cause = step.cause_position
        return replace(
            step,
            position=step.position + (step.position >= at),
            cause_position=None if cause is None else cause + (cause >= at),
            seen=step.seen + (step.seen >= at),
        )

    longer = History("ann", (*history.items[:at], "new", *history.items[at:]), (*history.at[:at], 0.5, *history.at[at:]))
    steps = tuple(map(later, graph.steps))
    return Query(longer, replace(graph, steps=steps))


@given(any_graph("ann"), st.integers(0, len(ITEMS)))
def test_without_the_new_item_all_is_as_if_it_had_never_been_taken(graph: ReasoningGraph, at: int) -> None:
    graph = graph.before(len(HISTORY))
    assert known_query(Knows(), inserted(HISTORY, graph, at)) == Query(HISTORY, graph)  # type: ignore[arg-type]


def test_steps_from_and_to_the_new_item_are_left_out() -> None:
    of_new = make_step("ann", 3, item="new")
    from_new = make_step("ann", 4, cause="new", cause_position=3, item=ITEMS[4])
    imagined = make_step("ann", 9, kind="imagined", cause="new", cause_position=3, item=ITEMS[11], seen=9)
    kept = make_step("ann", 6, cause=ITEMS[1], cause_position=1, item=ITEMS[6])
    history = replace(HISTORY, items=(*ITEMS[:3], "new", *ITEMS[4:]))
    query = known_query(Knows(), Query(history, ReasoningGraph("ann", (of_new, from_new, kept, imagined))))  # type: ignore[arg-type]
    assert query.history.items == (*ITEMS[:3], *ITEMS[4:])
    assert query.graph is not None
    assert query.graph.steps == (replace(kept, position=5, seen=6),)


def test_the_warning_names_what_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    from llmrg.data.dataset import Catalogue
    from llmrg.testing.store_examples import make_item

    world = cycle_world()
    catalogue = Catalogue([*world.catalogue, *(make_item(f"new {n}") for n in range(5))])
    user = next(iter(world.histories.values()))
    some = [
        Query(replace(user, items=(*user.items, *(f"new {n}" for n in range(5))), at=())),
        Query(user),
    ]
    with caplog.at_level(logging.WARNING):
        found = recommend_batch(fitted(), catalogue, some, 3)
    assert found[0] == found[1]
    (record,) = caplog.records
    said = record.getMessage()
    assert said.startswith("1 of 2 histories have items that are new")
    assert "(new 0, new 1, new 2 and 2 more)" in said
    assert "`llmrg train`" in said
    caplog.clear()
    recommend_batch(fitted(), catalogue, some[1:], 3)
    assert not caplog.records
