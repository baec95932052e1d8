"""What a store in a file meets at opening: foreign files, damaged files, places where no file can be."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from llmrg.core.errors import NotAStoreError, StoreError, StoreUnreachableError, StoreVersionError
from llmrg.core.settings import load_settings
from llmrg.graph_store.open_store import open_configured_store
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.store_examples import NAMESPACE, fill, make_graph, make_knowledge, make_run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "graphs.db"


@pytest.fixture
def filled(path: Path) -> Path:
    """A closed store with two graphs."""
    with SqliteStore(path) as store:
        fill(store)
        store.replace_graph(NAMESPACE, make_graph("ann"))
        store.replace_graph(NAMESPACE, make_graph("bob"))
    return path


def test_the_folder_is_made(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "new" / "folder" / "graphs.db") as store:
        fill(store)
    assert (tmp_path / "new" / "folder" / "graphs.db").exists()


def test_the_constructor_touches_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "new" / "graphs.db")
    with pytest.raises(StoreError, match="open"):
        store.items(NAMESPACE)
    assert not list(tmp_path.iterdir())


def test_closing_leaves_one_file(filled: Path) -> None:
    assert [file.name for file in filled.parent.iterdir()] == ["graphs.db"]


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    with SqliteStore(path) as store:
        fill(store)


def test_a_folder_is_not_a_store(tmp_path: Path) -> None:
    with pytest.raises(NotAStoreError, match="is a folder"):
        SqliteStore(tmp_path).open()


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(StoreUnreachableError, match=r"notes\.txt"):
        SqliteStore(tmp_path / "notes.txt" / "graphs.db").open()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder where nobody may make files")
def test_a_folder_where_no_file_can_be_made() -> None:
    with pytest.raises(StoreUnreachableError, match="permissions"):
        SqliteStore("/proc/graphs.db").open()


def test_a_file_of_text_is_not_a_store_and_stays_as_it_is(path: Path) -> None:
    path.write_text("user,item,rating\n1,2,3\n" * 500)
    before = path.read_bytes()
    with pytest.raises(NotAStoreError, match=r"graphs\.db"):
        SqliteStore(path).open()
    assert path.read_bytes() == before


@pytest.mark.parametrize("mark", ["CREATE TABLE items (id TEXT)", "PRAGMA application_id = 7", "PRAGMA user_version = 1"])
def test_the_database_of_another_program_stays_as_it_is(path: Path, mark: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(mark)
        db.commit()
    before = hashlib.sha256(path.read_bytes()).digest()
    with pytest.raises(NotAStoreError, match="another program"):
        SqliteStore(path).open()
    assert hashlib.sha256(path.read_bytes()).digest() == before


def test_a_newer_schema_is_refused(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreVersionError, match=r"99.*pip install"):
        SqliteStore(filled).open()


def test_a_store_without_one_of_its_tables_is_damaged(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as db:
        db.execute("DROP TABLE graphs")
    with pytest.raises(NotAStoreError, match="graphs"):
        SqliteStore(filled).open()


def _truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _break_header(content: bytes) -> bytes:
    return b"\x00" * 100 + content[100:]


def _break_first_page(content: bytes) -> bytes:
    return content[:100] + b"\xaa" * 3900 + content[4000:]


def _break_all_but_the_schema(content: bytes) -> bytes:
    return content[:8192] + random.Random(7).randbytes(len(content) - 8192)


def _read_all(path: Path) -> None:
    with SqliteStore(path) as store:
        store.counts(NAMESPACE)
        store.graphs(NAMESPACE, ["ann", "bob"])
        store.items(NAMESPACE)


def _break_a_text(content: bytes) -> bytes:
    assert b"N. O'Body" in content
    return content.replace(b"N. O'Body", b"N\xff O'Body")


def _break_a_graph(content: bytes) -> bytes:
    place = content.index(b"\x01\x78\x01") + 40  # the format, what zlib begins with at its fastest, and the body
    return content[:place] + b"\xff" * 8 + content[place + 8 :]


def _break_a_list(content: bytes) -> bytes:
    return content.replace(b'[["theme"', b'[!"theme"')


def _break_a_table_name(content: bytes) -> bytes:
    return content.replace(b"TABLE graphs", b"TABLE gr\xffphs")


DAMAGES = (
    _truncate,
    _break_header,
    _break_first_page,
    _break_all_but_the_schema,
    _break_a_text,
    _break_a_graph,
    _break_a_list,
    _break_a_table_name,
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_told_at_the_latest_when_it_is_read(filled: Path, damage: Callable[[bytes], bytes]) -> None:
    filled.write_bytes(damage(filled.read_bytes()))
    with pytest.raises(NotAStoreError, match=r"graphs\.db.*backup"):
        _read_all(filled)


def test_a_failed_open_leaves_nothing_open(path: Path) -> None:
    path.write_text("not a store" * 1000)
    store = SqliteStore(path)
    with pytest.raises(NotAStoreError):
        store.open()
    path.unlink()
    with store:
        fill(store)


@pytest.mark.parametrize(("synchronous", "level"), [("normal", 1), ("full", 2)])
def test_how_hard_a_write_is_flushed_is_a_setting(
    path: Path, monkeypatch: pytest.MonkeyPatch, synchronous: str, level: int
) -> None:
    """No test can cut the power; SQLite's own word on the store's connection must do."""
    monkeypatch.setenv("LLMRG_STORE_SYNCHRONOUS", synchronous)
    store = open_configured_store(load_settings(store=f"sqlite:///{path}"))
    assert isinstance(store, SqliteStore)
    with store, store._connections.reading() as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (level,)


def test_a_copy_that_lost_its_wal_mode_gets_it_back(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    with SqliteStore(filled) as store, closing(sqlite3.connect(filled)) as other:
        assert store.graph(NAMESPACE, "ann").version == 1
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_no_byte_of_a_forgotten_user_is_left_in_the_file(tmp_path: Path) -> None:
    path, user = tmp_path / "graphs.db", "marguerite-7f3a"
    with SqliteStore(path) as store:
        fill(store, users=(user, "bob"))
        for mark in ("first", "second"):
            store.replace_graph(NAMESPACE, make_graph(user, f"{mark} of {user}"))
        store.append_draft(NAMESPACE, "run 2", user, make_graph(user, f"draft of {user}").steps, 8, 0)
        store.put_run(NAMESPACE, make_run())
        store.set_user_status(NAMESPACE, "run 1", user, "failed", f"no reply for {user}")
        store.put_knowledge(NAMESPACE, [make_knowledge(source_user=user)])
    assert user.encode() in path.read_bytes()
    with SqliteStore(path) as store:
        assert store.forget_user(NAMESPACE, user)
    assert [file.name for file in tmp_path.iterdir() if user.encode() in file.read_bytes()] == []
