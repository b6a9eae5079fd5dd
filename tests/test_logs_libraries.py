"""What libraries say of things that the service tells itself."""

import logging
from itertools import chain, repeat
from typing import Any
from unittest import mock

import grpc
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from log_stream import captured
from tokenwire.interceptors.base import Context, Handler
from tokenwire.interceptors.tracing import TracingInterceptor

CORE = logging.getLogger("grpc._cython.cygrpc")
METHOD = "/openai.Chatgpt/Send"


async def test_a_caller_who_leaves_at_the_end_is_no_error() -> None:
    """GRPC's error about a status that nobody waits for any more is not logged."""
    with captured("debug") as stream:
        CORE.error(
            "ExecuteBatchError raised in core by servicer method [%s]",
            METHOD,
            exc_info=RuntimeError('Failed "execute_batch"'),
        )
        assert stream.entries == []


@pytest.mark.parametrize(
    ("logger", "message"),
    [
        (CORE.name, "Unexpected [%s] raised by servicer method [/openai.Chatgpt/Send]"),
        (CORE.name, "Abort error unexpectedly suppressed: %s"),
        (CORE.name, "[%s]: ExecuteBatchError raised in core by servicer method"),
        ("grpc._server", "ExecuteBatchError raised in core by servicer method [%s]"),
        ("opentelemetry.sdk.trace", "[%s]: the span has ended"),
    ],
)
async def test_everything_else_is_heard(logger: str, message: str) -> None:
    """All other errors of gRPC and of OpenTelemetry are logged as errors."""
    with captured() as stream:
        logging.getLogger(logger).error(message, "x")
        [entry] = stream.entries
    assert entry["level"] == "error"
    assert entry["event"] == message % "x"


@pytest.mark.parametrize("looks", [0, 1, 2])
async def test_a_caller_who_is_gone_before_the_call_is_no_warning(looks: int) -> None:
    """A call whose peer is forgotten, after however many looks, has a span and no line."""
    peers = chain(repeat("ipv4:127.0.0.1:1234", looks), repeat(""))
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    details = mock.Mock(method=METHOD)
    context = mock.Mock(invocation_metadata=tuple, peer=lambda: next(peers))
    told: list[object] = []

    async def behaviour(request: object, _: Context) -> None:
        told.append(request)

    async def handler(_: grpc.HandlerCallDetails) -> Handler:
        return grpc.unary_stream_rpc_method_handler(behaviour)

    with captured() as stream:
        # It has no types.
        intercept: Any = TracingInterceptor(provider).intercept_service
        wrapped = await intercept(handler, details)
        await wrapped.unary_stream("request", context)
        assert stream.entries == []
    [span] = exporter.get_finished_spans()
    assert span.name == METHOD
    assert (span.attributes or {}).get("net.peer.ip") == ("127.0.0.1" if looks else None)
    assert told == ["request"]
