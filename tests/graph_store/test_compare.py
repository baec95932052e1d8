"""Copying a namespace from store to store, and telling two apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmrg.core.errors import StoreError
from llmrg.core.records import Item, VectorSpace
from llmrg.graph_store import GraphStore, contents
from llmrg.graph_store.compare import CopyReport, copy_store, differences
from llmrg.testing.store_examples import (
    ITEMS,
    NAMESPACE,
    OTHER,
    SEVEN_USERS,
    make_graph,
    make_history,
    make_item,
    make_knowledge,
    make_profile,
    make_run,
)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "PAGE", 2)


def test_vectors_of_two_encoders_differ_and_are_not_mixed(source: GraphStore, target: GraphStore) -> None:
    target.put_items(NAMESPACE, source.items(NAMESPACE))
    target.claim_vector_space(NAMESPACE, VectorSpace("other", 2))
    target.put_knowledge(NAMESPACE, [make_knowledge(vector=(1.0, 0.0))])
    assert any("letters" in line and "other" in line for line in differences(source, target, NAMESPACE))
    with pytest.raises(StoreError, match=r"other.*letters"):
        copy_store(source, target, NAMESPACE)


def test_a_copy_is_equal(source: GraphStore, target: GraphStore) -> None:
    told: list[tuple[str, int, int]] = []
    report = copy_store(source, target, NAMESPACE, lambda *news: told.append(news))
    assert report == CopyReport(
        items=12, histories=7, graphs=6, knowledge=5, runs=2, theme_texts=2, profiles=2, users_equal=0
    )  # fmt: skip
    assert target.themes(NAMESPACE) == source.themes(NAMESPACE)
    users, knowledge = [2, 4, 6, 7], [2, 4, 5]
    assert told == [*(("knowledge", done, 5) for done in knowledge), *(("users", done, 7) for done in users)]
    assert list(differences(source, target, NAMESPACE)) == []
    assert target.graph(NAMESPACE, SEVEN_USERS[3]) == source.graph(NAMESPACE, SEVEN_USERS[3])
    assert target.knowledge(NAMESPACE) == source.knowledge(NAMESPACE)
    assert target.user_statuses(NAMESPACE, "run 1") == source.user_statuses(NAMESPACE, "run 1")
    assert target.counts(OTHER).items == 0


def test_knowledge_of_each_mind_and_changed_themes_are_copied(source: GraphStore, target: GraphStore) -> None:
    copy_store(source, target, NAMESPACE)
    minds = [make_knowledge(0, 1, uses=n, mind=f"mind {n}") for n in range(3)]
    source.put_knowledge(NAMESPACE, minds)
    target.put_knowledge(NAMESPACE, [replace(minds[2], uses=0)])
    source.put_theme_texts(NAMESPACE, {"first: root": "changed", "new": "theme 1"})
    source.put_profile(NAMESPACE, make_profile("steps", 4))
    target.put_profile(NAMESPACE, make_profile("only in the target", 1))
    told = "\n".join(differences(source, target, NAMESPACE))
    for line in (
        "the theme of 'first: root' differs",
        "profile 'steps' differs",
        "profile 'only in the target' is only in the second",
    ):
        assert line in told
    report = copy_store(source, target, NAMESPACE)
    assert (report.knowledge, report.theme_texts, report.profiles) == (3, 2, 1)
    assert target.delete_profile(NAMESPACE, "only in the target")
    assert list(differences(source, target, NAMESPACE)) == []


def test_copying_again_writes_nothing(source: GraphStore, target: GraphStore) -> None:
    copy_store(source, target, NAMESPACE)
    report = copy_store(source, target, NAMESPACE)
    assert report == CopyReport(items=0, histories=0, graphs=0, knowledge=0, runs=0, theme_texts=0, profiles=0, users_equal=7)
    assert target.graph(NAMESPACE, SEVEN_USERS[1]).version == 1


def test_an_interrupted_copy_goes_on(source: GraphStore, target: GraphStore) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if (what, done) == ("users", 4):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_store(source, target, NAMESPACE, stop)
    assert list(differences(source, target, NAMESPACE))
    report = copy_store(source, target, NAMESPACE)
    assert (report.histories, report.graphs, report.users_equal) == (3, 3, 4)
    assert list(differences(source, target, NAMESPACE)) == []


def test_the_source_wins_and_the_rest_of_the_target_stays(source: GraphStore, target: GraphStore) -> None:
    copy_store(source, target, NAMESPACE)
    target.replace_graph(NAMESPACE, make_graph(SEVEN_USERS[1], mark="changed"))
    target.put_items(NAMESPACE, [make_item("only in the target"), make_item(ITEMS[0], "changed")])
    target.put_histories(NAMESPACE, [make_history("only in the target")])
    source.count_uses(NAMESPACE, {make_knowledge(0, 1).key: 4})
    source.put_knowledge(NAMESPACE, [make_knowledge(0, 2, score=0.9)])
    target.count_uses(NAMESPACE, {make_knowledge(0, 3).key: 4})

    report = copy_store(source, target, NAMESPACE)
    assert (report.items, report.histories, report.graphs, report.knowledge, report.users_equal) == (1, 0, 1, 2, 6)
    assert target.graph(NAMESPACE, SEVEN_USERS[1]) == replace(make_graph(SEVEN_USERS[1]), version=3)
    uses = {entry.to_item: (entry.uses, entry.score) for entry in target.knowledge(NAMESPACE)}
    assert [uses[item] for item in ITEMS[1:6]] == [(5, 0.5), (2, 0.9), (7, 0.5), (4, 0.5), (5, 0.5)]
    assert "only in the target" in target.users(NAMESPACE)


def test_every_kind_of_difference_is_told(source: GraphStore, target: GraphStore) -> None:
    copy_store(source, target, NAMESPACE)
    source.put_items(NAMESPACE, [Item(ITEMS[0], "changed"), Item("new", "new")])
    source.put_histories(NAMESPACE, [make_history(SEVEN_USERS[0], ITEMS[:2])])
    target.replace_graph(NAMESPACE, make_graph(SEVEN_USERS[0]))
    source.replace_graph(NAMESPACE, make_graph(SEVEN_USERS[1], run="run 2"))
    source.count_uses(NAMESPACE, {make_knowledge(0, 1).key: 1})
    source.put_run(NAMESPACE, make_run("run 2", status="done"))
    target.set_user_status(NAMESPACE, "run 1", SEVEN_USERS[1], "failed", "x")
    assert sorted(differences(source, target, NAMESPACE)) == sorted(
        [
            f"item {ITEMS[0]!r} differs",
            "item 'new' is only in the first store",
            f"history {SEVEN_USERS[0]!r} differs",
            f"graph in run 'run 1' of user {SEVEN_USERS[0]!r} is only in the second store",
            f"graph in run 'run 2' of user {SEVEN_USERS[1]!r} is only in the first store",
            f"the run of the newest graph of user {SEVEN_USERS[0]!r} is only in the second store",
            f"the run of the newest graph of user {SEVEN_USERS[1]!r} differs",
            f"knowledge {make_knowledge(0, 1).key!r} differs",
            "run 'run 2' differs",
            f"status in run 'run 1' of user {SEVEN_USERS[1]!r} differs",
        ]
    )
