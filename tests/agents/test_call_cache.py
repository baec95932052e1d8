"""The call cache: what was acknowledged is there, whatever happens; others can take it over."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, Generation

from llmrg.agents.chat.call_cache import SqliteCallCache
from llmrg.agents.chat.call_cache_file import export_calls, import_calls
from llmrg.core.errors import DataError, NotAStoreError, StoreError, StoreUnreachableError
from llmrg.testing.scripted_chat import ScriptedChatModel


@pytest.fixture
def cache(tmp_path: Path) -> Any:
    made = SqliteCallCache(tmp_path / "calls.db")
    yield made
    made.close()


def said(text: str, **fields: Any) -> list[ChatGeneration]:
    return [ChatGeneration(message=AIMessage(text, **fields))]


def test_what_is_kept_comes_back_whole(cache: SqliteCallCache) -> None:
    used = {"input_tokens": 900, "output_tokens": 50, "total_tokens": 950}
    call = {"name": "f", "args": {"x": [1, "ß"]}, "id": "1", "type": "tool_call"}
    cache.update("hello", '{"model": "m"}', said("hi «你»\n", usage_metadata=used, tool_calls=[call]))
    (found,) = cache.lookup("hello", '{"model": "m"}') or ()
    assert (found.message.text, found.message.usage_metadata["input_tokens"]) == ("hi «你»\n", 900)
    assert found.message.tool_calls == [call]
    assert cache.lookup("hello", '{"model": "n"}') is None
    assert cache.lookup("hello ", '{"model": "m"}') is None
    (stats,) = cache.stats()
    assert (stats.model, stats.replies, stats.input_tokens, stats.output_tokens) == ("m", 1, 900, 50)


def test_the_first_reply_stays(cache: SqliteCallCache) -> None:
    cache.update("q", "m", said("one"))
    cache.update("q", "m", said("two"))
    assert cache.lookup("q", "m")[0].message.text == "one"  # type: ignore[index]


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=3), st.text(max_size=6)), max_size=12))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_equals_a_dict(tmp_path_factory, calls: list[tuple[str, str, str]]) -> None:
    cache, model = SqliteCallCache(tmp_path_factory.mktemp("c") / "calls.db"), {}
    for prompt, name, text in calls:
        assert (cache.lookup(prompt, name) is not None) == ((prompt, name) in model)
        cache.update(prompt, name, said(text))
        model.setdefault((prompt, name), text)
    assert {key: cache.lookup(*key)[0].message.text for key in model} == model  # type: ignore[index]
    cache.close()


async def test_langchain_takes_it_as_its_own(cache: SqliteCallCache) -> None:
    model = ScriptedChatModel(["one", "two"], cache=cache)
    assert [(await model.ainvoke([HumanMessage("x")])).text for _ in range(3)] == ["one"] * 3
    assert len(model.requests) == 1
    set_llm_cache(cache)
    try:
        other = ScriptedChatModel(["three"], model="other")
        assert [other.invoke("x").text for _ in range(2)] == ["one"] * 2 or len(other.requests) == 1
    finally:
        set_llm_cache(None)


def test_many_threads_and_connections(tmp_path: Path) -> None:
    caches = [SqliteCallCache(tmp_path / "calls.db") for _ in range(4)]

    def work(number: int) -> None:
        cache = caches[number % 4]
        cache.update(f"q{number % 50}", "m", said(str(number % 50)))
        assert cache.lookup(f"q{number % 50}", "m")[0].message.text == str(number % 50)  # type: ignore[index]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(200)))
    assert sum(model.replies for model in caches[0].stats()) == 50
    for cache in caches:
        cache.close()


KEEP_GOING = """
from llmrg.agents.chat.call_cache import SqliteCallCache
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration
cache = SqliteCallCache(path)
for number in range(10**6):
    cache.update(f"q{number}", "m", [ChatGeneration(message=AIMessage("x" * 500))])
    told.value = number
"""


def test_killed_20_times_it_has_all_that_was_acknowledged(forkserver: Any, tmp_path: Path) -> None:
    for round_ in range(20):
        # No lock about it: a child that is killed while it holds one would leave it locked for ever.
        path, told = tmp_path / f"{round_}.db", forkserver.Value("i", -1, lock=False)
        child = forkserver.Process(target=exec, args=(KEEP_GOING, {"path": path, "told": told}))
        child.start()
        while told.value < round_ * 7:
            assert child.is_alive()
            time.sleep(0.001)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        cache = SqliteCallCache(path)
        assert all(cache.lookup(f"q{number}", "m") for number in range(told.value + 1))
        cache.close()


# -- files that are something else ---------------------------------------------------------------------------------------


def test_other_files_are_refused_and_left_as_they_are(tmp_path: Path) -> None:
    foreign, text, newer = tmp_path / "foreign.db", tmp_path / "text.db", tmp_path / "newer.db"
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    text.write_text("not a database at all, but long enough to be looked at" * 20)
    SqliteCallCache(newer).update("q", "m", said("x"))
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for path, kind in ((foreign, NotAStoreError), (text, NotAStoreError), (newer, StoreError)):
        before = path.read_bytes()
        with pytest.raises(kind, match=path.name):
            SqliteCallCache(path).lookup("q", "m")
        assert path.read_bytes() == before


def test_a_damaged_reply_and_a_read_only_folder_are_told(cache: SqliteCallCache, tmp_path: Path) -> None:
    cache.update("q", "m", said("x"))
    with sqlite3.connect(cache.path) as db:
        db.execute("UPDATE calls SET reply = x'00ff'")
    db.close()
    with pytest.raises(NotAStoreError, match="a reply cannot be read"):
        cache.lookup("q", "m")
    with pytest.raises(StoreUnreachableError):
        SqliteCallCache(tmp_path).lookup("q", "m")


def test_other_kinds_of_models_are_refused(cache: SqliteCallCache) -> None:
    with pytest.raises(StoreError, match="chat models"):
        cache.update("q", "m", [Generation(text="x")])


# -- shipping --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["calls.jsonl", "calls.jsonl.gz"])
def test_a_round_trip_is_identity_and_files_are_equal(name: str, cache: SqliteCallCache, tmp_path: Path) -> None:
    for number in range(30):
        cache.update(f"q{number}", '{"model": "m"}', said(f"«{number}»", usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}))  # fmt: skip  # noqa: E501
    assert export_calls(cache, tmp_path / name) == 30
    other = SqliteCallCache(tmp_path / "other.db")
    assert import_calls(other, tmp_path / name) == 30
    assert import_calls(other, tmp_path / name) == 0
    assert list(other.calls()) == list(cache.calls())
    export_calls(other, tmp_path / f"again-{name}")
    assert (tmp_path / f"again-{name}").read_bytes() == (tmp_path / name).read_bytes()
    other.close()


def test_requests_may_be_left_out(cache: SqliteCallCache, tmp_path: Path) -> None:
    cache.update("a secret history", "m", said("x"))
    export_calls(cache, tmp_path / "calls.jsonl", requests=False)
    assert "secret" not in (tmp_path / "calls.jsonl").read_text()
    other = SqliteCallCache(tmp_path / "other.db")
    import_calls(other, tmp_path / "calls.jsonl")
    assert other.lookup("a secret history", "m")
    other.close()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 3: no JSON"),
        ("[]", "line 3"),
        ('{"key": 1}', "line 3: these parts of a call are off: key"),
        ("\x00", "line 3"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_imported(line: str, told: str, cache: SqliteCallCache, tmp_path: Path) -> None:
    cache.update("q", "m", said("x"))
    path = tmp_path / "calls.jsonl"
    export_calls(cache, path)
    path.write_text(path.read_text() + line + "\n")
    other = SqliteCallCache(tmp_path / "other.db")
    with pytest.raises(DataError, match=told):
        import_calls(other, path)
    assert list(other.calls()) == []
    other.close()


def test_what_is_no_such_file_is_refused(cache: SqliteCallCache, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"format": "something"}\n')
    with pytest.raises(DataError, match="line 1"):
        import_calls(cache, path)
    packed = tmp_path / "x.jsonl.gz"
    packed.write_bytes(gzip.compress(b"{}")[:-4])
    with pytest.raises(DataError):
        import_calls(cache, packed)


async def test_it_does_not_hold_up_the_event_loop(cache: SqliteCallCache) -> None:
    other = sqlite3.connect(cache.path) if cache.lookup("q", "m") is None else None
    assert other
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(cache.aupdate("q", "m", said("x")))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    other.execute("ROLLBACK")
    other.close()
    await waiting
    assert await cache.alookup("q", "m")
