"""The metrics report known traffic exactly, to the last token and code."""

import asyncio

import grpc

from support.app import MODEL, StartApp, Stub
from support.exposed import Exposed, Series, read, series
from support.helpers import collect, failure_of
from support.waiting import within
from tokenwire.app import App
from tokenwire.observability.metrics import OTHER_MODEL
from tokenwire.routing.budget import RETRY_COST
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

PRICED = "priced"
SEND = {"grpc_type": "server_stream", "grpc_service": "openai.Chatgpt", "grpc_method": "Send"}
GEN_AI = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "openai"}
HELLO = pb.Message(content="hello")

WHOLE = "tokens 3; finish; usage 10 3 4 1; done"


def of_model(name: str, model: str, **labels: str) -> Series:
    return series(name, gen_ai_request_model=model, **labels)


def tokens(model: str, kind: str) -> Series:
    return of_model("tokenwire_tokens_total", model, gen_ai_token_type=kind)


def calls(model: str, outcome: str) -> Series:
    return of_model("tokenwire_calls_total", model, outcome=outcome)


def handled(code: str) -> Series:
    return series("grpc_server_handled_total", **SEND, grpc_code=code)


def failed(code: str, reason: str) -> Series:
    return series("tokenwire_errors_total", grpc_code=code, reason=reason)


async def test_mixed_traffic_is_counted_exactly(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """Success, failure, cancellation, deadline and rejection of two models are counted exactly."""
    app = await start_app(models=PRICED, prices=f"{PRICED}=1:2:0.5")
    upstream.script(
        *(WHOLE, WHOLE, "text a; text b; finish length; usage 1000 500 200; done"),
        *("tokens 2; reset", "tokens 1; stall", "tokens 1; stall", "finish content_filter"),
    )
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        answers = len(await collect(stub.Send(HELLO)))
        answers += len(await collect(stub.Send(HELLO)))
        priced = pb.Message(content="hello", params=pb.Params(model=PRICED))
        answers += len(await collect(stub.Send(priced)))
        answers += len((await failure_of(stub.Send(HELLO)))[0])
        cancelled = stub.Send(HELLO)
        await cancelled.read()
        cancelled.cancel()
        await upstream.wait_closed(upstream.connections[-1])
        late, _ = await failure_of(stub.Send(HELLO, timeout=0.3))
        answers += 1 + len(late)
        await upstream.wait_until_disconnected()
        answers += len((await failure_of(stub.Send(HELLO)))[0])
        answers += len((await failure_of(stub.Send(pb.Message(content=" "))))[0])
    exposed = await read(app)
    assert exposed.counted() == {
        series("grpc_server_started_total", **SEND): 8,
        series("grpc_server_msg_received_total", **SEND): 8,
        series("grpc_server_msg_sent_total", **SEND): answers,
        handled("OK"): 3,
        handled("ABORTED"): 1,
        handled("CANCELLED"): 1,
        handled("DEADLINE_EXCEEDED"): 1,
        handled("FAILED_PRECONDITION"): 1,
        handled("INVALID_ARGUMENT"): 1,
        calls(MODEL, "ok"): 2,
        calls(PRICED, "ok"): 1,
        calls(MODEL, "error"): 1,
        calls(MODEL, "cancelled"): 1,
        calls(MODEL, "deadline"): 1,
        calls(MODEL, "rejected"): 1,
        calls(OTHER_MODEL, "rejected"): 1,
        failed("ABORTED", "UPSTREAM_STREAM_BROKEN"): 1,
        series("tokenwire_upstream_connection_failures_total", cause="reset"): 1,
        failed("CANCELLED", "CANCELLED"): 1,
        failed("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"): 1,
        failed("FAILED_PRECONDITION", "CONTENT_FILTERED"): 1,
        failed("INVALID_ARGUMENT", "EMPTY_PROMPT"): 1,
        series("tokenwire_rejected_total", reason="CONTENT_FILTERED"): 1,
        series("tokenwire_rejected_total", reason="EMPTY_PROMPT"): 1,
        series("tokenwire_cancelled_calls_total", phase="streaming"): 1,
        of_model("tokenwire_finish_reasons_total", MODEL, finish_reason="stop"): 2,
        of_model("tokenwire_finish_reasons_total", PRICED, finish_reason="length"): 1,
        tokens(MODEL, "input"): 20,
        # Truncated answers count the tokens that were relayed: two, one and one.
        tokens(MODEL, "output"): 6 + 2 + 1 + 1,
        tokens(MODEL, "cached"): 8,
        tokens(MODEL, "reasoning"): 2,
        tokens(PRICED, "input"): 1000,
        tokens(PRICED, "output"): 500,
        tokens(PRICED, "cached"): 200,
        of_model("tokenwire_abandoned_tokens_total", MODEL): 2,
        of_model("tokenwire_cost_dollars_total", PRICED): (800 * 1 + 200 * 0.5 + 500 * 2) / 1e6,
        of_model("tokenwire_upstream_errors_total", MODEL, reason="UPSTREAM_STREAM_BROKEN"): 1,
    }
    assert_histograms_agree(exposed)


def assert_histograms_agree(exposed: Exposed) -> None:
    """Assert the observations of the histograms after the traffic above."""
    assert exposed.value("grpc_server_handling_seconds_count", **SEND) == 8
    model = GEN_AI | {"gen_ai_request_model": MODEL}
    durations = ("gen_ai_server_request_duration", "gen_ai_client_operation_duration")
    for duration in durations:
        count = f"{duration}_seconds_count"
        assert exposed.value(count, **model, error_type="") == 2
        for reason in ("UPSTREAM_STREAM_BROKEN", "CANCELLED", "DEADLINE_EXCEEDED"):
            assert exposed.value(count, **model, error_type=reason) == 1
    # The blank prompt caused no upstream request.
    assert exposed.total(f"{durations[0]}_seconds_count") == 8
    assert exposed.total(f"{durations[1]}_seconds_count") == 7
    usage = "gen_ai_client_token_usage"
    assert exposed.value(f"{usage}_count", **model, gen_ai_token_type="input") == 2
    assert exposed.value(f"{usage}_sum", **model, gen_ai_token_type="output") == 6
    assert exposed.value("gen_ai_server_time_to_first_token_seconds_count", **model) == 5
    assert exposed.value("gen_ai_server_time_per_output_token_seconds_count", **model) == 3
    assert exposed.value("tokenwire_overhead_seconds_count") == 6


async def test_retries_are_told_from_failures(app: App, stub: Stub, upstream: DemoUpstream) -> None:
    """A retried request counts as an upstream error and a retry, not as a failed call."""
    for _ in range(RETRY_COST):
        await collect(stub.Send(HELLO))
    upstream.script("status 500", WHOLE)
    await collect(stub.Send(HELLO))
    exposed = await read(app)
    reason = {"reason": "UPSTREAM_ERROR", "gen_ai_request_model": MODEL}
    assert exposed.value("tokenwire_upstream_errors_total", **reason) == 1
    assert exposed.value("tokenwire_upstream_retries_total", **reason) == 1
    assert exposed.total("tokenwire_upstream_errors_total") == 1
    assert exposed.total("tokenwire_errors_total") == 0
    assert exposed.total("tokenwire_calls_total", outcome="ok") == RETRY_COST + 1


async def test_a_full_service_is_visible(start_app: StartApp, upstream: DemoUpstream) -> None:
    """The metrics report the limits, the queue, the time waited in it, and rejected calls."""
    app = await start_app(max_streams=1, max_queue=1, queue_timeout_seconds=30)
    upstream.script("barrier hold; answer", "answer")
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        running = asyncio.create_task(collect(stub.Send(HELLO)))
        await upstream.barrier("hold").reached()
        waiting = stub.Send(HELLO)
        length = "tokenwire_queue_length"
        await within(10, "queued", lambda: app.metrics.registry.get_sample_value(length) == 1)
        await failure_of(stub.Send(HELLO))
        full = await read(app)
        upstream.barrier("hold").release()
        await running
        await collect(waiting)
    after = await read(app)
    assert full.value("tokenwire_streams_in_flight") == full.value("tokenwire_streams_limit") == 1
    assert full.value("tokenwire_queue_length") == full.value("tokenwire_queue_limit") == 1
    assert full.value("tokenwire_rejected_total", reason="SERVER_OVERLOADED") == 1
    assert full.total("tokenwire_calls_total", outcome="rejected") == 1
    assert full.value("tokenwire_queue_wait_seconds_count") == 0
    assert full.value("tokenwire_accept_wait_seconds_count") == 3
    assert full.value("tokenwire_shed_calls_total") == 0
    assert full.value("tokenwire_streams_reserved") == 0
    assert after.value("tokenwire_queue_length") == 0
    assert after.value("tokenwire_queue_wait_seconds_count") == 1
    assert after.value("tokenwire_queue_wait_seconds_sum") > 0


async def test_the_upstreams_time_is_none_of_ours(
    app: App, stub: Stub, upstream: DemoUpstream
) -> None:
    """The overhead is the time to the first token minus the time spent waiting for the upstream."""
    upstream.script("wait 0.4; role; wait 0.4; answer")
    await collect(stub.Send(HELLO))
    exposed = await read(app)
    first_token = exposed.total("gen_ai_server_time_to_first_token_seconds_sum")
    overhead = exposed.value("tokenwire_overhead_seconds_sum")
    assert first_token >= 0.8
    assert 0 < overhead <= first_token - 0.75


async def test_a_cancellation_before_the_first_token_is_told(
    app: App, stub: Stub, upstream: DemoUpstream
) -> None:
    """A caller that leaves before the first token is counted under a phase of its own."""
    upstream.script("barrier asked; answer")
    call = stub.Send(HELLO)
    await upstream.barrier("asked").reached()
    call.cancel()
    await upstream.wait_until_disconnected()
    exposed = await read(app)
    phase = {"phase": "before_first_token"}
    assert exposed.value("tokenwire_cancelled_calls_total", **phase) == 1
    assert exposed.total("tokenwire_cancelled_calls_total") == 1
    assert exposed.total("tokenwire_abandoned_tokens_total") == 0
