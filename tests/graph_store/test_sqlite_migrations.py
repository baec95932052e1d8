"""A file that an older release made: refused, described, brought forward, whole or not at all."""

from __future__ import annotations

import json
import runpy
import sqlite3
import tracemalloc
import zipfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llmrg.core.errors import DraftConflictError, NotAStoreError, StoreError, StoreVersionError
from llmrg.core.records import ReasoningGraph, VectorSpace
from llmrg.core.themes import Themes
from llmrg.graph_store import sqlite_migrations
from llmrg.graph_store.compare import differences
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.store_examples import ITEMS, NAMESPACE, ODD_IDS, OTHER, SEVEN_USERS, make_graph, make_knowledge, put_themes

KEPT = Path(__file__).with_name("kept")
"""Stores written by releases with their schemas: see `make_version_3.py` and `make_version_4.py` there."""
fill_version_3 = runpy.run_path(str(KEPT / "make_version_3.py"))["fill_version_3"]
version_4 = runpy.run_path(str(KEPT / "make_version_4.py"))
VECTORS, LEAVER = version_4["VECTORS"], version_4["LEAVER"]


def _kept(name: str, folder: Path) -> Path:
    with zipfile.ZipFile(KEPT / name) as kept:
        return Path(kept.extract("graphs.db", folder)).rename(folder / "old.db")


@pytest.fixture
def fourth(tmp_path: Path) -> Path:
    """A store of schema version 4, with something of everything in it, vectors of 48 floats of 32 bits among it."""
    return _kept("version_4.zip", tmp_path)


@pytest.fixture
def third(tmp_path: Path) -> Path:
    """A store of schema version 3, with something of everything in it."""
    return _kept("version_3.zip", tmp_path)


@pytest.fixture
def second(third: Path) -> Path:
    """A store of schema version 2, with something in it."""
    with closing(sqlite3.connect(third)) as db:
        for table in ("theme_texts", "profile_sources", "appeals"):
            db.execute(f"DROP TABLE {table}")
        db.execute("ALTER TABLE knowledge DROP COLUMN mind")
        db.execute("ALTER TABLE drafts DROP COLUMN blocks")
        db.execute("PRAGMA user_version = 2")
        db.commit()
    return third


@pytest.fixture
def old(second: Path) -> Path:
    """A store of schema version 1, with something in it."""
    with closing(sqlite3.connect(second)) as db:
        for name in ("vector_added", "vector_changed", "vector_gone"):
            db.execute(f"DROP TRIGGER {name}")
        db.execute("DROP TABLE vector_changes")
        db.execute("ALTER TABLE vector_sizes DROP COLUMN encoder")
        db.execute("PRAGMA user_version = 1")
        db.commit()
    return second


def _schema(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as db:
        return {text for (text,) in db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}


def test_an_old_file_is_refused_with_the_command_that_mends_it(old: Path) -> None:
    with pytest.raises(StoreVersionError, match=r"version 1.*llmrg store migrate --store sqlite:///.*old\.db"):
        SqliteStore(old).open()


def test_a_dry_run_changes_nothing(old: Path) -> None:
    before = _schema(old)
    lines = SqliteStore(old).migrate(dry_run=True)
    assert [line.partition(": ")[0] for line in lines] == ["version 2", "version 3", "version 4", "version 5"]
    assert _schema(old) == before


def test_a_migrated_file_is_as_a_new_one_and_holds_what_it_held(old: Path, tmp_path: Path) -> None:
    store = SqliteStore(old)
    assert len(store.migrate()) == 4
    assert store.migrate() == []
    with SqliteStore(tmp_path / "new.db") as new, store:
        fill_version_3(new)
        assert store.health().schema_version == new.health().schema_version == sqlite_migrations.CURRENT_VERSION
        store.claim_vector_space(NAMESPACE, VectorSpace("letters", 2))  # nobody had said it
        assert store.themes(NAMESPACE) == Themes()
        put_themes(store)
        assert list(differences(new, store, NAMESPACE)) == [
            f"graph in run 'run 1' of user {user!r} is only in the first store" for user in SEVEN_USERS[2:4]
        ]  # they had been replaced
        assert store.graphs(NAMESPACE, SEVEN_USERS) == new.graphs(NAMESPACE, SEVEN_USERS)
        assert list(differences(new, store, OTHER)) == []
        assert store.counts(NAMESPACE).graphs == 6
        assert store.problems() == []
        query = np.array([1.0, 0.0], dtype=np.float32)
        entry = make_knowledge(reason="after", vector=(1.0, 0.0))
        before = store.nearest_knowledge(NAMESPACE, ITEMS[1], query, 50)
        store.put_knowledge(NAMESPACE, [entry])
        after = store.nearest_knowledge(NAMESPACE, ITEMS[1], query, 50)
        assert sorted(found.key for found, _ in after) == sorted([*(found.key for found, _ in before), entry.key])
    assert _schema(old) == _schema(tmp_path / "new.db")


def test_a_migration_that_fails_leaves_the_file_as_it_was(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _schema(old)
    broken = replace(sqlite_migrations.MIGRATIONS[1], lookups=("CREATE INDEX nonsense ON nothing (at_all)",))
    with monkeypatch.context() as patched:
        patched.setattr(
            sqlite_migrations, "MIGRATIONS", (sqlite_migrations.MIGRATIONS[0], broken, *sqlite_migrations.MIGRATIONS[2:])
        )
        with pytest.raises(StoreError, match="nothing"):
            SqliteStore(old).migrate()
    assert _schema(old) == before
    assert len(SqliteStore(old).migrate()) == 4


def test_knowledge_and_drafts_of_version_2_go_on(second: Path) -> None:
    store = SqliteStore(second)
    lines = store.migrate(dry_run=True)
    assert lines[0].startswith("version 3: themes and profiles of items, whose knowledge it is")
    assert store.migrate() == lines
    with store:
        entries = store.knowledge(NAMESPACE)
        assert len(entries) == 5
        assert {entry.mind for entry in entries} == {""}
        assert store.knowledge_for(NAMESPACE, [(ITEMS[0], ITEMS[1])]) == [e for e in entries if e.to_item == ITEMS[1]]
        steps, through = store.draft(NAMESPACE, "run 3", SEVEN_USERS[0])
        assert (steps, through) == (make_graph(SEVEN_USERS[0]).steps, 8)
        assert store.draft(NAMESPACE, "run 3", SEVEN_USERS[1]) == ((), 2)
        with pytest.raises(DraftConflictError):
            store.append_draft(NAMESPACE, "run 3", SEVEN_USERS[0], (), 4, 2)
        store.append_draft(NAMESPACE, "run 3", SEVEN_USERS[0], (), 10, 8)
        put_themes(store)
        assert len(store.themes(NAMESPACE).profiles) == 2
        assert store.draft(NAMESPACE, "run 3", SEVEN_USERS[0]) == (steps, 10)
        assert store.problems() == []


def test_graphs_drafts_and_themes_of_version_3_go_on(third: Path) -> None:
    store = SqliteStore(third)
    lines = store.migrate()
    assert lines[0].startswith("version 4: graphs of a user's runs stand side by side")
    with store:
        assert len(store.themes(NAMESPACE).profiles) == 2
        assert store.graph(NAMESPACE, SEVEN_USERS[2]) == replace(
            make_graph(SEVEN_USERS[2], mark="second", run="run 2"), version=2
        )
        assert store.graphs_by_run(NAMESPACE) == {"run 1": 4, "run 2": 2}
        odd = [name for name in ODD_IDS.values() if len(name) < 100]
        assert list(store.graphs(OTHER, odd)) == odd
        assert all(store.draft(OTHER, "run 1", user)[0][0].reason == user for user in odd)
        draft = store.draft(NAMESPACE, "run 3", SEVEN_USERS[0])[0]
        assert store.replace_graph(NAMESPACE, ReasoningGraph(SEVEN_USERS[0], draft, "run 3"), expected_version=0) == 1
        store.replace_graph(NAMESPACE, make_graph(SEVEN_USERS[2], run="run 4"), expected_version=2)
        assert store.graph(NAMESPACE, SEVEN_USERS[2], "run 2").version == 2
        assert store.problems() == []


def test_a_draft_that_does_not_read_stops_the_migration_and_leaves_the_file(third: Path) -> None:
    with closing(sqlite3.connect(third)) as db:
        db.execute("UPDATE draft_steps SET step = '[1, 2]' WHERE id = 1")
        db.commit()
    before = _schema(third)
    with pytest.raises(NotAStoreError, match="damaged"):
        SqliteStore(third).migrate()
    assert _schema(third) == before


def test_a_migration_takes_one_user_into_memory_at_a_time(third: Path) -> None:
    """Python's own memory: SQLite spills what it cannot hold to its log."""
    with closing(sqlite3.connect(third)) as db:
        (graph,) = db.execute("SELECT max(graph) FROM steps").fetchone()
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) "
            "INSERT INTO graphs SELECT i + 1000, namespace, user || i, run, 1, 0, 0, 0 FROM graphs, n WHERE id = ?",
            (graph,),
        )
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
            "INSERT INTO steps SELECT g.id, n.i, position, kind, cause_kind, cause, cause_position, hex(randomblob(100)), item, "
            "score, chain, seen, s.accepted, why_rejected, origin, grounding FROM graphs AS g, steps AS s, n "
            "WHERE g.id > 1000 AND s.graph = ? AND s.ordinal = 0",
            (graph,),
        )
        db.commit()
    tracemalloc.start()
    try:
        SqliteStore(third).migrate()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert third.stat().st_size > 2**23
    assert peak < 2**22


def test_who_is_forgotten_after_a_migration_is_nowhere_in_the_file(third: Path) -> None:
    store, user = SqliteStore(third), 'the "best" item'
    store.migrate()
    assert user.encode() in third.read_bytes() or json.dumps(user).encode() in third.read_bytes()
    with store:
        for namespace in (NAMESPACE, OTHER):
            store.forget_namespace(namespace)
    content = third.read_bytes()
    assert b"first: root" not in content
    assert b"reason 1" not in content
    assert b'"best' not in content


def test_vectors_of_version_4_are_rounded_and_all_else_goes_on(fourth: Path, tmp_path: Path) -> None:
    store, query = SqliteStore(fourth), np.random.default_rng(1).standard_normal(48)
    (line,) = store.migrate()
    assert line.startswith("version 5: vectors of the knowledge base are rounded")
    with SqliteStore(tmp_path / "new.db") as new, store:
        version_4["fill_version_4"](new)
        for namespace in (NAMESPACE, OTHER, VECTORS):
            assert list(differences(new, store, namespace)) == []
            assert store.counts(namespace) == new.counts(namespace)
        assert store.draft(NAMESPACE, "run 3", SEVEN_USERS[0]) == new.draft(NAMESPACE, "run 3", SEVEN_USERS[0])
        found = store.nearest_knowledge(VECTORS, ITEMS[5], query, 60)
        cosines = version_4["unit_vectors"]() @ query / np.linalg.norm(query)
        assert [cosine for _, cosine in found] == pytest.approx(np.sort(cosines)[::-1], abs=0.0005)
        assert [entry.reason for entry, _ in found[:10]] == [f"reason {n}" for n in np.argsort(-cosines)[:10]]
        assert store.problems() == []
    assert _schema(fourth) == _schema(tmp_path / "new.db")
    with closing(sqlite3.connect(fourth)) as db:
        assert db.execute("SELECT DISTINCT length(vector) FROM knowledge WHERE namespace = ?", (VECTORS,)).fetchall() == [(96,)]


@pytest.mark.parametrize("damage", ["x'0102'", "zeroblob(192) || 'x'", "7"])
def test_a_vector_that_does_not_read_stops_the_migration_and_leaves_the_file(fourth: Path, damage: str) -> None:
    with closing(sqlite3.connect(fourth)) as db:
        db.execute(f"UPDATE knowledge SET vector = {damage} WHERE id = 9")
        (key,) = db.execute("SELECT key FROM knowledge WHERE id = 9").fetchone()
        rows = db.execute("SELECT * FROM knowledge").fetchall()
        db.commit()
    with pytest.raises(NotAStoreError, match=f"damaged.*the vector of knowledge {key}"):
        SqliteStore(fourth).migrate()
    with closing(sqlite3.connect(fourth)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (4,)
        assert db.execute("SELECT * FROM knowledge").fetchall() == rows


def test_what_rounded_rows_leave_is_overwritten(fourth: Path) -> None:
    """A row that got shorter leaves room in its page, with what stood there."""
    assert LEAVER.encode() in fourth.read_bytes()
    store = SqliteStore(fourth)
    store.migrate()
    with store:
        assert store.forget_user(VECTORS, LEAVER)
    assert LEAVER.encode() not in fourth.read_bytes()
