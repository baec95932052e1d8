"""Chat models over HTTP as they are in the wild: errors under status 200, forms that fail, servers of one name, long rests."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from llmrg.agents.accounting.prices import Price, Prices
from llmrg.agents.chat.errors import as_model_error, model_error
from llmrg.agents.chat.servers import address
from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.open_mind import OpenMinds
from llmrg.agents.protocols import Block
from llmrg.agents.run.build import BuildEvent, build
from llmrg.core.errors import (
    ConfigError,
    ModelAccessError,
    ModelError,
    ModelPromptError,
    ModelReplyError,
    ModelUnavailableError,
    RateLimitedError,
)
from llmrg.core.settings import load_settings
from llmrg.data.dataset import Dataset
from llmrg.graph_store.sqlite_store import SqliteStore
from llmrg.testing.fake_openai import FakeOpenAI
from llmrg.testing.planted import PlantedConfig, PlantedWorld, random_catalogue, simulate
from llmrg.testing.planted_responder import planted_responder

STEPS = {"steps": [{"position": 2, "cause": 1, "reason": "salt air"}]}
CONFIG = BuildConfig(block_size=6, retry_wait_s=0.01, retries=3, concurrency=2)


@pytest.fixture(scope="module")
def town() -> PlantedWorld:
    return simulate(random_catalogue(60, 24, seed=2), PlantedConfig(readers=12, min_length=5, max_length=6, seed=3))


@pytest.fixture(scope="module")
def responder(town: PlantedWorld) -> Any:
    return planted_responder(town.dataset, town.truth, 0.1)


def minds_of(dataset: Dataset, home: Path, server: FakeOpenAI, **settings: Any) -> OpenMinds:
    model = settings.pop("model", f"openai:fake@{server.url}")
    return OpenMinds(dataset, load_settings(home=home, model=model, **settings))


def built(dataset: Dataset, home: Path, server: FakeOpenAI, config: BuildConfig = CONFIG, **options: Any) -> Any:
    settings = {name: options.pop(name) for name in ("model", "form", "ask") if name in options}
    minds = minds_of(dataset, home, server, **settings)
    try:
        mind = minds.get("chat")
        with SqliteStore(home / "graphs.db") as store:
            return asyncio.run(build(dataset, store, Minds(mind, mind, mind), config, **options))
    finally:
        minds.close()


def reasons(dataset: Dataset, home: Path) -> set[str]:
    with SqliteStore(home / "graphs.db") as store:
        graphs = store.graphs(dataset.name, list(dataset.histories))
        return {step.reason for user in graphs for step in graphs[user].steps}


def asked(dataset: Dataset, home: Path, server: FakeOpenAI, **settings: Any) -> list[Any]:
    """One request: the reasons of a short block."""
    minds = minds_of(dataset, home, server, call_cache=False, **settings)
    user, history = next(iter(dataset.histories.items()))

    async def once() -> list[Any]:
        mind = minds.get("chat")
        try:
            return list(await mind.reason(Block(user, history.before(2), (0, 1), ())))
        finally:
            await mind.aclose()

    return asyncio.run(once())


def completion(message: Any, reason: str = "stop", **more: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": reason}
    told = {"id": "1", "object": "chat.completion", "created": 1, "model": "fake", "choices": [choice], **more}
    return json.dumps(told).encode()


# -- answers that are none -------------------------------------------------------------------------------------------
NO_REPLIES: dict[str, tuple[bytes, str]] = {
    "error as text": (b'{"error": "the engine is warming up"}', "warming up"),
    "error with its source": (
        json.dumps({"error": {"message": "Provider error", "code": 503, "metadata": {"raw": "gpu 3 lost"}}}).encode(),
        "gpu 3 lost",
    ),
    "words without choices": (b'{"object": "chat.completion", "message": "worker restarted", "choices": []}', "worker restarted"),
    "a list": (b'["queue is full"]', "queue is full"),
    "no message": (b'{"choices": [{"index": 0, "finish_reason": "stop"}]}', "finish_reason"),
    "page": (b"<!doctype html><html><h1>Proxy login</h1></html>", "Proxy login"),
    "text": (b"upstream timed out", "upstream timed out"),
    "nothing": (b"", "nothing at all"),
    "null": (b"null", "null"),
}


@pytest.mark.parametrize("form", ["json_schema", "tools", "text"])
@pytest.mark.parametrize("name", NO_REPLIES)
def test_an_answer_that_is_no_reply_is_told_in_the_servers_words_and_worth_another_try(name, form, town, responder, tmp_path):
    raw, words = NO_REPLIES[name]
    headers = {"Content-Type": "text/html"} if name in ("page", "text") else {}
    server = FakeOpenAI(responder, raw=lambda body, number: (200, headers, raw))
    with server, pytest.raises(ModelUnavailableError, match=words) as caught:
        asked(town.dataset, tmp_path, server, form=form)
    assert "NoneType" not in str(caught.value)


def test_every_second_answer_is_none_and_the_build_gets_through(town, responder, tmp_path) -> None:
    def raw(body: Any, number: int) -> Any:
        return (200, {}, b'{"choices": null}') if number % 2 == 0 else None

    with FakeOpenAI(responder, raw=raw) as server:
        report = built(town.dataset, tmp_path, server, CONFIG.model_copy(update={"concurrency": 1, "retries": 1}))
    assert (report.built, report.failures) == (12, 0)
    assert not report.problem


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "no key", "code": 401}, ModelAccessError),
        ({"message": "busy", "code": "502"}, ModelUnavailableError),
        ({"message": "bad parameter top_k", "code": 400}, ModelError),
        ({"message": "prompt is too long", "code": 400}, ModelPromptError),
    ],
)
def test_an_error_under_status_200_means_what_its_code_says(error, kind, town, responder, tmp_path) -> None:
    body = json.dumps({"error": error}).encode()
    with FakeOpenAI(responder, raw=lambda *_: (200, {}, body)) as server, pytest.raises(kind, match=error["message"]) as caught:
        asked(town.dataset, tmp_path, server)
    assert type(caught.value) is kind


class Body(Exception):
    """As openai's errors are: words in `body`, a status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"Error code: {status}")
        self.status_code, self.body = status, {"message": message}


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (400, "This model's maximum context length is 8192 tokens, yours resulted in 9000", ModelPromptError),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", ModelPromptError),
        (413, "Request too large", ModelPromptError),
        (429, "Request too large for the model on tokens per min: limit 1000, requested 4000", ModelPromptError),
        (400, "The response was filtered due to the prompt triggering the content management policy", ModelPromptError),
        (429, "You exceeded your current quota, please check your plan and billing details", ModelAccessError),
        (429, "You exceeded your current quota. Please retry in 31s.", RateLimitedError),
        (404, "The model `gpt-9` does not exist", ModelAccessError),
        (400, "top_p must be positive", ModelError),
        (502, "bad gateway", ModelUnavailableError),
    ],
)
def test_refusals_are_told_apart_and_keep_the_words(status: int, words: str, kind: type[Exception]) -> None:
    error = as_model_error(Body(status, words), 1.0)
    assert type(error) is kind
    assert words in str(error)


@pytest.mark.parametrize(
    "error",
    [
        TypeError("'NoneType' object is not iterable"),
        IndexError("list index out of range"),
        ValueError({"message": "overloaded", "code": 529}),
        ValueError({"message": "no engine"}),
        KeyError("Response missing 'choices' key: dict_keys(['detail'])"),
    ],
)
def test_models_of_ones_own_that_could_read_nothing_are_worth_another_try(error: Exception) -> None:
    assert isinstance(as_model_error(error, 1.0), ModelUnavailableError)
    assert "answered with something that is no reply" in str(as_model_error(error, 1.0)) or "overloaded" in str(error)


PAGE = b"<!doctype html><title>Lost</title><style>h1 {color: red}</style><h1>No model lives here</h1>"


@pytest.mark.parametrize(
    ("status", "raw", "words"),
    [
        (404, PAGE, "No model lives here"),
        (404, b"try /v1 instead", "try /v1 instead"),
        (405, PAGE, "No model lives here"),
        (405, b'{"detail": "Method Not Allowed"}', "Method Not Allowed"),
        (410, b'{"errors": ["the engine was retired"]}', "the engine was retired"),
    ],
)
def test_a_server_that_is_none_of_models_is_told_in_its_words_and_stops_the_run(status, raw, words, town, responder, tmp_path):
    server = FakeOpenAI(responder, raw=lambda body, number: (status, {"Content-Type": "text/html"}, raw))
    with server, pytest.raises(ModelAccessError, match=words) as caught:
        built(town.dataset, tmp_path, server)
    assert "color" not in str(caught.value)
    assert server.seen.statuses[status] <= 6


def test_a_success_without_content_is_no_reply(town, responder, tmp_path) -> None:
    server = FakeOpenAI(responder, raw=lambda body, number: (204, {}, b""))
    with server, pytest.raises(ModelUnavailableError, match="no reply under status 204"):
        asked(town.dataset, tmp_path, server)


@pytest.mark.parametrize("first", [None, {"role": "assistant", "content": ""}, {"role": "assistant", "content": None}])
def test_the_first_choice_that_says_something_is_the_answer(first, town, responder, tmp_path) -> None:
    second = {"index": 1, "message": {"role": "assistant", "content": json.dumps(STEPS)}, "finish_reason": "stop"}
    choices = [{"index": 0, "message": first, "finish_reason": "stop"}, second]
    with FakeOpenAI(responder, raw=lambda body, number: (200, {}, completion(None, choices=choices))) as server:
        assert [found.reason for found in asked(town.dataset, tmp_path, server)] == ["salt air"]


def test_a_wait_that_the_server_names_goes_with_the_refusal() -> None:
    error = model_error(503, "starting", 7.0)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_s == 7.0


# -- replies in unusual places ---------------------------------------------------------------------------------------
def call(arguments: Any, name: str = "ReasonReply") -> dict[str, Any]:
    return {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}


MESSAGES: dict[str, dict[str, Any]] = {
    "arguments as an object": {"role": "assistant", "content": None, "tool_calls": [call(STEPS)]},
    "arguments as text": {"role": "assistant", "content": None, "tool_calls": [call(json.dumps(STEPS))]},
    "content as an object": {"role": "assistant", "content": STEPS},
    "no role": {"content": json.dumps(STEPS)},
    "the answer in reasoning": {"role": "assistant", "content": None, "reasoning": f"I see. {json.dumps(STEPS)}"},
    "the answer in reasoning_content": {"role": "assistant", "content": "", "reasoning_content": json.dumps(STEPS)},
    "byte-order mark": {"role": "assistant", "content": "\ufeff" + json.dumps(STEPS)},
}


@pytest.mark.parametrize("form", ["json_schema", "tools", "json", "text"])
@pytest.mark.parametrize("name", MESSAGES)
def test_replies_are_read_where_servers_put_them(name, form, town, responder, tmp_path) -> None:
    with FakeOpenAI(responder, raw=lambda body, number: (200, {}, completion(MESSAGES[name]))) as server:
        assert [found.reason for found in asked(town.dataset, tmp_path, server, form=form)] == ["salt air"]
        assert server.seen.requests + sum(server.seen.statuses.values()) == 2


# -- forms -----------------------------------------------------------------------------------------------------------
def form_of(body: dict[str, Any]) -> str:
    told = body.get("response_format")
    return str(told["type"]) if told else "tools" if body.get("tools") else "text"


def refusal(status: int, words: str) -> tuple[int, dict[str, str], bytes]:
    return status, {}, json.dumps({"error": {"message": words, "type": "x"}}).encode()


def test_a_form_is_left_for_the_request_over_which_it_fails(town, responder, tmp_path) -> None:
    """The grammar of every tenth request cannot be compiled; the others are asked in the best form all the same."""

    def raw(body: Any, number: int) -> Any:
        return (
            refusal(500, "xgrammar: cannot compile json_schema") if form_of(body) == "json_schema" and number % 10 == 3 else None
        )

    with FakeOpenAI(responder, raw=raw, keep_requests=True) as server:
        report = built(town.dataset, tmp_path, server)
    seen = Counter(map(form_of, server.seen.bodies))
    assert report.failures == 0
    assert seen["json_schema"] > 5 * seen["tools"] > 0
    assert seen["text"] == 0


def test_a_bare_500_is_tried_in_plain_text(town, responder, tmp_path) -> None:
    def raw(body: Any, number: int) -> Any:
        return None if form_of(body) == "text" else refusal(500, "internal error")

    with FakeOpenAI(responder, raw=raw) as server:
        assert built(town.dataset, tmp_path, server).failures == 0


def test_a_request_too_long_is_that_users_failure(town, responder, tmp_path) -> None:
    sizes = []

    def raw(body: Any, number: int) -> Any:
        sizes.append(len(json.dumps(body["messages"])))
        if number == 4:
            return refusal(400, "Input is too long: the function schema and the messages exceed 512 tokens")
        return None

    with FakeOpenAI(responder, raw=raw, keep_requests=True) as server:
        report = built(town.dataset, tmp_path, server)
    assert report.failures == 1
    assert set(map(form_of, server.seen.bodies)) == {"json_schema"}
    assert "too long" in next(iter(report.failed.values()))


def of_verification(body: dict[str, Any]) -> bool:
    return "VerifyReply" in json.dumps(body.get("response_format") or {})


@pytest.mark.filterwarnings("ignore:Invalid schema")  # LangChain's own advice
def test_a_schema_that_is_refused_is_no_more_sent(town, responder, tmp_path) -> None:
    def raw(body: Any, number: int) -> Any:
        return refusal(400, "Invalid schema for response_format: minimum is not permitted") if of_verification(body) else None

    with FakeOpenAI(responder, raw=raw, keep_requests=True) as server:
        assert built(town.dataset, tmp_path, server).failures == 0
    refused = [body for body in server.seen.bodies if of_verification(body)]
    assert 0 < len(refused) <= CONFIG.concurrency
    assert Counter(map(form_of, server.seen.bodies))["json_schema"] > len(refused)


@pytest.mark.parametrize("form", ["json_schema", "tools", "json", "text"])
def test_the_form_can_be_chosen(form: str, town, responder, tmp_path) -> None:
    with FakeOpenAI(responder, keep_requests=True) as server:
        built(town.dataset, tmp_path, server, form=form, users=list(town.dataset.histories)[:1])
    assert set(map(form_of, server.seen.bodies)) == {"json_object" if form == "json" else form}


def test_another_form_goes_on_with_the_same_run_and_one_that_is_none_is_refused(town, responder, tmp_path) -> None:
    users = list(town.dataset.histories)[:1]
    with FakeOpenAI(responder) as server:
        first = built(town.dataset, tmp_path, server, form="tools", users=users)
        again = built(town.dataset, tmp_path, server, form="text", users=users)
        assert (again.run, again.skipped) == (first.run, 1)
        with pytest.raises(ConfigError, match="form"):
            built(town.dataset, tmp_path, server, form="yaml")


# -- whose reply it is -----------------------------------------------------------------------------------------------
def marked(responder: Any, mark: str) -> Any:
    def answer(messages: list[Any]) -> str:
        found = json.loads(str(responder(messages)))
        for step in found.get("steps", []):
            step["reason"] = f"{step['reason']} {mark}"
        return json.dumps(found)

    return answer


def test_two_servers_of_one_model_name_are_two_models(town, responder, tmp_path) -> None:
    """Neither replies, nor the run, nor shared knowledge of the one are taken for the other's."""
    with FakeOpenAI(marked(responder, "A")) as one, FakeOpenAI(marked(responder, "B")) as two:
        first = built(town.dataset, tmp_path, one)
        second = built(town.dataset, tmp_path, two)
        assert second.run != first.run
        assert two.seen.requests > 0
        assert two.seen.requests > one.seen.requests / 2
        assert reasons(town.dataset, tmp_path)
        reasoned = {reason for reason in reasons(town.dataset, tmp_path) if reason.endswith((" A", " B"))}
        assert all(reason.endswith(" B") for reason in reasoned)
        before = two.seen.requests
        again = built(town.dataset, tmp_path, two, model=f"openai:fake@{two.url}/")
        assert (again.run, again.skipped, two.seen.requests) == (second.run, 12, before)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("HTTPS://Example.com:443/v1", "https://example.com/v1"),
        ("http://user:secret@host:8000/v1?api-key=secret#x", "http://host:8000/v1"),
        ("http://[::1]:80/", "http://[::1]"),
        ("127.0.0.1:11434", "http://127.0.0.1:11434"),
        ("", ""),
        ("http://host:notaport/", ""),
    ],
)
def test_an_address_is_spelled_in_one_way_and_holds_no_secret(url: str, same: str) -> None:
    assert address(url) == same


def test_a_price_may_name_the_server() -> None:
    cheap, dear, any_server = (Price(input=n, output=n) for n in (1, 2, 3))
    prices = Prices(models={"openai:m@http://a:1/v1/": cheap, "m@http://b:2/v1": dear, "openai:m": any_server})
    assert prices.of("m@http://a:1/v1") == cheap
    assert prices.of("m@http://b:2/v1") == dear
    assert prices.of("m@http://c:3/v1") == any_server == prices.of("m")
    assert Prices(models={"m@http://a:1/v1": cheap}).of("m@http://c:3/v1") is None
    assert Prices(models={"ollama:m:8b": cheap}).of("m:8b@http://127.0.0.1:11434") == cheap


# -- useless replies -------------------------------------------------------------------------------------------------
EMPTY = completion({"role": "assistant", "content": ""}, "stop")


@pytest.mark.parametrize("way", [{}, {"retry_failed": True}, {"resume": False}], ids=["same", "retry failed", "restart"])
@pytest.mark.parametrize("broken", ["empty", "prose", "about others"])
def test_useless_replies_are_asked_again_once_the_server_is_mended(broken, way, town, responder, tmp_path) -> None:
    texts = {"empty": "", "prose": "As you wish.", "about others": json.dumps({"steps": [{"position": 99, "reason": "x"}]})}
    broken_reply = completion({"role": "assistant", "content": texts[broken]})
    mended = []

    def raw(body: Any, number: int) -> Any:
        return None if mended else (200, {}, broken_reply)

    users = list(town.dataset.histories)[:3]
    with FakeOpenAI(responder, raw=raw) as server:
        first = built(town.dataset, tmp_path, server, users=users)
        assert (first.built, first.failures) == (0, 3)
        assert first.model_failed
        assert "all 3 users failed" in first.problem
        assert reasons(town.dataset, tmp_path) == set()
        mended.append(True)
        again = built(town.dataset, tmp_path, server, users=users, **way)
    assert (again.built, again.failures, again.problem) == (3, 0, "")
    assert reasons(town.dataset, tmp_path)


@pytest.mark.parametrize("way", [{}, {"retry_failed": True}], ids=["same", "retry failed"])
def test_a_user_with_some_useless_replies_is_asked_again_from_there(way, town, responder, tmp_path) -> None:
    """The graph is published meanwhile, and what could be used is not paid for again."""
    mended: list[bool] = []
    explained: list[int] = []

    def raw(body: Any, number: int) -> Any:
        if "EXPLAIN" in str(body["messages"][3]["content"]):
            explained.append(number)
        return (200, {}, EMPTY) if explained[-1] == number and len(explained) > 2 and not mended else None

    config = CONFIG.model_copy(update={"concurrency": 1, "block_size": 2, "knowledge": False})
    users = [max(town.dataset.histories, key=lambda user: len(town.dataset.histories[user]))]
    with FakeOpenAI(responder, raw=raw) as server:
        first = built(town.dataset, tmp_path, server, config, users=users)
        assert (first.built, first.users_with_useless_replies, first.problem) == (1, 1, "")
        assert len(reasons(town.dataset, tmp_path)) > 0
        asked_before = server.seen.requests
        mended.append(True)
        again = built(town.dataset, tmp_path, server, config, users=users, **way)
        assert (again.built, again.users_with_useless_replies) == (1, 0)
        assert 0 < server.seen.requests - asked_before < asked_before
        third = built(town.dataset, tmp_path, server, config, users=users)
        assert (third.built, third.skipped) == (0, 1)
    other = tmp_path / "calm"
    with FakeOpenAI(responder) as server:
        built(town.dataset, other, server, config, users=users)
    assert reasons(town.dataset, tmp_path) == reasons(town.dataset, other)


def test_a_repaired_reply_is_kept_for_the_request(town, responder, tmp_path) -> None:
    config = CONFIG.model_copy(update={"concurrency": 1})
    users = list(town.dataset.histories)[:1]
    with FakeOpenAI(responder, raw=lambda body, number: (200, {}, EMPTY) if number == 0 else None) as server:
        first = built(town.dataset, tmp_path, server, config, users=users)
        assert first.counts["reason.repairs"] == 1
        seen = server.seen.requests
        again = built(town.dataset, tmp_path, server, config, users=users, resume=False)
        assert again.counts.get("reason.repairs", 0) == 0
        assert server.seen.requests - seen < seen  # knowledge changes some requests; the first one is known


def test_items_that_no_reply_spoke_of_are_asked_again(town, responder, tmp_path) -> None:
    from llmrg.testing.planted_items import planted_items

    mended = []

    def raw(body: Any, number: int) -> Any:
        return None if mended else (200, {}, EMPTY)

    with FakeOpenAI(planted_items(town.dataset, 0.1), raw=raw) as server:
        with pytest.raises(ModelReplyError, match="items"):
            built(town.dataset, tmp_path, server, ask="item")
        mended.append(True)
        assert built(town.dataset, tmp_path, server, ask="item").built == 12


# -- refused for good, and rests -------------------------------------------------------------------------------------
def test_what_all_users_are_refused_for_stops_the_run_soon(town, responder, tmp_path) -> None:
    with FakeOpenAI(responder, raw=lambda body, number: refusal(400, "parameter `seed` is not allowed here")) as server:
        with pytest.raises(ModelAccessError, match=r"`seed` is not allowed here.*same command again"):
            built(town.dataset, tmp_path, server)
        assert server.seen.statuses[400] <= 6
    with FakeOpenAI(responder, port=server.port) as mended:
        report = built(town.dataset, tmp_path, mended)
    assert report.built == 12


def test_a_server_that_takes_no_connection_is_told_by_the_first_cause(town, responder, tmp_path) -> None:
    with FakeOpenAI(responder) as server:
        pass
    config = CONFIG.model_copy(update={"retries": 0, "patience_s": 0})
    with pytest.raises(ModelUnavailableError, match=r"ConnectError: All connection attempts failed|refused"):
        built(town.dataset, tmp_path, server, config)


@pytest.mark.parametrize("place", ["u:s3cret@127.0.0.1:8000/v1", "s3cret@host/v1", "u:s3cret@[::1]:80"])
def test_an_address_with_a_password_is_refused_without_telling_it(place, town, tmp_path) -> None:
    minds = OpenMinds(town.dataset, load_settings(home=tmp_path, model=f"openai:fake@http://{place}"))
    with pytest.raises(ConfigError, match="OPENAI_API_KEY") as refused:
        minds.get("chat")
    assert "s3cret" not in str(refused.value)


def test_only_useless_replies_stop_the_run_too(town, responder, tmp_path) -> None:
    config = CONFIG.model_copy(update={"give_up_after": 4})
    server = FakeOpenAI(responder, raw=lambda body, number: (200, {}, EMPTY))
    with server, pytest.raises(ModelReplyError, match="first 4 users"):
        built(town.dataset, tmp_path, server, config)


def test_a_long_rest_is_told_with_the_servers_words(town, responder, tmp_path, caplog) -> None:
    def raw(body: Any, number: int) -> Any:
        return (429, {"Retry-After": "5400"}, refusal(429, "Weekly allowance used up")[2]) if number == 0 else None

    events: list[BuildEvent] = []

    def stop(event: BuildEvent) -> None:
        events.append(event)
        if event.resting:
            raise KeyboardInterrupt

    with FakeOpenAI(responder, raw=raw) as server, caplog.at_level(logging.WARNING), pytest.raises(KeyboardInterrupt):
        built(town.dataset, tmp_path, server, CONFIG.model_copy(update={"concurrency": 1}), progress=stop)
    assert "Weekly allowance used up" in events[-1].resting
    assert "until" in events[-1].resting
    (line,) = [record.getMessage() for record in caplog.records if "rest" in record.getMessage()]
    assert "Weekly allowance used up" in line
    assert "10 min" in line
    assert "5,400 s" in line
