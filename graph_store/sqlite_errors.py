"""SQLite's failures in our words."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmrg.core.errors import CallerError, LlmrgError, NotAStoreError, StoreError, StoreFullError, StoreUnreachableError

_LITTLE_SPACE_BYTES = 2**20
_SIGNS_OF_DAMAGE = ("Could not decode to UTF-8", "no such column", "no such table", "malformed")
"""Starts of messages that have no code of their own; our statements fit our schema."""


@contextmanager
def in_our_words(path: Path, timeout_s: float) -> Iterator[None]:
    """What SQLite raises on the file `path` becomes a StoreError that names it."""
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise translated(error, path, timeout_s) from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise not_a_store(path, str(error)) from error
    except (UnicodeEncodeError, OverflowError) as error:
        raise CallerError(f"a value cannot be kept in SQLite: {error}") from error


@contextmanager
def rows_in_our_words(path: Path) -> Iterator[None]:
    """Rows that do not read as records are damage: what was written had been checked. For blocks that only read."""
    try:
        yield
    except (LlmrgError, UnicodeEncodeError):
        raise
    except (TypeError, ValueError) as error:
        raise not_a_store(path, f"a row does not read as it was written: {error}") from error


def not_a_store(path: Path, why: str) -> NotAStoreError:
    return NotAStoreError(
        f"{path} is not an LLMRG store, or is damaged ({why}); name another file with --store, or put a backup in its place"
    )


def translated(error: Exception, path: Path, timeout_s: float) -> StoreError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL or (primary == sqlite3.SQLITE_IOERR and _no_space(path)):
        return StoreFullError(
            f"no space left for the store {path}; nothing of this call was written and what was there before is whole: "
            "free some space and call again"
        )
    if code == sqlite3.SQLITE_IOERR_WRITE:
        return StoreFullError(
            f"the disk took no more for the store {path} (a quota, a limit on file sizes, or a fault); nothing of this call was "
            "written and what was there before is whole: raise the limit, or check the disk, and call again"
        )
    if primary in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT) or str(error).startswith(_SIGNS_OF_DAMAGE):
        return not_a_store(path, str(error))
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreUnreachableError(
            f"another program kept the store {path} locked for {timeout_s:g} s; try again when it is done"
        )
    if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return StoreUnreachableError(f"the store {path} cannot be opened for writing ({error}); check its permissions")
    return StoreError(f"SQLite failed on the store {path}: {error}")


def _no_space(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _LITTLE_SPACE_BYTES
    except OSError:
        return False
