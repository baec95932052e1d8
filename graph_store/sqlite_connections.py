"""Connections to one SQLite file: one per thread, one transaction per call, SQLite's failures in our words."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from llmrg.core.errors import CallerError, NotAStoreError, StoreError, StoreFullError, StoreUnreachableError, StoreVersionError
from llmrg.graph_store import sqlite_schema as schema

Synchronous = Literal["normal", "full"]
_WAL_LIMIT_BYTES = 64 * 2**20
_LITTLE_SPACE_BYTES = 2**20
_PAUSE_S = 0.02
_SIGNS_OF_DAMAGE = ("Could not decode to UTF-8", "no such column", "no such table", "malformed")
"""Starts of messages that have no code of their own; our statements fit our schema."""


class SqliteConnections:
    """Opens connections when a thread first needs one and closes them all together.

    A file is looked at before it is changed: a foreign database is left as it was.
    """

    def __init__(self, path: Path, timeout_s: float, synchronous: Synchronous) -> None:
        self.path, self._timeout_s, self._synchronous = path, timeout_s, synchronous
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, sqlite3.Connection] = {}
        self._process = 0
        """Process that opened; 0: closed. A forked child takes connections of its own."""

    def open(self) -> None:
        """Make or check the file. Raises: NotAStoreError, StoreVersionError, StoreUnreachableError, StoreFullError."""
        if self._process == os.getpid():
            return
        self._make_folder()
        with self._in_our_words():
            connection = self._connect()
            try:
                if _is_new(connection, self.path):
                    self._make_schema(connection)
                _check_schema(connection, self.path)
            except BaseException:
                connection.close()
                raise
        self._connections = {threading.current_thread(): connection}
        self._process = os.getpid()

    def close(self) -> None:
        with self._lock:
            if self._process == os.getpid():
                for connection in self._connections.values():
                    connection.close()
            self._connections, self._process = {}, 0

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the store for all statements of the block."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All statements of the block or none; the only writer for as long."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        connection = self._mine()
        with self._in_our_words():
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _mine(self) -> sqlite3.Connection:
        if not self._process:
            raise StoreError(f"the store {self.path} is closed; call open() first")
        with self._lock:
            if self._process != os.getpid():
                self._connections, self._process = {}, os.getpid()
            connection = self._connections.get(threading.current_thread())
            if connection is None:
                self._close_those_of_ended_threads()
                with self._in_our_words():
                    connection = self._connections[threading.current_thread()] = self._connect()
            return connection

    def _close_those_of_ended_threads(self) -> None:
        for thread in [thread for thread in self._connections if not thread.is_alive()]:
            self._connections.pop(thread).close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=self._timeout_s, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._synchronous == 'full' else 'NORMAL'}")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_folder(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnreachableError(
                f"cannot make the folder {self.path.parent} of the store ({error.strerror}); choose another with --store"
            ) from error
        if self.path.is_dir():
            raise NotAStoreError(f"{self.path} is a folder; a store is a file, for instance sqlite:///{self.path / 'graphs.db'}")

    def _make_schema(self, connection: sqlite3.Connection) -> None:
        self._use_wal(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _is_new(connection, self.path):
                for statement in (*schema.TABLES, *schema.INDEXES.values()):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION}")
                connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """SQLite does not wait for a lock here, so when several processes make the store at once we do."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_S)
            else:
                break
        if mode != "wal":
            raise StoreError(f"{self.path} cannot be shared safely (journal mode {mode!r}); put the store on a local disk")

    @contextmanager
    def _in_our_words(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise self._translated(error) from error
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise _not_a_store(self.path, str(error)) from error
        except (UnicodeEncodeError, OverflowError) as error:
            raise CallerError(f"a value cannot be kept in SQLite: {error}") from error

    def _translated(self, error: Exception) -> StoreError:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        primary = code & 0xFF
        if primary == sqlite3.SQLITE_FULL or (primary == sqlite3.SQLITE_IOERR and self._no_space()):
            return StoreFullError(
                f"no space left for the store {self.path}; nothing of this call was written and what was there before is whole: "
                "free some space and call again"
            )
        if primary in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT) or str(error).startswith(_SIGNS_OF_DAMAGE):
            return _not_a_store(self.path, str(error))
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreUnreachableError(
                f"another program kept the store {self.path} locked for {self._timeout_s:g} s; try again when it is done"
            )
        if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            return StoreUnreachableError(f"the store {self.path} cannot be opened for writing ({error}); check its permissions")
        return StoreError(f"SQLite failed on the store {self.path}: {error}")

    def _no_space(self) -> bool:
        try:
            return shutil.disk_usage(self.path.parent).free < _LITTLE_SPACE_BYTES
        except OSError:
            return False


def _not_a_store(path: Path, why: str) -> NotAStoreError:
    return NotAStoreError(
        f"{path} is not an LLMRG store, or is damaged ({why}); name another file with --store, or put a backup in its place"
    )


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    """True for an empty file; a database that somebody else made is refused."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application == schema.APPLICATION_ID:
        return False
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application or tables or version:
        raise _not_a_store(path, f"a SQLite file of another program, application id {application:#x}, {tables} tables")
    return True


def _check_schema(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > schema.SCHEMA_VERSION:
        raise StoreVersionError(
            f"{path} has schema version {version}, this release of llmrg knows up to {schema.SCHEMA_VERSION}; "
            "update with `pip install -U llmrg`"
        )
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    missing = schema.TABLE_NAMES - there
    if missing:
        raise _not_a_store(path, f"tables are missing: {', '.join(sorted(missing))}")
