"""Upkeep of a SQLite store: a backup while it is in use, and giving freed space back."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from llmrg.core.errors import ConfigError, StoreError, StoreFullError, StoreUnreachableError
from llmrg.graph_store.sqlite_connections import SqliteConnections
from llmrg.graph_store.sqlite_errors import in_our_words, translated
from llmrg.graph_store.sqlite_migrations import APPLICATION_ID

_PAGES_A_STEP = 64
_WAIT_S = 1.0
"""For a lock: who holds a store for longer than this will not let it go soon."""


def backup(
    path: Path,
    target: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    replace: bool = False,
    allow_network_disk: bool = False,
) -> int:
    """Copy the store at `path` as it is now into a new file, while others read and write; returns the copy's size in bytes.

    The copy is checked page by page before it takes the name `target`; whatever fails, what was there before stays.

    Args:
        target: a file that is not there, on any disk. Its folder is made.
        progress: called with pages done and pages in all.
        replace: let it take the place of an older backup. A file of another kind, or a store in use, is never replaced.
        allow_network_disk: as `SqliteStore`, for `path`.
    Raises:
        ConfigError: something is at `target` that must not be replaced.
        NotAStoreError: the store is damaged. StoreFullError: no space for the copy.
        StoreUnreachableError: there is no such store. StoreError: `target` cannot be written.
    """
    _check_there(path)
    _check_target(path, target, replace)
    part = target.with_name(f"{target.name}.part")
    connections = SqliteConnections(path, _WAIT_S, allow_network_disk=allow_network_disk)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove(part)  # of a backup that was killed
    except OSError as error:
        raise StoreError(f"the backup {target} cannot be written ({error.strerror}); name another file") from error
    try:
        connections.open()
        with connections.reading() as source:
            _copy(source, part, progress)
        os.replace(part, target)
        return target.stat().st_size
    finally:
        connections.close()
        _remove(part)


def compact(path: Path, *, allow_network_disk: bool = False) -> tuple[int, int]:
    """Rewrite the store without the space that deleted rows left; returns its bytes before and after.

    Raises:
        StoreUnreachableError: others have it open, or there is no such store.
        StoreFullError: less is free than twice what the store holds. NotAStoreError: it is damaged, or another program's.
    """
    _check_there(path)
    connections = SqliteConnections(path, _WAIT_S, allow_network_disk=allow_network_disk)
    connections.open()
    connections.close()
    with in_our_words(path, _WAIT_S), closing(sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)) as db:
        _take_alone(db, path)
        before, held = _sizes(db)
        _check_room(path, held)
        db.execute("VACUUM")
        after, _ = _sizes(db)
    return before, after


def _check_there(path: Path) -> None:
    """Raises: StoreUnreachableError: opening would make a new store."""
    if not path.exists():
        raise StoreUnreachableError(f"there is no store at {path}; name the one that is meant with --store")


def _check_target(source: Path, target: Path, replace: bool) -> None:
    if not target.exists():
        return
    if target.is_dir():
        raise ConfigError(f"{target} is a folder; name a file, for instance {target / source.name}")
    if target.samefile(source):
        raise ConfigError(f"{target} is the store itself; name another file")
    if not _is_ours(target):
        raise ConfigError(f"{target} is there and is no backup of a store, so it is not replaced; name another file")
    if Path(f"{target}-wal").exists():
        raise ConfigError(f"{target} is a store in use (there is {target.name}-wal), so it is not replaced; name another file")
    if not replace:
        raise ConfigError(f"{target} is there; name another file, or replace it with --force")


def _is_ours(path: Path) -> bool:
    """By the application id, which SQLite keeps at byte 68."""
    with path.open("rb") as file:
        return file.read(72)[68:] == APPLICATION_ID.to_bytes(4, "big")


def _copy(source: sqlite3.Connection, part: Path, progress: Callable[[int, int], None]) -> None:
    source.execute("PRAGMA data_version")  # pins the state: else each commit of another would start the copy anew
    try:
        with closing(sqlite3.connect(part)) as copy:
            copy.execute("PRAGMA locking_mode = EXCLUSIVE")  # no shared memory, so that it works on a network disk
            source.backup(copy, pages=_PAGES_A_STEP, progress=lambda _, left, total: progress(total - left, total))
            (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        raise translated(error, part, _WAIT_S) from error
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"malformed: {verdict}")


def _remove(part: Path) -> None:
    for suffix in ("", "-journal", "-wal"):
        Path(f"{part}{suffix}").unlink(missing_ok=True)


def _take_alone(db: sqlite3.Connection, path: Path) -> None:
    """Every connection of a process that has the store open holds a lock that this one does not get along with."""
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    try:
        db.execute("BEGIN EXCLUSIVE")
        db.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        raise StoreUnreachableError(f"others have the store {path} open; end them, then compact it") from error


def _sizes(db: sqlite3.Connection) -> tuple[int, int]:
    """(bytes of the file, bytes of it in use)"""
    pages, unused, page_bytes = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return pages * page_bytes, (pages - unused) * page_bytes


def _check_room(path: Path, held: int) -> None:
    """SQLite writes what is in use twice: to a temporary file and to the log."""
    free = shutil.disk_usage(path.parent).free
    if free < 2 * held:
        raise StoreFullError(f"compacting {path} takes {2 * held:,} bytes for a while, and {free:,} are free: free some first")
