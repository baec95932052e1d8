"""A file that an older release made: refused, described, brought forward, whole or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llmrg.core.errors import DraftConflictError, StoreError, StoreVersionError
from llmrg.core.records import VectorSpace
from llmrg.core.themes import Themes
from llmrg.graph_store import sqlite_migrations
from llmrg.graph_store.compare import differences
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.store_examples import ITEMS, NAMESPACE, SEVEN_USERS, fill_everything, make_graph, make_knowledge, put_themes


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """A store of schema version 2, with something in it."""
    path = tmp_path / "old.db"
    with SqliteStore(path) as store:
        fill_everything(store, users=SEVEN_USERS)
        store.append_draft(NAMESPACE, "run 3", SEVEN_USERS[0], make_graph(SEVEN_USERS[0]).steps, 8, 0)
    with closing(sqlite3.connect(path)) as db:
        for table in ("theme_texts", "profile_sources", "appeals"):
            db.execute(f"DROP TABLE {table}")
        db.execute("ALTER TABLE knowledge DROP COLUMN mind")
        db.execute("ALTER TABLE drafts DROP COLUMN blocks")
        db.execute("PRAGMA user_version = 2")
        db.commit()
    return path


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
    assert [line.partition(": ")[0] for line in lines] == ["version 2", "version 3"]
    assert _schema(old) == before


def test_a_migrated_file_is_as_a_new_one_and_holds_what_it_held(old: Path, tmp_path: Path) -> None:
    store = SqliteStore(old)
    assert len(store.migrate()) == 2
    assert store.migrate() == []
    with SqliteStore(tmp_path / "new.db") as new, store:
        fill_everything(new, users=SEVEN_USERS)
        assert store.health().schema_version == new.health().schema_version == sqlite_migrations.CURRENT_VERSION
        store.claim_vector_space(NAMESPACE, VectorSpace("letters", 2))  # nobody had said it
        assert store.themes(NAMESPACE) == Themes()
        put_themes(store)
        assert list(differences(new, store, NAMESPACE)) == []
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
    assert len(SqliteStore(old).migrate()) == 2


def test_knowledge_and_drafts_of_version_2_go_on(second: Path) -> None:
    store = SqliteStore(second)
    (line,) = store.migrate(dry_run=True)
    assert line.startswith("version 3: themes and profiles of items, whose knowledge it is")
    assert store.migrate() == [line]
    with store:
        entries = store.knowledge(NAMESPACE)
        assert len(entries) == 5
        assert {entry.mind for entry in entries} == {""}
        assert store.knowledge_for(NAMESPACE, [(ITEMS[0], ITEMS[1])]) == [e for e in entries if e.to_item == ITEMS[1]]
        steps, through = store.draft(NAMESPACE, "run 3", SEVEN_USERS[0])
        assert (len(steps), through) == (7, 8)
        with pytest.raises(DraftConflictError):
            store.append_draft(NAMESPACE, "run 3", SEVEN_USERS[0], (), 4, 2)
        store.append_draft(NAMESPACE, "run 3", SEVEN_USERS[0], (), 10, 8)
        put_themes(store)
        assert len(store.themes(NAMESPACE).profiles) == 2
        assert store.draft(NAMESPACE, "run 3", SEVEN_USERS[0]) == (steps, 10)
        assert store.problems() == []
