"""Traces sent through a real OpenTelemetry collector, with the documented settings."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.app import MODEL, StartApp
from support.helpers import collect, failure_of
from support.real_collector import RealCollector, real_collector
from support.traced import CANARIES, PARENT_ID, TRACE_ID, TRACEPARENT
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

pytestmark = pytest.mark.tools

SERVER, CLIENT = 2, 3
UNSET, ERROR = 0, 2
"""The numbers of OTLP enumeration values, as in its JSON encoding."""


@pytest.fixture
async def collector(tools: Path, tmp_path: Path) -> AsyncIterator[RealCollector]:
    async with real_collector(tools / "otelcol", tmp_path) as running:
        yield running


@pytest.fixture
async def stub(
    collector: RealCollector, start_app: StartApp, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator["chatgpt_pb2_grpc.ChatgptAsyncStub"]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    app = await start_app(otlp_endpoint=collector.endpoint)
    async with grpc.aio.insecure_channel(app.address) as channel:
        yield chatgpt_pb2_grpc.ChatgptStub(channel)


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    """Return a span's attributes; OTLP's JSON encoding has integers as strings."""
    return {each["key"]: _value(each["value"]) for each in span["attributes"]}


def _value(value: dict[str, Any]) -> Any:
    [(kind, content)] = value.items()
    if kind == "arrayValue":
        return [_value(each) for each in content["values"]]
    return int(content) if kind == "intValue" else content


async def pair(collector: RealCollector) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the two spans of one call: the server's span and the answer's span."""
    spans = {span["kind"]: span for span in await collector.spans(2)}
    server, answer = spans[SERVER], spans[CLIENT]
    assert server["traceId"] == answer["traceId"] == TRACE_ID
    assert server["parentSpanId"] == PARENT_ID
    assert answer["parentSpanId"] == server["spanId"]
    assert "canary" not in str(spans)
    return server, answer


def status(span: dict[str, Any]) -> int:
    return int(span["status"].get("code", UNSET))


def went_on(upstream: DemoUpstream, answer: dict[str, Any]) -> bool:
    """Return whether the upstream got the caller's trace, with the answer's span as parent."""
    header = upstream.requests[0].headers["traceparent"]
    return bool(header == f"00-{TRACE_ID}-{answer['spanId']}-01")


async def ending(collector: RealCollector, upstream: DemoUpstream) -> tuple[int, int, str]:
    """Return the status of both spans, and the error type of the answer's span."""
    server, answer = await pair(collector)
    assert went_on(upstream, answer)
    return status(server), status(answer), attributes(answer)["error.type"]


async def test_a_good_call_arrives(
    stub: "chatgpt_pb2_grpc.ChatgptAsyncStub", collector: RealCollector, upstream: DemoUpstream
) -> None:
    """The call's span is below the caller's; the answer's, with GenAI attributes, is below it."""
    upstream.script('text "canary-text"; finish length; usage 10 5 4 2; done')
    await collect(stub.Send(CANARIES, metadata=(TRACEPARENT,)))
    server, answer = await pair(collector)
    assert (status(server), status(answer)) == (UNSET, UNSET)
    assert answer["name"] == f"chat {MODEL}"
    told = attributes(answer)
    assert (
        told.items()
        >= {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": MODEL,
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.max_tokens": 7,
            "gen_ai.response.model": MODEL,
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 5,
        }.items()
    )
    assert told["gen_ai.response.finish_reasons"] == ["length"]
    assert told["gen_ai.response.time_to_first_chunk"] > 0
    assert "error.type" not in told
    assert went_on(upstream, answer)


async def test_a_failed_call_arrives(
    stub: "chatgpt_pb2_grpc.ChatgptAsyncStub", collector: RealCollector, upstream: DemoUpstream
) -> None:
    """An upstream failure sets status ERROR on both spans, with its reason."""
    upstream.script("status 500 message=canary-body")
    await failure_of(stub.Send(CANARIES, metadata=(TRACEPARENT,)))
    assert await ending(collector, upstream) == (ERROR, ERROR, "UPSTREAM_ERROR")


async def test_a_cancelled_call_arrives(
    stub: "chatgpt_pb2_grpc.ChatgptAsyncStub", collector: RealCollector, upstream: DemoUpstream
) -> None:
    """A call that its caller cancelled is CANCELLED, without status ERROR."""
    upstream.script("tokens 1; stall")
    call = stub.Send(CANARIES, metadata=(TRACEPARENT,))
    await call.read()
    call.cancel()
    assert await ending(collector, upstream) == (UNSET, UNSET, "CANCELLED")


async def test_a_call_out_of_time_arrives(
    stub: "chatgpt_pb2_grpc.ChatgptAsyncStub", collector: RealCollector, upstream: DemoUpstream
) -> None:
    """A call whose deadline passed is DEADLINE_EXCEEDED, with status ERROR."""
    upstream.script("tokens 1; stall")
    await failure_of(stub.Send(CANARIES, timeout=0.3, metadata=(TRACEPARENT,)))
    assert await ending(collector, upstream) == (ERROR, ERROR, "DEADLINE_EXCEEDED")
