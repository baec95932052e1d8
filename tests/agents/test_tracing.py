"""Spans: none by default; where they are asked for, run > user > node > request, without any text of users."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from llmrg.agents.accounting.tracing import Tracing, open_tracing
from llmrg.agents.context import Minds
from llmrg.agents.minds.chat import ChatMind
from llmrg.agents.run.build import build
from llmrg.core.errors import ModelPromptError
from llmrg.testing.planted_responder import planted_responder
from llmrg.testing.scripted_chat import ScriptedChatModel


def minds(world: Any, script: Any = None) -> Minds:
    mind = ChatMind(ScriptedChatModel(script or planted_responder(world.dataset, world.truth, 0.2)), world.dataset)
    return Minds(mind, mind, mind)


async def test_a_build_is_traced_down_to_each_request(world, store, small) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    report = await build(world.dataset, store, minds(world), small, tracing=Tracing(provider.get_tracer("test")))
    spans = exporter.get_finished_spans()
    by_id = {span.context.span_id: span for span in spans}

    def parent(span: Any) -> str:
        return by_id[span.parent.span_id].name if span.parent else ""

    requests = [span for span in spans if span.name == "chat"]
    assert len(requests) == report.total("calls")
    assert {parent(span) for span in requests} == {"llmrg.reason", "llmrg.verify", "llmrg.diverge"}
    assert sum(span.attributes["gen_ai.usage.input_tokens"] for span in requests) == report.total("input_tokens")
    users = [span for span in spans if span.name == "llmrg.user"]
    assert {span.attributes["llmrg.user"] for span in users} == set(world.dataset.histories)
    assert {parent(span) for span in users} == {"llmrg.run"}
    titles = {item.title for item in world.dataset.catalogue}
    assert not [span for span in spans for value in span.attributes.values() if value in titles]
    provider.shutdown()


async def test_an_error_is_recorded_on_its_span(world, store, small) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    broken = minds(world, lambda _: ValueError("context too long"))
    await build(world.dataset, store, broken, small, tracing=Tracing(provider.get_tracer("test")))
    failed = [span for span in exporter.get_finished_spans() if span.name == "chat"]
    assert failed
    assert all(span.events[0].attributes["exception.type"].endswith(ModelPromptError.__name__) for span in failed)
    provider.shutdown()


async def test_spans_go_to_a_file_and_nowhere_by_default(world, store, small, tmp_path: Path) -> None:
    tracing = open_tracing(str(tmp_path / "traces" / "spans.jsonl"))
    await build(world.dataset, store, minds(world), small, tracing=tracing)
    tracing.close()
    lines = (tmp_path / "traces" / "spans.jsonl").read_text().splitlines()
    assert {json.loads(line)["name"] for line in lines} >= {"llmrg.run", "llmrg.user", "llmrg.publish", "chat"}
    with open_tracing("").span("x") as span:
        assert span is None


@pytest.mark.parametrize("name", ["opentelemetry"])
def test_the_programs_own_provider_is_taken(name: str) -> None:
    with open_tracing(name).span("x") as span:
        assert span is not None
