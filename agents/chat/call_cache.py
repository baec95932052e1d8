"""Every useful reply of a chat model, kept before it is used: a killed run pays nothing twice, and others rebuild its graphs at
no cost.

A cache on LangChain's seam (`BaseCache`), so any LangChain model takes it too. One SQLite file; the key is a hash over the
model's name, server and parameters, the prompt's version and the whole request.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from langchain_core.caches import RETURN_VAL_TYPE, BaseCache
from langchain_core.messages import message_to_dict, messages_from_dict
from langchain_core.outputs import ChatGeneration, Generation

from llmrg.core.errors import StoreError
from llmrg.core.places import HOME, writing
from llmrg.core.records import stable_key
from llmrg.graph_store.sqlite_errors import in_our_words, not_a_store
from llmrg.graph_store.sqlite_wal import use_wal

APPLICATION_ID: Final = 0x4C4D5243
"""`LMRC`: tells call caches from other SQLite files."""
VERSION: Final = 1
_TABLE: Final = """CREATE TABLE IF NOT EXISTS calls (
    key TEXT NOT NULL PRIMARY KEY, asked_as TEXT NOT NULL, request BLOB NOT NULL, reply BLOB NOT NULL,
    model TEXT NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, made_at REAL NOT NULL) WITHOUT ROWID"""
Row = tuple[str, str, bytes, bytes, str, int, int, float]
"""In the order of the table's columns."""
_INSERT: Final = "INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING"


@dataclass(frozen=True)
class CachedModel:
    """What is kept of one model."""

    model: str
    replies: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class CachedCall:
    """One request with its reply, as it is exported."""

    key: str
    asked_as: str
    """Model, server, parameters, role and version of the prompt."""
    request: str
    """Messages as JSON; empty where they were left out."""
    reply: list[dict[str, Any]]
    """Messages as LangChain writes them."""
    model: str
    input_tokens: int
    output_tokens: int


class SqliteCallCache(BaseCache):
    """May be used by several threads and processes at once. What `update` has acknowledged survives a killed process.

    Opened at the first use. Raises (every method): NotAStoreError: the file is something else, or damaged; StoreFullError: no
    space left, nothing was half written; StoreUnreachableError: locked for `timeout_s`, or not writable.
    """

    def __init__(self, path: Path | str, timeout_s: float = 30.0) -> None:
        self.path, self._timeout_s = Path(path), timeout_s
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None

    # -- rows, as they are stored ----------------------------------------------------------------------------------------
    def packed_reply(self, key: str) -> bytes | None:
        """For `unpacked`."""
        with self._using() as db:
            row = db.execute("SELECT reply FROM calls WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def keep(self, row: Row) -> None:
        """What is there already stays."""
        with self._using() as db:
            db.execute(_INSERT, row)

    # -- LangChain's seam ----------------------------------------------------------------------------------------------
    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """The kept generations, or None."""
        reply = self.packed_reply(key_of(prompt, llm_string))
        return None if reply is None else unpacked(reply, self.path)

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Keep generations; what is there already stays."""
        self.keep(packed(prompt, llm_string, return_val))

    def clear(self, **kwargs: Any) -> None:
        """Forget everything."""
        with self._using() as db:
            db.execute("DELETE FROM calls")
            db.execute("VACUUM")

    async def alookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        return await asyncio.to_thread(self.lookup, prompt, llm_string)

    async def aupdate(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        await asyncio.to_thread(self.update, prompt, llm_string, return_val)

    # -- for people and for shipping -----------------------------------------------------------------------------------
    def stats(self) -> list[CachedModel]:
        """By model, the one with most replies first."""
        with self._using() as db:
            rows = db.execute(
                "SELECT model, count(*), sum(input_tokens), sum(output_tokens) FROM calls GROUP BY model ORDER BY 2 DESC, 1"
            ).fetchall()
        return [CachedModel(*row) for row in rows]

    def calls(self) -> Iterator[CachedCall]:
        """All, in order of their keys."""
        after = ""
        while True:
            with self._using() as db:
                rows = db.execute(
                    "SELECT key, asked_as, request, reply, model, input_tokens, output_tokens FROM calls "
                    "WHERE key > ? ORDER BY key LIMIT 500",
                    (after,),
                ).fetchall()
            if not rows:
                return
            for key, asked_as, request, reply, *rest in rows:
                try:
                    yield CachedCall(key, asked_as, _unpack(request), json.loads(_unpack(reply)), *rest)
                except (zlib.error, ValueError) as error:
                    raise not_a_store(self.path, f"call {key}: {error}") from error
            after = rows[-1][0]

    def add(self, calls: Iterable[CachedCall]) -> int:
        """Put calls in, all or none; returns how many were new."""
        with self._using() as db:
            before = db.execute("SELECT count(*) FROM calls").fetchone()[0]
            db.execute("BEGIN IMMEDIATE")
            try:
                for call in calls:
                    text = json.dumps(call.reply, sort_keys=True)
                    usage = (call.model, call.input_tokens, call.output_tokens, time.time())
                    db.execute(_INSERT, (call.key, call.asked_as, _pack(call.request), _pack(text), *usage))
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise
            return int(db.execute("SELECT count(*) FROM calls").fetchone()[0] - before)

    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock, in_our_words(self.path, self._timeout_s):
            if self._opened is None:
                self._opened = self._open()
            yield self._opened

    def _open(self) -> sqlite3.Connection:
        with writing(self.path, HOME):
            db = sqlite3.connect(self.path, timeout=self._timeout_s, isolation_level=None, check_same_thread=False)
        try:
            db.execute("BEGIN")  # one state for all three
            application, version = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
            tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            db.execute("COMMIT")
            if application not in (0, APPLICATION_ID) or (tables and not application):
                raise not_a_store(self.path, f"a SQLite file of another program, application id {application:#x}")
            if version > VERSION:
                raise StoreError(f"the call cache {self.path} has version {version}, this release knows {VERSION}; update llmrg")
            db.execute("PRAGMA synchronous = NORMAL")
            if not application:
                use_wal(db, self.path, self._timeout_s)
                db.execute("BEGIN IMMEDIATE")  # all of it or none, so that others, and who comes after a kill, see no half of it
                db.execute(_TABLE)
                db.execute(f"PRAGMA user_version = {VERSION}")
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
        return db


def key_of(prompt: str, llm_string: str) -> str:
    return stable_key("call", llm_string, prompt)


def packed(prompt: str, llm_string: str, generations: RETURN_VAL_TYPE) -> Row:
    """A request with its reply as a row of the table."""
    messages = [message_to_dict(_message(part)) for part in generations]
    used: list[dict[str, Any]] = [m["data"].get("usage_metadata") or {} for m in messages]
    read, written = (sum(int(part.get(what, 0)) for part in used) for what in ("input_tokens", "output_tokens"))
    row = (key_of(prompt, llm_string), llm_string, _pack(prompt), _pack(json.dumps(messages, sort_keys=True)))
    return (*row, _model_named(llm_string, messages), read, written, time.time())


def _message(generation: Generation) -> Any:
    if not isinstance(generation, ChatGeneration):
        raise StoreError(f"the call cache keeps replies of chat models, not {type(generation).__name__}")
    return generation.message


def _model_named(asked_as: str, messages: list[dict[str, Any]]) -> str:
    """The model's name for people: as our chat mind asks for it, else as the reply says."""
    try:
        return str(json.loads(asked_as)["model"])
    except (ValueError, KeyError, TypeError):
        about: list[dict[str, Any]] = [m["data"].get("response_metadata") or {} for m in messages]
        return next((str(fields[name]) for fields in about for name in ("model_name", "model") if fields.get(name)), "")


def unpacked(reply: bytes, path: Path) -> Sequence[ChatGeneration]:
    """The generations of a packed reply. Raises: NotAStoreError: it cannot be read."""
    try:
        return [ChatGeneration(message=message) for message in messages_from_dict(json.loads(_unpack(reply)))]
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise not_a_store(path, f"a reply cannot be read: {error}") from error


def _pack(text: str) -> bytes:
    return zlib.compress(text.encode("utf-8", "surrogatepass"))


def _unpack(packed: bytes) -> str:
    return zlib.decompress(packed).decode("utf-8", "surrogatepass")
