"""Connections to one SQLite file: one per thread, one transaction per call, SQLite's failures in our words."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from llmrg.core.errors import NotAStoreError, StoreError, StoreUnreachableError
from llmrg.graph_store import sqlite_migrations
from llmrg.graph_store.network_disk import refuse_network_disk
from llmrg.graph_store.sqlite_errors import in_our_words, rows_in_our_words
from llmrg.graph_store.sqlite_wal import WriteAheadLog, use_wal

Synchronous = Literal["normal", "full"]


class SqliteConnections:
    """Opens connections when a thread first needs one and closes them all together.

    A file is looked at before it is changed: a foreign database is left as it was.
    """

    def __init__(
        self, path: Path, timeout_s: float, synchronous: Synchronous = "normal", allow_network_disk: bool = False
    ) -> None:
        self.path, self._timeout_s, self._synchronous = path, timeout_s, synchronous
        self._allow_network_disk = allow_network_disk
        self._log = WriteAheadLog(path, timeout_s)
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, sqlite3.Connection] = {}
        self._process = 0
        """Process that opened; 0: closed. A forked child takes connections of its own."""

    def open(self, *, to_migrate: bool = False) -> None:
        """Make or check the file; `to_migrate` lets an older schema pass.

        Raises: NotAStoreError, StoreVersionError, StoreUnreachableError, StoreFullError; StoreError: on a network disk.
        """
        if self._process == os.getpid():
            return
        if not self._allow_network_disk:
            refuse_network_disk(self.path)
        self._make_folder()
        with in_our_words(self.path, self._timeout_s):
            connection = self._connect()
            try:
                if sqlite_migrations.is_new(connection, self.path):
                    self._make_schema(connection)
                if not to_migrate:
                    sqlite_migrations.check(connection, self.path)
                use_wal(connection, self.path, self._timeout_s)  # a copy made by other tools may have lost it
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
        with self._transaction("BEGIN") as connection, rows_in_our_words(self.path):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All statements of the block or none; the only writer for as long."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection
        self._log.keep_small(connection)

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        connection = self._mine()
        with in_our_words(self.path, self._timeout_s):
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
            owner = threading.current_thread()
            connection = self._connections.get(owner)
            if connection is None:
                self._close_those_of_ended_threads()
                with in_our_words(self.path, self._timeout_s):
                    connection = self._connections[owner] = self._connect()
            return connection

    def _close_those_of_ended_threads(self) -> None:
        for owner in [owner for owner in self._connections if not owner.is_alive()]:
            self._connections.pop(owner).close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=self._timeout_s, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._synchronous == 'full' else 'NORMAL'}")
            self._log.prepare(connection)
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
        use_wal(connection, self.path, self._timeout_s)
        connection.execute("BEGIN IMMEDIATE")
        try:
            if sqlite_migrations.is_new(connection, self.path):
                sqlite_migrations.migrate(connection, sqlite_migrations.MIGRATIONS)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
