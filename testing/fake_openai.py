"""A server that speaks OpenAI's chat protocol on loopback and misbehaves on demand: for tests and benchmarks without a network.

    with FakeOpenAI(responder, requests_per_minute=600, faults=every("stall", 7)) as server:
        model = init_chat_model("openai:fake", base_url=server.url, api_key="none")

`python -m llmrg.testing.fake_openai --latency 0.5 --requests-per-minute 600` runs one over the bundled planted readers.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from llmrg.testing.fake_openai_faults import Fault, broken_text
from llmrg.testing.fake_openai_seen import RateLimit, Seen

Responder = Callable[[list[BaseMessage]], Any]
"""Messages of a request -> text of the reply; a script as `ScriptedChatModel` takes it."""
Faults = Callable[[int], Fault | None]
"""Number of a request, from 0 -> what goes wrong with it."""
Raw = Callable[[dict[str, Any], int], tuple[int, dict[str, str], bytes] | None]
"""Body and number of a request -> (status, headers, body) of an answer as no server should send it."""
CHARACTERS_PER_TOKEN = 4
STALL_S = 300.0


class FakeOpenAI:
    """A context manager; everything it saw stands in `seen`.

    Args:
        latency_s: until an answer.
        requests_per_minute, tokens_per_minute: enforced; None: no limit. `burst` requests may come at once.
        retry_after: whether a refusal for the rate names the seconds.
        faults: what goes wrong with which request.
        forms: forms of structured output that are known; others are refused with status 400.
        raw: what is sent in place of an answer; None: the answer.
        port: of another one before it, to be taken for the same server; 0: a free one.
    """

    def __init__(
        self,
        responder: Responder,
        *,
        latency_s: float = 0.0,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        burst: float = 5,
        retry_after: bool = True,
        faults: Faults | None = None,
        forms: Sequence[str] = ("json_schema", "json_object", "tools"),
        keep_requests: bool = False,
        port: int = 0,
        raw: Raw | None = None,
    ) -> None:
        self.responder, self.latency_s, self.retry_after = responder, latency_s, retry_after
        self.faults, self.forms, self.keep_requests = faults or (lambda _: None), set(forms), keep_requests
        self.seen = Seen()
        self._requests = RateLimit(requests_per_minute, burst) if requests_per_minute else None
        self._tokens = RateLimit(tokens_per_minute, tokens_per_minute / 10) if tokens_per_minute else None
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.port, self.raw = port, raw or (lambda body, number: None)
        self._under_way = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Base URL, as clients want it."""
        assert self._server is not None, "the server runs inside `with` only"
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = _Server(("127.0.0.1", self.port), handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="fake-openai").start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def admit(self, tokens: int) -> tuple[int, float]:
        """(number of the request, seconds to wait: 0 if it may pass)."""
        with self.lock:
            number = self.seen.requests
            self.seen.requests += 1
            waits = [limit.wait(n) for limit, n in ((self._requests, 1), (self._tokens, tokens)) if limit]
            if wait := max(waits, default=0.0):
                self.seen.refused += 1
            return number, wait

    def enter(self) -> None:
        with self.lock:
            self._under_way += 1
            self.seen.at_once = max(self.seen.at_once, self._under_way)

    def leave(self) -> None:
        with self.lock:
            self._under_way -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave in the middle are part of the game."""


class _Handler(BaseHTTPRequestHandler):
    fake: FakeOpenAI
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True  # head and body in one packet, else each answer waits 40 ms for an acknowledgement

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def do_GET(self) -> None:
        fake = self.fake
        with fake.lock:
            models = {"object": "list", "data": [{"id": "fake", "object": "model"}]}
            content = fake.seen.to_json() if self.path == "/stats" else models
        self._send(200, content)

    def do_POST(self) -> None:
        fake = self.fake
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        number, wait = fake.admit(sum(len(str(m.get("content") or "")) for m in body["messages"]) // CHARACTERS_PER_TOKEN)
        if fake.keep_requests:
            with fake.lock:
                fake.seen.bodies.append(body)
        if wait:
            self._refuse(wait if fake.retry_after else None)
            return
        if (raw := fake.raw(body, number)) is not None:
            self._send_raw(*raw)
            return
        fault = fake.faults(number)
        with fake.lock:
            fake.seen.faults.update([fault] if fault else [])
        fake.enter()
        try:
            self._answer(body, fault)
        finally:
            fake.leave()

    def _answer(self, body: dict[str, Any], fault: Fault | None) -> None:
        fake = self.fake
        if fault in ("429 with Retry-After", "429"):
            with fake.lock:
                fake.seen.refused += 1
            self._refuse(0.2 if fault == "429 with Retry-After" else None)
            return
        with fake.lock:
            fake.seen.answered += 1
            fake.seen.times.append(time.monotonic())
        form = _form(body)
        fake.closing.wait(STALL_S if fault == "stall" else fake.latency_s)
        if fault in ("401", "404", "500", "503"):
            self._send(int(fault), {"error": {"message": f"made up: {fault}", "type": "error", "code": fault}})
        elif form and form not in fake.forms:
            self._send(400, {"error": {"message": f"{form} is not supported by this server", "type": "invalid_request_error"}})
        elif fault == "garbage":
            self.wfile.write(b"\x00\xff not HTTP at all\r\n\r\n")
            self.close_connection = True
        elif fault != "stall":
            text = str(fake.responder(_messages(body)))
            self._say(body, form, broken_text(fault, text), fault)

    def _say(self, body: dict[str, Any], form: str, text: str, fault: Fault | None) -> None:
        message: dict[str, Any] = {"role": "assistant", "content": text}
        reason = "length" if fault == "cut short" else "stop"
        if fault == "refusal":
            message = {"role": "assistant", "content": None, "refusal": text}
        elif form == "tools":
            name = body["tools"][0]["function"]["name"]
            call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": text}}
            message, reason = {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
        read = sum(len(str(m.get("content") or "")) for m in body["messages"]) // CHARACTERS_PER_TOKEN
        written = len(text) // CHARACTERS_PER_TOKEN
        with self.fake.lock:
            self.fake.seen.tokens += read + written
        usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        reply = {"id": "chatcmpl-1", "object": "chat.completion", "created": int(time.time()), "model": body.get("model", "fake")}
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        if body.get("stream"):
            self._stream({**reply, "object": "chat.completion.chunk"}, message, reason, usage, cut=fault == "cut connection")
        else:
            self._send(200, {**reply, "choices": [choice], "usage": usage}, cut=fault == "cut connection")

    def _refuse(self, retry_after_s: float | None) -> None:
        headers = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:.3f}"}
        self._send(429, {"error": {"message": "rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}, headers)

    def _send(self, status: int, value: Any, headers: dict[str, str] | None = None, cut: bool = False) -> None:
        raw = json.dumps(value).encode()
        with self.fake.lock:
            self.fake.seen.statuses[status] += 1
        self.send_response(status)
        for name, field in {"Content-Type": "application/json", "Content-Length": str(len(raw)), **(headers or {})}.items():
            self.send_header(name, field)
        self.end_headers()
        self.wfile.write(raw[: len(raw) // 2] if cut else raw)
        self.close_connection = self.close_connection or cut

    def _send_raw(self, status: int, headers: dict[str, str], raw: bytes) -> None:
        with self.fake.lock:
            self.fake.seen.statuses[status] += 1
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(raw)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def _stream(self, chunk: dict[str, Any], message: dict[str, Any], reason: str, usage: dict[str, int], cut: bool) -> None:
        """Server-sent events: the text in two pieces, the reason, the usage."""
        with self.fake.lock:
            self.fake.seen.statuses[200] += 1
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        text = message.get("content") or ""
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": text[:40]}, {"content": text[40:]}]
        events = [{**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        events.append({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        events.append({**chunk, "choices": [], "usage": usage})
        for event in events[:1] if cut else events:
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        if not cut:
            self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True


def _messages(body: dict[str, Any]) -> list[BaseMessage]:
    kinds = {"system": SystemMessage, "assistant": AIMessage}
    return [kinds.get(m["role"], HumanMessage)(str(m.get("content") or "")) for m in body["messages"]]


def _form(body: dict[str, Any]) -> str:
    """The form of structured output that a request asks for, or ''."""
    if body.get("tools"):
        return "tools"
    return str((body.get("response_format") or {}).get("type", "")).replace("text", "")


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until the process ends; the first line printed is the base URL."""
    from llmrg.data.demo_set import load_truth
    from llmrg.data.registry import load_data
    from llmrg.testing.planted_responder import planted_responder

    parser = argparse.ArgumentParser(prog="python -m llmrg.testing.fake_openai", description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds until an answer")
    parser.add_argument("--requests-per-minute", type=float)
    parser.add_argument("--error-rate", type=float, default=0.2, help="share of wrong reasons")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args(arguments)
    dataset = load_data("demo")
    responder = planted_responder(dataset, load_truth(), options.error_rate)
    server = FakeOpenAI(responder, latency_s=options.latency, requests_per_minute=options.requests_per_minute, port=options.port)
    server.start()
    print(server.url, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
