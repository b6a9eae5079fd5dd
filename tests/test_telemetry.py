"""Spans as an OTLP collector receives them."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from support.app import StartApp
from support.helpers import collect, failure_of
from support.otlp import Collector, attributes_of
from tokenwire import config
from tokenwire.app import App
from tokenwire.observability.traces.telemetry import _otlp_exporter
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
TRACEPARENT = (("traceparent", f"00-{TRACE_ID}-{PARENT_ID}-01"),)


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    running = Collector()
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def traced_app(
    collector: Collector, start_app: StartApp, monkeypatch: pytest.MonkeyPatch
) -> App:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{collector.address}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    return await start_app()


async def test_the_callers_trace_goes_on(traced_app: App, collector: Collector) -> None:
    """The call's span is a child of the caller's `traceparent` and has the service name."""
    async with grpc.aio.insecure_channel(traced_app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        await collect(stub.Send(pb.Message(content="hello"), metadata=TRACEPARENT))
    [span] = await collector.received(1)
    assert span.name == "/openai.Chatgpt/Send"
    assert span.kind == Span.SPAN_KIND_SERVER
    assert span.trace_id.hex() == TRACE_ID
    assert span.parent_span_id.hex() == PARENT_ID
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert attributes_of(span)["rpc.grpc.status_code"] == 0
    assert collector.resources[0]["service.name"] == "tokenwire"
    assert collector.resources[0]["deployment.environment"] == "test"


async def test_a_failed_calls_span_says_so(
    traced_app: App, collector: Collector, upstream: DemoUpstream
) -> None:
    """A failed call's span has its code, its reason and status ERROR, and no upstream text."""
    upstream.script('tokens 1; error "canary-4711"')
    async with grpc.aio.insecure_channel(traced_app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        await failure_of(stub.Send(pb.Message(content="canary-4712")))
    [span] = await collector.received(1)
    attributes = attributes_of(span)
    assert attributes["rpc.grpc.status_code"] == grpc.StatusCode.ABORTED.value[0]
    assert attributes["error.type"] == "UPSTREAM_ERROR"
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert "canary" not in str(span)
    assert not span.events


async def test_a_cancelled_calls_span_says_so(
    traced_app: App, collector: Collector, upstream: DemoUpstream
) -> None:
    """The span of a call that its caller cancelled is CANCELLED, without status ERROR."""
    upstream.script("tokens 1; stall")
    async with grpc.aio.insecure_channel(traced_app.address) as channel:
        call = chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello"))
        await call.read()
        call.cancel()
        [span] = await collector.received(1)
    attributes = attributes_of(span)
    assert attributes["rpc.grpc.status_code"] == grpc.StatusCode.CANCELLED.value[0]
    assert attributes["error.type"] == "CANCELLED"
    assert span.status.code == Status.STATUS_CODE_UNSET


async def test_a_call_out_of_times_span_says_so(
    traced_app: App, collector: Collector, upstream: DemoUpstream
) -> None:
    """The span of a call whose deadline passed is DEADLINE_EXCEEDED with status ERROR."""
    upstream.script("tokens 1; stall")
    async with grpc.aio.insecure_channel(traced_app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        await failure_of(stub.Send(pb.Message(content="hello"), timeout=0.2))
        [span] = await collector.received(1)
    code = attributes_of(span)["rpc.grpc.status_code"]
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
    assert span.status.code == Status.STATUS_CODE_ERROR


async def test_the_endpoint_may_be_a_file(
    collector: Collector, start_app: StartApp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An endpoint can be read from a mounted file, as well as from the environment."""
    (tmp_path / "OTEL_EXPORTER_OTLP_ENDPOINT").write_text(f"http://{collector.address}\n")
    monkeypatch.setenv("TOKENWIRE_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    app = await start_app()
    async with grpc.aio.insecure_channel(app.address) as channel:
        await collect(chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello")))
    await collector.received(1)


ENDPOINTS = [
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1", "http://127.0.0.1:1/v1/traces"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1/a/", "http://127.0.0.1:1/a/v1/traces"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1/x", "http://127.0.0.1:1/x"),
]


def test_http_endpoints_are_completed(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """Over HTTP, the general endpoint is a base URL and the traces endpoint is used as it is."""
    for name, endpoint, url in ENDPOINTS:
        with subtests.test(name=name, endpoint=endpoint, url=url), monkeypatch.context() as patched:
            patched.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
            patched.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
            patched.setenv(name, endpoint)
            exporter = _otlp_exporter(config.load())
            assert isinstance(exporter, OTLPSpanExporter)
            assert exporter._endpoint == url


async def test_health_checks_make_no_spans(traced_app: App, collector: Collector) -> None:
    """Check and Watch work with tracing enabled, and create no span."""
    async with grpc.aio.insecure_channel(traced_app.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="openai.Chatgpt")
        await health.Check(request)  # type: ignore[attr-defined] # unknown to the type stubs
        watch = health.Watch(request)  # type: ignore[attr-defined] # as above
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        await collect(stub.Send(pb.Message(content="hello")))
    [span] = await collector.received(1)
    assert span.name == "/openai.Chatgpt/Send"


async def test_nothing_is_exported_unless_asked_for(
    start_app: StartApp, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the SDK disabled, the endpoint receives nothing, even at shutdown."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{collector.address}")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    app = await start_app()
    async with grpc.aio.insecure_channel(app.address) as channel:
        await collect(chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello")))
    await app.stop(grace_seconds=0)
    assert collector.spans == []
