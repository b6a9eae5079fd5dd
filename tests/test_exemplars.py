"""Exemplars, which link the buckets of histograms to traces."""

import grpc
import pytest

from support.app import StartApp
from support.exposed import OPEN_METRICS, Exposed, read
from support.helpers import collect
from support.traced import TRACE_ID, TRACEPARENT
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

LATENCIES = {
    "grpc_server_handling_seconds",
    "gen_ai_server_time_to_first_token_seconds",
    "gen_ai_server_time_per_output_token_seconds",
    "gen_ai_server_request_duration_seconds",
    "gen_ai_client_operation_duration_seconds",
    "tokenwire_overhead_seconds",
}


async def after_a_call(app: App) -> Exposed:
    """Return the OpenMetrics page after one call with a sampled trace."""
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        await collect(stub.Send(pb.Message(content="hello"), metadata=(TRACEPARENT,)))
    return await read(app, OPEN_METRICS)


@pytest.mark.usefixtures("collector")
async def test_latencies_lead_to_their_trace(start_app: StartApp) -> None:
    """In OpenMetrics, each histogram of times has an exemplar with the trace ID of the call."""
    app = await start_app()
    exemplars = (await after_a_call(app)).exemplars
    assert {name.removesuffix("_bucket") for name, _ in exemplars} == LATENCIES
    assert {each.labels["trace_id"] for each in exemplars.values()} == {TRACE_ID}
    assert (await read(app)).exemplars == {}


@pytest.mark.usefixtures("collector")
async def test_there_is_no_way_to_a_trace_that_is_not_kept(
    start_app: StartApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is not sampled has no exemplar."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    exposed = await after_a_call(await start_app())
    assert exposed.exemplars == {}
    assert exposed.value("tokenwire_overhead_seconds_count") == 1


async def test_there_is_none_without_tracing(start_app: StartApp) -> None:
    """A server without tracing exposes no exemplars."""
    exposed = await after_a_call(await start_app())
    assert exposed.exemplars == {}
    assert exposed.value("tokenwire_overhead_seconds_count") == 1
