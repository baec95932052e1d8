"""Contract of runs, counts and namespaces."""

from __future__ import annotations

import numpy as np
import pytest

from llmrg.core.errors import GraphNotFoundError, StoreError, UnknownItemError, UnknownUserError
from llmrg.core.records import ReasoningGraph
from llmrg.graph_store.protocol import GraphStore, StoreCounts
from llmrg.testing.store_examples import (
    ITEMS,
    NAMESPACE,
    OTHER,
    fill,
    make_graph,
    make_history,
    make_item,
    make_knowledge,
    make_run,
)


class RunContract:
    def test_a_run_comes_back_equal(self, store: GraphStore) -> None:
        run = make_run(started_at=1.7e9 + 1 / 3)
        store.put_run(NAMESPACE, run)
        assert store.run(NAMESPACE, run.id) == run

    def test_putting_a_run_again_replaces_it_and_keeps_statuses(self, store: GraphStore) -> None:
        fill(store)
        store.put_run(NAMESPACE, make_run())
        store.set_user_status(NAMESPACE, "run 1", "ann", "done")
        ended = make_run(status="done", settings={}, costs={"calls": 99.0}, ended_at=1.8e9)
        store.put_run(NAMESPACE, ended)
        assert store.runs(NAMESPACE) == [ended]
        assert store.user_statuses(NAMESPACE, "run 1") == {"ann": ("done", "")}

    def test_runs_are_newest_first(self, store: GraphStore) -> None:
        for run, started_at in (("b", 2.0), ("c", 3.0), ("a", 1.0)):
            store.put_run(NAMESPACE, make_run(run, started_at))
        assert [run.id for run in store.runs(NAMESPACE)] == ["c", "b", "a"]

    def test_an_unknown_run_is_named(self, store: GraphStore) -> None:
        fill(store)
        with pytest.raises(StoreError, match="no such"):
            store.run(NAMESPACE, "no such")
        with pytest.raises(StoreError, match="no such"):
            store.set_user_status(NAMESPACE, "no such", "ann", "done")
        assert store.user_statuses(NAMESPACE, "no such") == {}

    def test_statuses_of_users(self, store: GraphStore) -> None:
        fill(store)
        store.put_run(NAMESPACE, make_run("run 1"))
        store.put_run(NAMESPACE, make_run("run 2"))
        store.set_user_status(NAMESPACE, "run 1", "ann", "pending")
        store.set_user_status(NAMESPACE, "run 1", "bob", "failed", "the model said 'no'\nthree times")
        store.set_user_status(NAMESPACE, "run 2", "ann", "failed", "x")
        store.set_user_status(NAMESPACE, "run 1", "ann", "done")
        assert store.user_statuses(NAMESPACE, "run 1") == {
            "ann": ("done", ""),
            "bob": ("failed", "the model said 'no'\nthree times"),
        }
        assert store.user_statuses(NAMESPACE, "run 2") == {"ann": ("failed", "x")}

    def test_counts(self, store: GraphStore) -> None:
        fill(store, users=("ann", "bob", "cleo"))
        store.replace_graph(NAMESPACE, make_graph("ann"))
        store.replace_graph(NAMESPACE, make_graph("bob"))
        store.put_knowledge(NAMESPACE, [make_knowledge(0, 1), make_knowledge(0, 2)])
        store.put_run(NAMESPACE, make_run())
        expected = StoreCounts(items=12, users=3, graphs=2, accepted=8, rejected=4, imagined=2, knowledge=2, runs=1)
        assert store.counts(NAMESPACE) == expected
        store.forget_user(NAMESPACE, "ann")
        assert store.counts(NAMESPACE).accepted == 4


class NamespaceContract:
    def test_a_namespace_sees_nothing_of_another(self, store: GraphStore) -> None:
        fill(store)
        store.replace_graph(NAMESPACE, make_graph())
        store.append_draft(NAMESPACE, "run 2", "ann", make_graph().steps, 8, 0)
        entry = make_knowledge(vector=(1.0, 0.0))
        store.put_knowledge(NAMESPACE, [entry])
        store.put_run(NAMESPACE, make_run())
        store.set_user_status(NAMESPACE, "run 1", "ann", "done")
        for other in (OTHER, NAMESPACE.upper(), NAMESPACE + " ", NAMESPACE[:-1], "%"):
            assert store.counts(other) == StoreCounts(0, 0, 0, 0, 0, 0, 0, 0)
            assert not store.items(other)
            assert not store.users(other)
            assert not store.runs(other)
            assert not store.histories(other, ["ann"])
            assert not store.graphs(other, ["ann"])
            assert not store.graphs(other, ["ann"], "run 1")
            assert store.graphs_by_run(other) == {}
            assert store.forget_run(other, "run 1") is False
            assert store.draft(other, "run 2", "ann") == ((), 0)
            assert store.knowledge(other) == store.top_knowledge(other) == []
            assert store.knowledge_for(other, [(entry.from_item, entry.to_item)]) == []
            assert store.nearest_knowledge(other, entry.to_item, np.array([1.0, 0.0])) == []
            assert store.user_statuses(other, "run 1") == {}
            with pytest.raises(UnknownUserError) as caught:
                store.history(other, "ann")
            assert "bob" not in str(caught.value)
            with pytest.raises(GraphNotFoundError):
                store.graph(other, "ann")
            with pytest.raises(StoreError):
                store.run(other, "run 1")

    def test_a_namespace_cannot_use_what_another_holds(self, store: GraphStore) -> None:
        fill(store)
        store.put_items(OTHER, [make_item("only here")])
        with pytest.raises(UnknownItemError):
            store.put_histories(OTHER, [make_history("ann")])
        with pytest.raises(UnknownUserError):
            store.replace_graph(OTHER, ReasoningGraph("ann"))
        with pytest.raises(UnknownItemError):
            store.put_knowledge(OTHER, [make_knowledge()])
        assert store.counts(OTHER) == StoreCounts(1, 0, 0, 0, 0, 0, 0, 0)

    def test_a_namespace_changes_nothing_of_another(self, store: GraphStore) -> None:
        fill(store)
        fill(store, OTHER)
        entry = make_knowledge(uses=1)
        for namespace in (NAMESPACE, OTHER):
            store.replace_graph(namespace, make_graph())
            store.append_draft(namespace, "run 1", "ann", make_graph().steps, 8, 0)
            store.put_knowledge(namespace, [entry])
            store.put_run(namespace, make_run())
            store.set_user_status(namespace, "run 1", "ann", "done")

        store.put_items(OTHER, [make_item(ITEMS[0], "changed")])
        store.put_histories(OTHER, [make_history("ann", ITEMS[:2])])
        assert store.replace_graph(OTHER, make_graph(mark="changed")) == 2
        store.replace_graph(OTHER, make_graph(run="run 2"))
        store.forget_run(OTHER, "run 2")
        store.put_knowledge(OTHER, [make_knowledge(score=1.0)])
        store.count_uses(OTHER, {entry.key: 10})
        store.put_run(OTHER, make_run(status="failed"))
        store.set_user_status(OTHER, "run 1", "ann", "failed", "x")

        assert store.items(NAMESPACE)[0].title == f"Title of {ITEMS[0]}"
        assert store.history(NAMESPACE, "ann") == make_history("ann")
        assert store.graph(NAMESPACE, "ann").steps == make_graph().steps
        assert store.graph(NAMESPACE, "ann").version == 1
        assert store.draft(NAMESPACE, "run 1", "ann") == (make_graph().steps, 8)
        assert store.knowledge(NAMESPACE) == [entry]
        assert store.run(NAMESPACE, "run 1") == make_run()
        assert store.user_statuses(NAMESPACE, "run 1") == {"ann": ("done", "")}


class UpkeepContract:
    def test_a_whole_store_has_no_problems_and_repair_changes_nothing(self, store: GraphStore) -> None:
        fill(store)
        store.put_run(NAMESPACE, make_run())
        store.replace_graph(NAMESPACE, make_graph())
        store.append_draft(NAMESPACE, "run 2", "bob", make_graph("bob").steps, 8, 0)
        store.put_knowledge(NAMESPACE, [make_knowledge(source_user="ann")])
        store.set_user_status(NAMESPACE, "run 1", "ann", "done")
        before = store.counts(NAMESPACE), store.graphs(NAMESPACE, ["ann"]), store.draft(NAMESPACE, "run 2", "bob")
        assert store.problems() == []
        store.repair()
        assert (store.counts(NAMESPACE), store.graphs(NAMESPACE, ["ann"]), store.draft(NAMESPACE, "run 2", "bob")) == before

    def test_a_user_marked_done_without_a_graph_is_told_and_marked_pending(self, store: GraphStore) -> None:
        fill(store)
        store.put_run(NAMESPACE, make_run())
        store.replace_graph(NAMESPACE, make_graph())
        for user in ("ann", "bob"):
            store.set_user_status(NAMESPACE, "run 1", user, "done")
        (problem,) = store.problems()
        assert (problem.count, problem.examples, problem.mendable) == (1, ("bob",), True)
        store.repair()
        assert store.problems() == []
        assert store.user_statuses(NAMESPACE, "run 1") == {"ann": ("done", ""), "bob": ("pending", "")}

    def test_knowledge_without_provenance_is_told_and_left(self, store: GraphStore) -> None:
        fill(store)
        store.put_knowledge(NAMESPACE, [make_knowledge(source_user="")])
        (problem,) = store.problems()
        assert not problem.mendable
        store.repair()
        assert len(store.knowledge(NAMESPACE)) == 1

    def test_a_store_of_today_needs_no_migration(self, store: GraphStore) -> None:
        fill(store)
        store.close()
        try:
            assert store.migrate(dry_run=True) == store.migrate() == []
        finally:
            store.open()
        assert store.users(NAMESPACE) == ["ann", "bob"]
