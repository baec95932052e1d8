"""The write-ahead log stays small.

SQLite copies the log into the file by itself, but starts the log anew only when no reader is in it. Readers that always overlap
never leave it such a moment, and it grows for as long as they come. A checkpoint that truncates waits for the readers that are in
the log; those that come meanwhile read from the file.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from pathlib import Path

from llmrg.core.errors import StoreError

LIMIT_BYTES = 16 * 2**20
_PAUSE_S = 0.02
_PATIENCE_MS = 200
"""Wait for the readers in the log; writers wait meanwhile."""
logger = logging.getLogger(__name__)


class WriteAheadLog:
    """The log of one store, looked at by its writers."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._path, self._timeout_s = Path(f"{path}-wal"), timeout_s
        self._limit = LIMIT_BYTES
        """Size at which to truncate; grows while a long reader does not let us, so that few writers wait in vain."""

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Have SQLite cut a log that a long reader let grow, when it starts it anew."""
        connection.execute(f"PRAGMA journal_size_limit = {LIMIT_BYTES}")

    def keep_small(self, connection: sqlite3.Connection) -> None:
        """Empty the log if it is too long; called after a commit, so it raises nothing: what was written stands."""
        size = self._size()
        if size > self._limit:
            self._limit = LIMIT_BYTES if self._truncate(connection) else size + LIMIT_BYTES
        elif size <= LIMIT_BYTES:
            self._limit = LIMIT_BYTES

    def _truncate(self, connection: sqlite3.Connection) -> bool:
        connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
        try:
            (refused, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            logger.warning("%s could not be emptied, a later writer tries again: %s", self._path, error)
            return False
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(self._timeout_s * 1000)}")
        return not refused

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0


def use_wal(connection: sqlite3.Connection, path: Path, timeout_s: float) -> None:
    """SQLite does not wait for a lock here, so when several processes make the file at once we do.

    Raises: StoreError: the disk cannot share a log; sqlite3.OperationalError.
    """
    deadline = time.monotonic() + timeout_s
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
        raise StoreError(f"{path} cannot be shared safely (journal mode {mode!r}); put the file on a local disk")
