"""The metrics that Prometheus scrapes after known traffic."""

import grpc

from support.app import MODEL, Stub
from support.helpers import collect, failure_of, sample, scrape
from tokenwire import __version__
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire_demo import DemoUpstream

SEND = {"grpc_type": "server_stream", "grpc_service": "openai.Chatgpt", "grpc_method": "Send"}

GEN_AI = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "openai"}


async def test_a_successful_call_is_counted_once(stub: Stub, app: App) -> None:
    """The tokens equal the upstream's usage, and each histogram has one observation."""
    usage = (await collect(stub.Send(pb.Message(content="hello"))))[-1].usage
    metrics = await scrape(app)
    labels = {"gen_ai_request_model": MODEL}
    tokens = "tokenwire_tokens_total"
    assert sample(metrics, tokens, **labels, gen_ai_token_type="input") == usage.input_tokens
    assert sample(metrics, tokens, **labels, gen_ai_token_type="output") == usage.output_tokens
    for name in ("time_to_first_token", "time_per_output_token"):
        assert sample(metrics, f"gen_ai_server_{name}_seconds_count", **GEN_AI, **labels) == 1
    duration = "gen_ai_server_request_duration_seconds_count"
    assert sample(metrics, duration, **GEN_AI, **labels, error_type="") == 1
    assert sample(metrics, "grpc_server_started_total", **SEND) == 1
    assert sample(metrics, "grpc_server_handled_total", **SEND, grpc_code="OK") == 1
    assert sample(metrics, "tokenwire_streams_in_flight") == 0


async def test_calls_are_counted_by_code_and_reason(
    stub: Stub, app: App, upstream: DemoUpstream
) -> None:
    """Each failure increments its code and reason, and the tokens sent before it are counted."""
    upstream.script("status 500", "tokens 2; reset")
    await failure_of(stub.Send(pb.Message(content="one")))
    await failure_of(stub.Send(pb.Message(content="two")))
    await failure_of(stub.Send(pb.Message(content=" ")))
    metrics = await scrape(app)
    for code, reason in (
        ("UNAVAILABLE", "UPSTREAM_ERROR"),
        ("ABORTED", "UPSTREAM_STREAM_BROKEN"),
        ("INVALID_ARGUMENT", "EMPTY_PROMPT"),
    ):
        assert sample(metrics, "grpc_server_handled_total", **SEND, grpc_code=code) == 1
        assert sample(metrics, "tokenwire_errors_total", grpc_code=code, reason=reason) == 1
    labels = {"gen_ai_request_model": MODEL, "gen_ai_token_type": "output"}
    assert sample(metrics, "tokenwire_tokens_total", **labels) == 2


async def test_callers_and_deadlines_are_told_apart(
    stub: Stub, app: App, upstream: DemoUpstream
) -> None:
    """A cancelled call counts as CANCELLED and an expired one as DEADLINE_EXCEEDED."""
    upstream.script("tokens 1; stall", "tokens 1; stall")
    cancelled = stub.Send(pb.Message(content="one"))
    await cancelled.read()
    cancelled.cancel()
    await upstream.wait_closed(upstream.connections[0])
    _, error = await failure_of(stub.Send(pb.Message(content="two"), timeout=0.3))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await upstream.wait_until_disconnected()
    metrics = await scrape(app)
    for code in ("CANCELLED", "DEADLINE_EXCEEDED"):
        assert sample(metrics, "grpc_server_handled_total", **SEND, grpc_code=code) == 1


async def test_streams_in_flight_are_visible(stub: Stub, app: App, upstream: DemoUpstream) -> None:
    """The gauge reports the number of answers that are currently being streamed."""
    upstream.script(*["barrier hold; answer"] * 3)
    calls = [stub.Send(pb.Message(content="hello")) for _ in range(3)]
    await upstream.barrier("hold").reached(3)
    assert sample(await scrape(app), "tokenwire_streams_in_flight") == 3
    upstream.barrier("hold").release()
    for call in calls:
        await collect(call)
    assert sample(await scrape(app), "tokenwire_streams_in_flight") == 0


async def test_the_build_is_told(app: App) -> None:
    """The version of the running server is a label of tokenwire_build_info."""
    assert f'version="{__version__}"' in await scrape(app)
