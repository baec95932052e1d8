"""Contract of what a store lists and forgets: namespaces, users and runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llmrg.core.errors import CallerError, GraphNotFoundError, UnknownUserError
from llmrg.core.records import VectorSpace
from llmrg.core.themes import Themes
from llmrg.graph_store.protocol import GraphStore, StoreCounts
from llmrg.testing.store_examples import (
    NAMESPACE,
    ODD_IDS,
    OTHER,
    fill,
    fill_everything,
    make_graph,
    make_history,
    make_item,
    make_knowledge,
    make_run,
    put_themes,
)

NOTHING = StoreCounts(0, 0, 0, 0, 0, 0, 0, 0)


class ForgetContract:
    def test_namespaces_are_listed_in_order(self, store: GraphStore) -> None:
        assert store.namespaces() == []
        fill(store, OTHER)
        store.put_run("a run alone", make_run())
        store.put_theme_texts(NAMESPACE, {"text": "theme"})
        store.claim_vector_space("Z", VectorSpace("letters", 2))
        assert store.namespaces() == sorted((OTHER, "a run alone", NAMESPACE, "Z"))

    def test_a_namespace_is_listed_and_forgotten_by_any_name(self, store: GraphStore) -> None:
        for name in ODD_IDS.values():
            store.put_items(name, [make_item("a")])
        assert store.namespaces() == sorted(ODD_IDS.values())
        for name in ODD_IDS.values():
            assert store.forget_namespace(name) is True
        assert store.namespaces() == []

    def test_a_forgotten_namespace_is_empty_and_no_other_is_touched(self, store: GraphStore) -> None:
        for namespace in (NAMESPACE, OTHER):
            fill_everything(store, namespace)
            store.append_draft(namespace, "run 2", "ann", make_graph().steps, 8, 0)
        assert store.forget_namespace(NAMESPACE) is True
        assert store.forget_namespace(NAMESPACE) is False
        assert store.namespaces() == [OTHER]
        assert store.counts(NAMESPACE) == NOTHING
        assert not store.items(NAMESPACE)
        assert not store.users(NAMESPACE)
        assert not store.runs(NAMESPACE)
        assert not store.knowledge(NAMESPACE)
        assert store.draft(NAMESPACE, "run 2", "ann") == ((), 0)
        assert store.themes(NAMESPACE) == Themes()
        assert store.user_statuses(NAMESPACE, "run 1") == {}
        assert store.vector_space(NAMESPACE) is None
        assert store.counts(OTHER).graphs == 1
        assert store.draft(OTHER, "run 2", "ann")[1] == 8
        assert len(store.knowledge(OTHER)) == 5
        assert store.problems() == []

    def test_a_namespace_made_anew_finds_only_its_own_vectors(self, store: GraphStore) -> None:
        for vector in ((1.0, 0.0), (0.0, 1.0)):
            fill(store)
            store.put_knowledge(NAMESPACE, [make_knowledge(0, 1, vector=vector)])
            ((_, cosine),) = store.nearest_knowledge(NAMESPACE, make_knowledge(0, 1).to_item, np.array([0.0, 1.0]))
            assert cosine == pytest.approx(vector[1])
            store.forget_namespace(NAMESPACE)

    def test_nothing_of_a_forgotten_user_is_left(self, store: GraphStore) -> None:
        fill(store)
        put_themes(store)
        for run in ("run 1", "run 2"):
            store.put_run(NAMESPACE, make_run(run))
            for user in ("ann", "bob"):
                store.set_user_status(NAMESPACE, run, user, "failed", f"{user} has no reply")
        entries = [make_knowledge(0, 1), make_knowledge(0, 2, source_user="bob"), make_knowledge(0, 3, mind="ours")]
        store.put_knowledge(NAMESPACE, entries)
        for user in ("ann", "bob"):
            store.replace_graph(NAMESPACE, make_graph(user, run="run 0"))
            store.replace_graph(NAMESPACE, make_graph(user))
            store.append_draft(NAMESPACE, "run 2", user, make_graph(user).steps, 8, 0)
        themes = store.themes(NAMESPACE)

        assert store.forget_user(NAMESPACE, "ann") is True
        assert store.forget_user(NAMESPACE, "ann") is False
        assert store.users(NAMESPACE) == ["bob"]
        with pytest.raises(UnknownUserError):
            store.history(NAMESPACE, "ann")
        with pytest.raises(GraphNotFoundError):
            store.graph(NAMESPACE, "ann")
        assert store.graphs_by_run(NAMESPACE) == {"run 0": 1, "run 1": 1}
        assert store.draft(NAMESPACE, "run 2", "ann") == ((), 0)
        assert store.knowledge(NAMESPACE) == [entries[1]]
        for run in ("run 1", "run 2"):
            assert store.user_statuses(NAMESPACE, run) == {"bob": ("failed", "bob has no reply")}
        assert store.graph(NAMESPACE, "bob") == replace(make_graph("bob"), version=2)
        assert store.draft(NAMESPACE, "run 2", "bob") == (make_graph("bob").steps, 8)
        assert store.themes(NAMESPACE) == themes
        assert store.problems() == []

    def test_nothing_of_a_forgotten_run_is_left(self, store: GraphStore) -> None:
        fill(store)
        entry = make_knowledge(0, 1)
        store.put_knowledge(NAMESPACE, [entry])
        for run in ("run 1", "run 2"):
            store.put_run(NAMESPACE, make_run(run))
            store.replace_graph(NAMESPACE, make_graph("ann", mark=run, run=run))
            store.append_draft(NAMESPACE, run, "bob", make_graph("bob").steps, 8, 0)
            for user in ("ann", "bob"):
                store.set_user_status(NAMESPACE, run, user, "done" if user == "ann" else "pending")

        assert store.forget_run(NAMESPACE, "run 2") is True
        assert store.forget_run(NAMESPACE, "run 2") is False
        assert [run.id for run in store.runs(NAMESPACE)] == ["run 1"]
        assert store.graph(NAMESPACE, "ann") == replace(make_graph("ann", mark="run 1", run="run 1"), version=1)
        assert store.graphs(NAMESPACE, ["ann"], "run 2") == {}
        assert store.graphs_by_run(NAMESPACE) == {"run 1": 1}
        assert store.counts(NAMESPACE).accepted == len(make_graph("ann").reasoned())
        assert store.draft(NAMESPACE, "run 2", "bob") == ((), 0)
        assert store.draft(NAMESPACE, "run 1", "bob") == (make_graph("bob").steps, 8)
        assert store.user_statuses(NAMESPACE, "run 2") == {}
        assert store.user_statuses(NAMESPACE, "run 1") == {"ann": ("done", ""), "bob": ("pending", "")}
        assert store.knowledge(NAMESPACE) == [entry]
        assert store.problems() == []
        assert store.replace_graph(NAMESPACE, make_graph("ann", run="run 2"), expected_version=1) == 2

    def test_an_older_run_is_forgotten_beside_the_newest(self, store: GraphStore) -> None:
        fill(store)
        for run in ("run 1", "run 2"):
            store.put_run(NAMESPACE, make_run(run))
            store.replace_graph(NAMESPACE, make_graph("ann", mark=run, run=run))
        assert store.forget_run(NAMESPACE, "run 1") is True
        assert store.graph(NAMESPACE, "ann") == replace(make_graph("ann", mark="run 2", run="run 2"), version=2)
        with pytest.raises(GraphNotFoundError):
            store.graph(NAMESPACE, "ann", "run 1")
        assert store.forget_run(NAMESPACE, "run 2") is True
        with pytest.raises(GraphNotFoundError):
            store.graph(NAMESPACE, "ann")
        assert store.counts(NAMESPACE).graphs == 0
        assert store.replace_graph(NAMESPACE, make_graph("ann"), expected_version=0) == 1

    def test_graphs_of_a_run_without_a_record_are_forgotten(self, store: GraphStore) -> None:
        fill(store)
        store.replace_graph(NAMESPACE, make_graph("ann"))
        assert store.forget_run(NAMESPACE, "run 1") is True
        assert store.graphs(NAMESPACE, ["ann"]) == {}

    @pytest.mark.parametrize("user", ODD_IDS.values(), ids=ODD_IDS.keys())
    def test_a_user_of_any_name_is_forgotten(self, store: GraphStore, user: str) -> None:
        fill(store, users=(user, "bob"))
        store.replace_graph(NAMESPACE, make_graph(user))
        assert store.forget_user(NAMESPACE, user) is True
        assert store.users(NAMESPACE) == ["bob"]

    def test_a_user_of_another_namespace_stays(self, store: GraphStore) -> None:
        for namespace in (NAMESPACE, OTHER):
            fill(store, namespace)
            store.replace_graph(namespace, make_graph())
        store.forget_user(NAMESPACE, "ann")
        assert store.graph(OTHER, "ann").steps == make_graph().steps
        assert store.history(OTHER, "ann") == make_history("ann")

    def test_a_forgotten_user_may_come_back(self, store: GraphStore) -> None:
        fill(store)
        store.replace_graph(NAMESPACE, make_graph())
        store.forget_user(NAMESPACE, "ann")
        fill(store)
        assert store.replace_graph(NAMESPACE, make_graph(), expected_version=0) == 1

    def test_what_cannot_be_an_id_is_refused(self, store: GraphStore) -> None:
        with pytest.raises(CallerError):
            store.forget_namespace("")
        for namespace, user in (("", "ann"), (NAMESPACE, "")):
            with pytest.raises(CallerError):
                store.forget_user(namespace, user)
