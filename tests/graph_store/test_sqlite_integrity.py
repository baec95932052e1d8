"""What other programs may do to a SQLite store: found, named, and mended where that loses nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from llmrg.core.errors import NotAStoreError
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.store_examples import ITEMS, NAMESPACE, OTHER, fill, make_graph, make_knowledge, make_profile, make_run

STEP_ITEM = make_graph("ann").steps[0].item
FAULTS = {
    "graphs that cannot be read": "UPDATE graphs SET packed = substr(packed, 1, 60) WHERE namespace = 'shop' AND user = 'bob'",
    "drafts that cannot be read": "UPDATE draft_blocks SET packed = x'00' || substr(packed, 2) WHERE draft = 1",
    "graphs whose user is missing": "DELETE FROM users WHERE namespace = 'shop' AND user = 'bob'",
    "graphs with a step whose item is missing": f"DELETE FROM items WHERE namespace = 'shop' AND id = '{STEP_ITEM}'",
    "graphs whose counts differ from their steps": "UPDATE graphs SET accepted = 9 WHERE namespace = 'shop' AND user = 'bob'",
    "users marked done without a graph": "INSERT INTO user_statuses VALUES ('shop', 'run 1', 'cleo', 'done', '')",
    "statuses of a run that is missing": "DELETE FROM runs WHERE namespace = 'shop'",
    "drafts whose user is missing": "INSERT INTO drafts (namespace, run, user, through) VALUES ('shop', 'run 1', 'cleo', 3)",
    "draft blocks without a draft": "INSERT INTO draft_blocks (draft, key, packed) VALUES (99, '', x'')",
    "histories that name a missing item": f"DELETE FROM items WHERE namespace = 'shop' AND id = '{ITEMS[7]}'",
    "knowledge whose items are missing": f"DELETE FROM items WHERE namespace = 'shop' AND id = '{ITEMS[11]}'",
    "appeals whose profile is missing": "DELETE FROM profile_sources WHERE namespace = 'shop'",
    "appeals of missing items": f"DELETE FROM items WHERE namespace = 'shop' AND id = '{ITEMS[0]}'",
    "themes without a name": "UPDATE theme_texts SET theme = char(10) || ' ' WHERE namespace = 'shop'",
    "knowledge without provenance": "UPDATE knowledge SET source_user = ''",
    "missing indexes or triggers": "DROP INDEX knowledge_by_use; DROP TRIGGER vector_gone",
}
LEFT_TO_PEOPLE = {"histories that name a missing item", "knowledge without provenance"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "graphs.db") as opened:
        for namespace in (NAMESPACE, OTHER):
            fill(opened, namespace)
            opened.put_theme_texts(namespace, {"first: root": "a root"})
            opened.put_profile(namespace, make_profile("one", 3))
            opened.put_run(namespace, make_run())
            for user in ("ann", "bob"):
                opened.append_draft(namespace, "run 2", user, make_graph(user).steps, 8, 0)
                opened.replace_graph(namespace, make_graph(user))
                opened.set_user_status(namespace, "run 1", user, "done")
            opened.put_knowledge(namespace, [make_knowledge(10, 11, source_user="ann")])
        yield opened


def tamper(store: SqliteStore, statement: str) -> None:
    with sqlite3.connect(store.path) as db:
        db.executescript(statement)
    db.close()


def test_a_whole_store_has_no_problems_and_repair_changes_nothing(store: SqliteStore) -> None:
    before = {space: (store.graphs(space, ["ann", "bob"]), store.counts(space)) for space in (NAMESPACE, OTHER)}
    assert store.problems() == []
    store.repair()
    assert {space: (store.graphs(space, ["ann", "bob"]), store.counts(space)) for space in (NAMESPACE, OTHER)} == before


@pytest.mark.parametrize("what", FAULTS)
def test_each_fault_is_found_and_mended(store: SqliteStore, what: str) -> None:
    tamper(store, FAULTS[what])
    found = {problem.what: problem for problem in store.problems()}
    assert what in found
    assert found[what].count >= 1
    assert found[what].examples
    assert found[what].mendable == (what not in LEFT_TO_PEOPLE)
    assert found[what].how
    assert store.problems() == list(found.values()), "looking changes nothing"
    store.repair()
    assert {problem.what for problem in store.problems()} <= LEFT_TO_PEOPLE
    assert store.graphs(OTHER, ["ann"])["ann"].steps == make_graph("ann").steps


def test_a_graph_that_lost_an_item_is_built_anew(store: SqliteStore) -> None:
    tamper(store, FAULTS["graphs with a step whose item is missing"])
    store.repair()
    assert store.graphs(NAMESPACE, ["ann", "bob"]) == {}
    assert store.user_statuses(NAMESPACE, "run 1") == {"ann": ("pending", ""), "bob": ("pending", "")}


def test_a_profile_keeps_what_is_whole(store: SqliteStore) -> None:
    tamper(store, FAULTS["appeals of missing items"])
    store.repair()
    whole = make_profile("one", 3)
    assert store.themes(NAMESPACE).profiles == (replace(whole, appeals=whole.appeals[1:]),)
    assert store.themes(OTHER).profiles == (whole,)


def test_damaged_pages_are_found(store: SqliteStore) -> None:
    with sqlite3.connect(store.path) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'knowledge_by_use'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    store.close()
    with store.path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    store.open()
    (found,) = store.problems()
    assert (found.what, found.mendable) == ("damaged pages", False)
    assert "backup" in found.how


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("x'02' || substr(packed, 2)", "a packed graph has format 2, this release of llmrg reads 1"),
        ("substr(packed, 1, length(packed) - 1) || x'07'", "a packed graph is damaged"),
        ("x'01'", "a packed graph is damaged"),
        ("x''", "a packed graph has no format"),
    ],
)
def test_a_graph_whose_bytes_are_off_is_refused_and_told_with_its_user(store: SqliteStore, change: str, why: str) -> None:
    tamper(store, f"UPDATE graphs SET packed = CAST({change} AS BLOB) WHERE namespace = 'shop' AND user = 'bob'")
    with pytest.raises(NotAStoreError, match=rf"graphs\.db .*damaged .*{why}"):
        store.graph(NAMESPACE, "bob")
    assert store.graph(NAMESPACE, "ann").steps == make_graph("ann").steps
    (problem,) = store.problems()
    assert (problem.what, problem.examples) == ("graphs that cannot be read", ("bob",))
    store.repair()
    assert store.user_statuses(NAMESPACE, "run 1") == {"ann": ("done", ""), "bob": ("pending", "")}


def test_a_graph_in_the_row_of_another_user_is_told(store: SqliteStore) -> None:
    tamper(
        store,
        "UPDATE graphs SET packed = (SELECT packed FROM graphs AS g WHERE g.namespace = 'shop' AND g.user = 'ann')"
        " WHERE namespace = 'shop' AND user = 'bob'",
    )
    (problem,) = store.problems()
    assert (problem.what, problem.examples) == ("graphs that cannot be read", ("bob",))
