"""Metrics, spans and log lines of unary methods whose calls end in every way."""

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from support.app import MODEL, StartApp, Stub
from support.exposed import Series, read, series
from support.methods import ASK, ASKING, EMBED, SETTINGS, UnaryMethod, each_of
from support.otlp import Collector, attributes_of
from support.unary import ending_of, error_of
from tokenwire.app import App
from tokenwire.observability.metrics import OTHER_MODEL
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire_demo import DemoUpstream

OPERATIONS = {"Ask": "chat", "CountTokens": "count_tokens", "Embed": "embeddings"}
INVALID = {"Ask": pb.Message(content=" "), "Embed": pb.EmbedRequest(texts=[""])}


@pytest.fixture
async def app(collector: Collector, start_app: StartApp) -> App:
    """A server in which every method asks the upstream, and which exports its spans."""
    del collector
    return await start_app(**SETTINGS)


async def traffic(method: UnaryMethod, stub: Stub, upstream: DemoUpstream) -> None:
    """Make six calls: OK, failed, cancelled, too late, rejected by the upstream and by us."""
    upstream.script("answer", "status 401", "stall", "stall", "status 413")
    await method.call(stub)
    await ending_of(method.call(stub))
    call = method.call(stub)
    await upstream.wait_for_requests(3)
    call.cancel()
    await upstream.wait_until_disconnected()
    await error_of(method.call(stub, timeout=0.3))
    await upstream.wait_until_disconnected()
    await ending_of(method.call(stub))
    invalid = UnaryMethod(method.name, INVALID.get(method.name, INVALID["Ask"]))
    await ending_of(invalid.call(stub))


@each_of(ASKING)
async def test_traffic_is_counted_exactly(
    app: App, stub: Stub, upstream: DemoUpstream, method: UnaryMethod
) -> None:
    """Each ending has its code, its reason and its outcome; only answers have tokens and ends."""
    await traffic(method, stub, upstream)
    exposed = await read(app)
    labels = {
        "grpc_type": "unary",
        "grpc_service": "openai.Chatgpt",
        "grpc_method": method.name,
    }

    def handled(code: str) -> Series:
        return series("grpc_server_handled_total", **labels, grpc_code=code)

    def failed(code: str, reason: str) -> Series:
        return series("tokenwire_errors_total", grpc_code=code, reason=reason)

    def calls(model: str, outcome: str) -> Series:
        return series("tokenwire_calls_total", gen_ai_request_model=model, outcome=outcome)

    counted = exposed.counted()
    tokens = {key for key in counted if key[0] == "tokenwire_tokens_total"}
    assert bool(tokens) is (method.name != "CountTokens")
    finished = {key for key in counted if key[0] == "tokenwire_finish_reasons_total"}
    assert len(finished) == (method is ASK)
    assert {key: value for key, value in counted.items() if key not in tokens | finished} == {
        series("grpc_server_started_total", **labels): 6,
        series("grpc_server_msg_received_total", **labels): 6,
        series("grpc_server_msg_sent_total", **labels): 1,
        handled("OK"): 1,
        handled("FAILED_PRECONDITION"): 1,
        handled("CANCELLED"): 1,
        handled("DEADLINE_EXCEEDED"): 1,
        handled("INVALID_ARGUMENT"): 2,
        calls(MODEL, "ok"): 1,
        calls(MODEL, "error"): 1,
        calls(MODEL, "cancelled"): 1,
        calls(MODEL, "deadline"): 1,
        calls(MODEL, "rejected"): 1,
        calls(OTHER_MODEL, "rejected"): 1,
        failed("FAILED_PRECONDITION", "UPSTREAM_AUTH_REJECTED"): 1,
        failed("CANCELLED", "CANCELLED"): 1,
        failed("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"): 1,
        failed("INVALID_ARGUMENT", "PROMPT_TOO_LONG"): 1,
        failed("INVALID_ARGUMENT", invalid_reason(method)): 1,
        series("tokenwire_rejected_total", reason="PROMPT_TOO_LONG"): 1,
        series("tokenwire_rejected_total", reason=invalid_reason(method)): 1,
        series("tokenwire_cancelled_calls_total", phase="before_first_token"): 1,
        series(
            "tokenwire_upstream_errors_total",
            gen_ai_request_model=MODEL,
            reason="UPSTREAM_AUTH_REJECTED",
        ): 1,
    }
    model = {
        "gen_ai_operation_name": OPERATIONS[method.name],
        "gen_ai_provider_name": "openai",
        "gen_ai_request_model": MODEL,
    }
    for duration in ("gen_ai_server_request_duration", "gen_ai_client_operation_duration"):
        for reason in ("", "UPSTREAM_AUTH_REJECTED", "CANCELLED", "DEADLINE_EXCEEDED"):
            assert exposed.value(f"{duration}_seconds_count", **model, error_type=reason) == 1
    # Nothing was asked for the invalid request.
    assert exposed.total("gen_ai_client_operation_duration_seconds_count") == 5
    assert exposed.value("grpc_server_handling_seconds_count", **labels) == 6
    assert exposed.total("gen_ai_server_time_to_first_token_seconds_count") == (method is ASK)
    # Only callers of an answer wait for a token.
    assert exposed.total("tokenwire_abandoned_wait_seconds_count") == 2 * (method is ASK)


def invalid_reason(method: UnaryMethod) -> str:
    """Return the reason for which the invalid request is rejected."""
    return "INVALID_PARAMETER" if method is EMBED else "EMPTY_PROMPT"


@each_of(ASKING)
async def test_each_ending_has_a_span(
    app: App, stub: Stub, upstream: DemoUpstream, collector: Collector, method: UnaryMethod
) -> None:
    """The span of the operation has the reason of a failure, and an error unless cancelled."""
    del app
    await traffic(method, stub, upstream)
    servers = await collector.received(6)
    assert {span.name for span in servers} == {method.path}
    spans = await collector.answered(5)
    assert {span.name for span in spans} == {f"{OPERATIONS[method.name]} {MODEL}"}
    assert {span.parent_span_id for span in spans} < {span.span_id for span in servers}
    error, unset = Status.STATUS_CODE_ERROR, Status.STATUS_CODE_UNSET
    endings = [(attributes_of(span).get("error.type"), span.status.code) for span in spans]
    assert sorted(endings, key=str) == sorted(
        [
            (None, unset),
            ("UPSTREAM_AUTH_REJECTED", error),
            ("CANCELLED", unset),
            ("DEADLINE_EXCEEDED", error),
            ("PROMPT_TOO_LONG", error),
        ],
        key=str,
    )
    assert "canary" not in str(collector.spans)


@each_of(ASKING)
async def test_each_ending_has_a_line(
    app: App,
    stub: Stub,
    upstream: DemoUpstream,
    method: UnaryMethod,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The line has the method, the code, the reason, who is to blame and the upstream's status."""
    del app
    caplog.set_level("INFO", "tokenwire.call")
    await traffic(method, stub, upstream)
    lines = [vars(record) for record in caplog.records if record.name == "tokenwire.call"]
    assert [line["method"] for line in lines] == [method.name] * 6
    names = ("levelname", "code", "reason", "blame", "upstream_status")
    found = [tuple(line.get(name) for name in names) for line in lines]
    cancelled, late = grpc.StatusCode.CANCELLED.name, grpc.StatusCode.DEADLINE_EXCEEDED.name
    assert found == [
        ("INFO", "OK", "OK", None, 200),
        ("WARNING", "FAILED_PRECONDITION", "UPSTREAM_AUTH_REJECTED", "service", 401),
        ("INFO", cancelled, cancelled, None, None),
        ("INFO", late, late, None, None),
        ("INFO", "INVALID_ARGUMENT", "PROMPT_TOO_LONG", "caller", 413),
        ("INFO", "INVALID_ARGUMENT", invalid_reason(method), "caller", None),
    ]
    assert "canary" not in str(lines)
