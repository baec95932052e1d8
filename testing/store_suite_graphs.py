"""Contract of graphs and of the drafts they grow from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmrg.core.errors import (
    DraftConflictError,
    GraphNotFoundError,
    UnknownItemError,
    UnknownUserError,
    VersionConflictError,
)
from llmrg.core.records import ReasoningGraph, in_order
from llmrg.graph_store.protocol import GraphStore
from llmrg.testing.store_examples import NAMESPACE, OTHER, any_graph, fill, make_graph, make_step


class GraphContract:
    def test_a_graph_comes_back_equal(self, store: GraphStore) -> None:
        fill(store)
        version = store.replace_graph(NAMESPACE, make_graph())
        assert version == 1
        assert store.graph(NAMESPACE, "ann") == replace(make_graph(), version=1)

    def test_values_keep_their_types(self, store: GraphStore) -> None:
        fill(store)
        store.replace_graph(NAMESPACE, make_graph())
        for step in store.graph(NAMESPACE, "ann").steps:
            assert [type(value) for value in (step.score, step.grounding, step.accepted)] == [float, float, bool]
            assert [type(value) for value in (step.position, step.seen, step.chain)] == [int, int, int]

    @given(data=st.data())
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    def test_any_graph_comes_back_equal(self, store: GraphStore, data: st.DataObject) -> None:
        fill(store)
        graph = data.draw(any_graph("ann"))
        version = store.replace_graph(NAMESPACE, graph)
        back = store.graph(NAMESPACE, "ann")
        assert back == replace(graph, version=version)
        cut = data.draw(st.integers(0, 12))
        assert back.before(cut).steps == graph.before(cut).steps
        assert [step.key for step in back.steps] == [step.key for step in graph.steps]

    def test_what_was_known_before_a_position_can_be_told(self, store: GraphStore) -> None:
        fill(store)
        store.replace_graph(NAMESPACE, make_graph())
        back = store.graph(NAMESPACE, "ann")
        for cut in range(10):
            assert back.before(cut).steps == tuple(step for step in make_graph().steps if step.seen <= cut)

    def test_steps_come_back_in_the_order_given(self, store: GraphStore) -> None:
        fill(store)
        backwards = replace(make_graph(), steps=make_graph().steps[::-1])
        store.replace_graph(NAMESPACE, backwards)
        assert store.graph(NAMESPACE, "ann").steps == backwards.steps

    def test_steps_that_say_the_same_are_all_kept(self, store: GraphStore) -> None:
        """A step refused at first and accepted after recalibration has one key."""
        fill(store)
        twice = (make_step(score=0.9), make_step(score=0.2, accepted=False, chain=-1, why_rejected="vague"))
        store.replace_graph(NAMESPACE, ReasoningGraph("ann", twice, "run 1"))
        assert store.graph(NAMESPACE, "ann").steps == twice

    def test_an_empty_graph_is_a_graph(self, store: GraphStore) -> None:
        fill(store)
        store.replace_graph(NAMESPACE, ReasoningGraph("ann"))
        assert store.graph(NAMESPACE, "ann") == ReasoningGraph("ann", (), "", 1)
        assert store.counts(NAMESPACE).graphs == 1

    def test_a_large_graph(self, store: GraphStore) -> None:
        fill(store)
        steps = tuple(make_step(position=1 + n % 10, reason=f"reason {n} " * 10, chain=n) for n in range(2500))
        store.replace_graph(NAMESPACE, ReasoningGraph("ann", steps, "run 1"))
        assert store.graph(NAMESPACE, "ann").steps == steps

    def test_replacing_leaves_nothing_of_the_old_graph(self, store: GraphStore) -> None:
        fill(store)
        store.replace_graph(NAMESPACE, make_graph(mark="first"))
        short = ReasoningGraph("ann", make_graph(mark="second").steps[:2], "run 2")
        assert store.replace_graph(NAMESPACE, short) == 2
        assert store.graph(NAMESPACE, "ann") == replace(short, version=2)
        assert store.counts(NAMESPACE).accepted == 2
        assert store.counts(NAMESPACE).rejected == store.counts(NAMESPACE).imagined == 0

    def test_an_expected_version_catches_a_second_writer(self, store: GraphStore) -> None:
        fill(store)
        assert store.replace_graph(NAMESPACE, make_graph(mark="a"), expected_version=0) == 1
        with pytest.raises(VersionConflictError) as caught:
            store.replace_graph(NAMESPACE, make_graph(mark="b"), expected_version=0)
        assert (caught.value.user, caught.value.expected, caught.value.actual) == ("ann", 0, 1)
        assert store.replace_graph(NAMESPACE, make_graph(mark="c"), expected_version=1) == 2
        with pytest.raises(VersionConflictError):
            store.replace_graph(NAMESPACE, make_graph(mark="d"), expected_version=1)
        assert store.graph(NAMESPACE, "ann") == replace(make_graph(mark="c"), version=2)

    def test_a_conflict_where_nothing_is_stored(self, store: GraphStore) -> None:
        fill(store)
        with pytest.raises(VersionConflictError):
            store.replace_graph(NAMESPACE, make_graph(), expected_version=3)
        assert store.graphs(NAMESPACE, ["ann"]) == {}

    def test_the_version_of_the_record_is_not_what_is_expected(self, store: GraphStore) -> None:
        fill(store)
        assert store.replace_graph(NAMESPACE, replace(make_graph(), version=7)) == 1

    def test_an_unknown_item_leaves_the_old_graph(self, store: GraphStore) -> None:
        fill(store)
        store.replace_graph(NAMESPACE, make_graph())
        for change in ({"item": "nothing"}, {"cause": "nothing"}):
            steps = (*make_graph(mark="new").steps, make_step(position=7, **change))
            with pytest.raises(UnknownItemError) as caught:
                store.replace_graph(NAMESPACE, ReasoningGraph("ann", steps, "run 2"))
            assert caught.value.item == "nothing"
        assert store.graph(NAMESPACE, "ann") == replace(make_graph(), version=1)

    def test_a_graph_of_an_unknown_user_is_refused(self, store: GraphStore) -> None:
        fill(store)
        with pytest.raises(UnknownUserError) as caught:
            store.replace_graph(NAMESPACE, make_graph("cleo"))
        assert caught.value.user == "cleo"
        assert store.counts(NAMESPACE).graphs == 0
        assert store.users(NAMESPACE) == ["ann", "bob"]

    def test_no_graph_is_an_error_that_names_the_user(self, store: GraphStore) -> None:
        fill(store)
        for user in ("ann", "cleo"):
            with pytest.raises(GraphNotFoundError) as caught:
                store.graph(NAMESPACE, user)
            assert caught.value.user == user

    def test_graphs_of_many_users_in_one_call(self, store: GraphStore) -> None:
        users = tuple(f"user {n}" for n in range(30))
        fill(store, users=users)
        for user in users[::2]:
            store.replace_graph(NAMESPACE, make_graph(user, mark=user))
        graphs = store.graphs(NAMESPACE, [*users, "nobody", users[0]])
        assert graphs == {user: replace(make_graph(user, mark=user), version=1) for user in users[::2]}
        assert store.graphs(NAMESPACE, []) == {}


class SideBySideContract:
    """Graphs of several runs of one user."""

    def test_graphs_of_two_runs_stand_side_by_side(self, store: GraphStore) -> None:
        fill(store)
        first, second = make_graph(mark="first", run="run 1"), make_graph(mark="second", run="run 2")
        assert [store.replace_graph(NAMESPACE, graph) for graph in (first, second)] == [1, 2]
        assert store.graph(NAMESPACE, "ann") == replace(second, version=2)
        assert store.graph(NAMESPACE, "ann", "run 1") == replace(first, version=1)
        assert store.graph(NAMESPACE, "ann", "run 2") == replace(second, version=2)

    def test_the_newest_is_the_one_written_last(self, store: GraphStore) -> None:
        fill(store)
        for run in ("run 1", "run 2", "run 1"):
            store.replace_graph(NAMESPACE, make_graph(mark=run, run=run))
        assert store.graph(NAMESPACE, "ann") == replace(make_graph(mark="run 1", run="run 1"), version=3)
        assert store.graph(NAMESPACE, "ann", "run 2").version == 2
        assert store.replace_graph(NAMESPACE, make_graph(run="run 3"), expected_version=3) == 4
        with pytest.raises(VersionConflictError):
            store.replace_graph(NAMESPACE, make_graph(run="run 2"), expected_version=2)

    def test_graphs_of_many_users_of_one_run(self, store: GraphStore) -> None:
        users = tuple(f"user {n}" for n in range(6))
        fill(store, users=users)
        for user in users:
            store.replace_graph(NAMESPACE, make_graph(user, mark="old", run="run 1"))
        for user in users[::2]:
            store.replace_graph(NAMESPACE, make_graph(user, mark="new", run="run 2"))
        old = {user: replace(make_graph(user, mark="old", run="run 1"), version=1) for user in users}
        new = {user: replace(make_graph(user, mark="new", run="run 2"), version=2) for user in users[::2]}
        assert store.graphs(NAMESPACE, users, "run 1") == old
        assert store.graphs(NAMESPACE, users, "run 2") == new
        assert store.graphs(NAMESPACE, users) == old | new
        assert store.graphs(NAMESPACE, users, "run 3") == {}

    def test_users_with_a_graph_are_counted_by_run(self, store: GraphStore) -> None:
        fill(store)
        assert store.graphs_by_run(NAMESPACE) == {}
        for user, run in (("ann", "run 1"), ("ann", "run 2"), ("bob", "run 1"), ("bob", "run 1")):
            store.replace_graph(NAMESPACE, make_graph(user, run=run))
        assert store.graphs_by_run(NAMESPACE) == {"run 1": 2, "run 2": 1}
        assert store.graphs_by_run(OTHER) == {}

    def test_the_newest_graph_of_each_user_is_counted(self, store: GraphStore) -> None:
        fill(store)
        store.replace_graph(NAMESPACE, make_graph("bob"))
        store.replace_graph(NAMESPACE, make_graph("ann"))
        store.replace_graph(NAMESPACE, ReasoningGraph("ann", make_graph().steps[:1], "run 2"))
        counts = store.counts(NAMESPACE)
        assert (counts.graphs, counts.accepted, counts.rejected, counts.imagined) == (2, 5, 2, 1)

    def test_a_run_of_which_there_is_no_graph_is_named(self, store: GraphStore) -> None:
        fill(store)
        store.replace_graph(NAMESPACE, make_graph(run="run 1"))
        with pytest.raises(GraphNotFoundError, match="'run 9'") as caught:
            store.graph(NAMESPACE, "ann", "run 9")
        assert (caught.value.user, caught.value.run) == ("ann", "run 9")

    def test_an_unknown_item_leaves_the_graphs_of_all_runs(self, store: GraphStore) -> None:
        fill(store)
        store.replace_graph(NAMESPACE, make_graph(run="run 1"))
        with pytest.raises(UnknownItemError):
            store.replace_graph(NAMESPACE, ReasoningGraph("ann", (make_step(item="nothing"),), "run 2"))
        assert store.graph(NAMESPACE, "ann") == replace(make_graph(run="run 1"), version=1)
        assert store.graphs_by_run(NAMESPACE) == {"run 1": 1}


class DraftContract:
    def test_a_draft_grows_by_blocks(self, store: GraphStore) -> None:
        fill(store)
        steps = make_graph().steps
        assert store.draft(NAMESPACE, "run 1", "ann") == ((), 0)
        store.append_draft(NAMESPACE, "run 1", "ann", steps[:3], 4, 0)
        assert store.draft(NAMESPACE, "run 1", "ann") == (steps[:3], 4)
        store.append_draft(NAMESPACE, "run 1", "ann", steps[3:], 8, 4)
        assert store.draft(NAMESPACE, "run 1", "ann") == (steps, 8)

    def test_appending_the_same_again_changes_nothing(self, store: GraphStore) -> None:
        fill(store)
        steps = make_graph().steps
        for block, through, start in ((steps[:3], 4, 0), (steps[3:], 8, 4), (steps[3:], 8, 4), (steps[:3], 4, 0)):
            store.append_draft(NAMESPACE, "run 1", "ann", block, through, start)
        stored, through = store.draft(NAMESPACE, "run 1", "ann")
        assert (in_order(stored), through) == (in_order(steps), 8)

    def test_what_goes_on_from_a_draft_that_is_gone_is_refused(self, store: GraphStore) -> None:
        """Another process has published it meanwhile: a draft of the rest alone would be taken for the whole."""
        fill(store)
        steps = make_graph("ann").steps
        store.append_draft(NAMESPACE, "run 1", "ann", steps[:3], 4, 0)
        store.replace_graph(NAMESPACE, make_graph("ann", run="run 1"))
        with pytest.raises(DraftConflictError, match="ends at position 0, not at 4"):
            store.append_draft(NAMESPACE, "run 1", "ann", steps[3:], 8, 4)
        assert store.draft(NAMESPACE, "run 1", "ann") == ((), 0)

    def test_steps_that_do_not_go_on_where_the_draft_ends_are_refused(self, store: GraphStore) -> None:
        fill(store)
        steps = make_graph().steps
        store.append_draft(NAMESPACE, "run 1", "ann", steps[:3], 4, 0)
        other = (make_step(reason="of another process"),)
        for block, through, start in (
            (other, 4, 0),
            (other, 8, 2),
            (other, 8, 6),
            ((), 4, 0),
            (steps[:3], 4, 1),
            (steps[:2], 4, 0),
        ):
            with pytest.raises(DraftConflictError, match=r"'ann' in run 'run 1' ends at position 4") as caught:
                store.append_draft(NAMESPACE, "run 1", "ann", block, through, start)
            assert (caught.value.user, caught.value.run, caught.value.start, caught.value.end) == ("ann", "run 1", start, 4)
        assert store.draft(NAMESPACE, "run 1", "ann") == (steps[:3], 4)
        store.append_draft(NAMESPACE, "run 1", "ann", steps[3:], 8, 4)
        assert store.draft(NAMESPACE, "run 1", "ann") == (steps, 8)

    def test_two_clients_of_one_draft_never_interleave(self, store: GraphStore, reopen: Callable[[], GraphStore]) -> None:
        """Each goes on with its own view of the draft; only one of them gets further."""
        fill(store)
        ours = [(make_step(position=p, reason=f"ours {p}"),) for p in range(1, 5)]
        theirs = [(make_step(position=p, reason=f"theirs {p}"),) for p in range(1, 5)]
        with reopen() as second:
            store.append_draft(NAMESPACE, "run 1", "ann", ours[0], 2, 0)
            second.append_draft(NAMESPACE, "run 1", "ann", ours[0], 2, 0)  # the same answers: no harm
            second.append_draft(NAMESPACE, "run 1", "ann", theirs[1], 3, 2)
            with pytest.raises(DraftConflictError):
                store.append_draft(NAMESPACE, "run 1", "ann", ours[1], 3, 2)
            second.append_draft(NAMESPACE, "run 1", "ann", theirs[2], 4, 3)
            with pytest.raises(DraftConflictError):
                store.append_draft(NAMESPACE, "run 1", "ann", ours[2], 4, 3)
            second.append_draft(NAMESPACE, "run 1", "ann", theirs[1], 3, 2)  # a lost reply
            assert store.draft(NAMESPACE, "run 1", "ann") == ((*ours[0], *theirs[1], *theirs[2]), 4)

    def test_both_tries_of_a_step_are_kept(self, store: GraphStore) -> None:
        fill(store)
        twice = (make_step(score=0.9), make_step(score=0.2, accepted=False, chain=-1, why_rejected="vague"))
        store.append_draft(NAMESPACE, "run 1", "ann", twice, 2, 0)
        assert in_order(store.draft(NAMESPACE, "run 1", "ann")[0]) == in_order(twice)

    def test_a_block_without_steps_is_done_too(self, store: GraphStore) -> None:
        fill(store)
        store.append_draft(NAMESPACE, "run 1", "ann", (), 5, 0)
        assert store.draft(NAMESPACE, "run 1", "ann") == ((), 5)

    def test_drafts_of_runs_and_users_are_apart(self, store: GraphStore) -> None:
        fill(store)
        store.append_draft(NAMESPACE, "run 1", "ann", make_graph("ann").steps, 8, 0)
        assert store.draft(NAMESPACE, "run 2", "ann") == ((), 0)
        assert store.draft(NAMESPACE, "run 1", "bob") == ((), 0)
        store.append_draft(NAMESPACE, "run 1", "bob", make_graph("bob").steps[:1], 2, 0)
        assert store.draft(NAMESPACE, "run 1", "bob") == (make_graph("bob").steps[:1], 2)

    def test_a_draft_is_not_a_graph(self, store: GraphStore) -> None:
        fill(store)
        store.append_draft(NAMESPACE, "run 1", "ann", make_graph().steps, 8, 0)
        assert store.graphs(NAMESPACE, ["ann"]) == {}
        counts = store.counts(NAMESPACE)
        assert (counts.graphs, counts.accepted, counts.rejected, counts.imagined) == (0, 0, 0, 0)

    def test_publishing_clears_the_draft_of_that_run_and_user_only(self, store: GraphStore) -> None:
        fill(store)
        for run, user in (("run 1", "ann"), ("run 2", "ann"), ("run 1", "bob")):
            store.append_draft(NAMESPACE, run, user, make_graph(user).steps, 8, 0)
        store.replace_graph(NAMESPACE, make_graph("ann", run="run 1"))
        assert store.draft(NAMESPACE, "run 1", "ann") == ((), 0)
        assert store.draft(NAMESPACE, "run 2", "ann") == (make_graph().steps, 8)
        assert store.draft(NAMESPACE, "run 1", "bob") == (make_graph("bob").steps, 8)

    def test_a_refused_publication_keeps_the_draft(self, store: GraphStore) -> None:
        fill(store)
        store.append_draft(NAMESPACE, "run 1", "ann", make_graph().steps, 8, 0)
        with pytest.raises(VersionConflictError):
            store.replace_graph(NAMESPACE, make_graph(), expected_version=4)
        assert store.draft(NAMESPACE, "run 1", "ann") == (make_graph().steps, 8)

    def test_drafts_of_unknown_users_and_items_are_refused(self, store: GraphStore) -> None:
        fill(store)
        with pytest.raises(UnknownUserError):
            store.append_draft(NAMESPACE, "run 1", "cleo", (), 3, 0)
        with pytest.raises(UnknownItemError):
            store.append_draft(NAMESPACE, "run 1", "ann", (make_step(item="nothing"),), 3, 0)
        assert store.draft(NAMESPACE, "run 1", "ann") == ((), 0)
