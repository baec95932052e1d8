"""A call cache as a file to ship: JSON Lines, a call a line, in order of the keys, gzipped where the name ends in `.gz`.

It holds requests, replies, model names and parameters and the addresses of the servers; no key of an API and no time, so that
equal caches give equal files.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import IO, Literal

from llmrg.agents.chat.call_cache import CachedCall, SqliteCallCache
from llmrg.core.errors import DataError
from llmrg.core.places import writing

FORMAT = "llmrg-calls-1"
_TYPES = {"key": str, "asked_as": str, "request": str, "reply": list, "model": str, "input_tokens": int, "output_tokens": int}


def export_calls(cache: SqliteCallCache, path: Path, requests: bool = True) -> int:
    """Write all calls; returns how many. Args: requests: off, the texts of requests are left out (replies still work)."""
    count = 0
    with writing(path), _open(path, "w") as file:
        file.write(json.dumps({"format": FORMAT}) + "\n")
        for call in cache.calls():
            row = asdict(call if requests else replace(call, request=""))
            file.write(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n")
            count += 1
    return count


def import_calls(cache: SqliteCallCache, path: Path) -> int:
    """Put the calls of a file into the cache, all or none; returns how many were new.

    Raises: DataError: the file cannot be read; the message names the line.
    """
    try:
        with _open(path, "r") as file:
            return cache.add(_calls(file, path))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); it should be a file that `llmrg cache export` wrote") from error


def _calls(file: IO[str], path: Path) -> Iterator[CachedCall]:
    for number, line in enumerate(file, start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number}: no JSON ({error}); nothing was imported") from error
        if number == 1:
            if not isinstance(row, dict) or row.get("format") != FORMAT:
                raise DataError(f"{path}, line 1: not a file of calls (its format should be {FORMAT!r}); nothing was imported")
            continue
        yield _call(row, path, number)


def _call(row: object, path: Path, number: int) -> CachedCall:
    names = [field.name for field in fields(CachedCall)]
    row_fields = row if isinstance(row, dict) else {}
    wrong = [name for name in names if not isinstance(row_fields.get(name), _TYPES[name])]
    if wrong or set(row_fields) != set(names):
        off = ", ".join(wrong or sorted(set(row_fields) ^ set(names)))
        raise DataError(f"{path}, line {number}: these parts of a call are off: {off}; nothing was imported")
    return CachedCall(**row_fields)


@contextmanager
def _open(path: Path, mode: Literal["r", "w"]) -> Iterator[IO[str]]:
    if path.suffix != ".gz":
        with path.open(mode, encoding="utf-8") as file:
            yield file
        return
    # Without name and time in it, so that equal caches give equal files.
    with (
        path.open(f"{mode}b") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode=f"{mode}b", mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8") as text,
    ):
        yield text
