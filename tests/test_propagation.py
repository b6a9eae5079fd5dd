"""Propagation of a trace from the caller to the upstream."""

import grpc
import pytest

from support.app import StartApp, Stub
from support.helpers import collect
from support.otlp import Collector
from support.traced import TRACE_ID, TRACEPARENT, UNSAMPLED
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream


async def test_the_trace_goes_on_to_the_upstream(
    traced_stub: Stub, collector: Collector, upstream: DemoUpstream
) -> None:
    """The upstream gets the caller's trace and trace state, the span as parent, and no baggage."""
    metadata = (TRACEPARENT, ("tracestate", "vendor=1"), ("baggage", "canary=1"))
    await collect(traced_stub.Send(pb.Message(content="hello"), metadata=metadata))
    [span] = await collector.answered(1)
    headers = upstream.requests[0].headers
    assert headers["traceparent"] == f"00-{TRACE_ID}-{span.span_id.hex()}-01"
    assert headers["tracestate"] == "vendor=1"
    assert "baggage" not in headers


async def test_the_trace_goes_on_without_tracing(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """A server without tracing forwards the caller's trace, and starts none of its own."""
    app = await start_app()
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        await collect(stub.Send(pb.Message(content="hello"), metadata=(TRACEPARENT,)))
        await collect(stub.Send(pb.Message(content="hello")))
    with_trace, without = (each.headers for each in upstream.requests)
    assert with_trace["traceparent"] == TRACEPARENT[1]
    assert "traceparent" not in without


NOT_SAMPLED = {
    "always_off": TRACEPARENT,
    "traceidratio": TRACEPARENT,
    "parentbased_always_on": UNSAMPLED,
}


@pytest.fixture(params=NOT_SAMPLED)
def sampler(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A sampler named by the environment, with 0 as its argument."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", request.param)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    return str(request.param)


async def test_what_is_not_sampled_leaves_nothing(
    collector: Collector, start_app: StartApp, upstream: DemoUpstream, sampler: str
) -> None:
    """A call that the configured sampler drops has no span and is propagated as not sampled."""
    app = await start_app()
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        await collect(stub.Send(pb.Message(content="hello"), metadata=(NOT_SAMPLED[sampler],)))
    await app.stop(grace_seconds=0)
    assert collector.spans == []
    _, trace_id, _, flags = upstream.requests[0].headers["traceparent"].split("-")
    assert (trace_id, flags) == (TRACE_ID, "00")
