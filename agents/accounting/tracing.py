"""OpenTelemetry spans of a build, where they are asked for: run > user > node > request. By default there are none.

Spans go to a file of JSON, or to the tracer provider that the program (or `opentelemetry-instrument`) has set up; nothing is
sent anywhere by ourselves. Requests carry the names of OpenTelemetry's conventions for generative AI. No span holds a text of a
prompt, a reply or a title.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llmrg.core.errors import MissingPackageError
from llmrg.core.places import writing

GLOBAL = "opentelemetry"
"""The setting that takes the program's own tracer provider."""
Attribute = str | int | float | bool


class Tracing:
    """Makes spans; without a tracer it makes none."""

    def __init__(self, tracer: Any = None, provider: Any = None) -> None:
        self._tracer, self._provider = tracer, provider

    @contextmanager
    def span(self, name: str, **attributes: Attribute) -> Iterator[Any]:
        """A span around the block, under the one around it; an error that leaves it is recorded. Yields the span, or None."""
        if self._tracer is None:
            yield None
            return
        with self._tracer.start_as_current_span(name) as span:
            tell(span, **attributes)
            yield span

    def close(self) -> None:
        """Write out what is still waiting."""
        if self._provider is not None:
            self._provider.shutdown()


def tell(span: Any, **attributes: Attribute) -> None:
    """Add attributes to a span; `gen_ai__request__model` stands for `gen_ai.request.model`."""
    if span is not None:
        for name, value in attributes.items():
            span.set_attribute(name.replace("__", "."), value)


def open_tracing(where: str) -> Tracing:
    """Args: where: empty for none, `opentelemetry` for the provider that is set up, else a file for JSON.

    Raises: MissingPackageError: OpenTelemetry is not installed.
    """
    if not where:
        return Tracing()
    try:
        from opentelemetry import trace

        if where == GLOBAL:
            return Tracing(trace.get_tracer("llmrg"))
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
    except ImportError as error:
        raise MissingPackageError("opentelemetry", "pip install 'llmrg[tracing]'") from error
    path = Path(where)
    with writing(path, "name another file with LLMRG_TRACE"):
        stream = path.open("a", encoding="utf-8", buffering=1)
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = ConsoleSpanExporter(out=stream, formatter=lambda span: span.to_json(indent=None) + "\n")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(provider.get_tracer("llmrg"), _Closing(provider, stream))


class _Closing:
    def __init__(self, provider: Any, stream: Any) -> None:
        self._provider, self._stream = provider, stream

    def shutdown(self) -> None:
        self._provider.shutdown()
        self._stream.close()
