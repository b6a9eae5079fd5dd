"""`Ask` returns in one Answer what `Send` streams, with the same limits, failures and metrics."""

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from support.app import StartApp, Stub
from support.exposed import read
from support.helpers import collect, reason_of, text_of
from support.otlp import Collector
from support.waiting import within
from tokenwire.api.chatgpt import service
from tokenwire.app import App
from tokenwire.server.accept_probe import AcceptProbe
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

LABELS = {"grpc_type": "unary", "grpc_service": "openai.Chatgpt", "grpc_method": "Ask"}
HELLO = pb.Message(content="hello")


async def failure_of(call: "grpc.aio.UnaryUnaryCall[pb.Message, pb.Answer]") -> tuple[str, str]:
    """Return the code and the reason of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code().name, reason_of(caught.value)


async def test_the_answer_is_that_of_send(stub: Stub) -> None:
    """Text, finish reason, usage and model are the same as in a stream."""
    *parts, last = await collect(stub.Send(HELLO))
    answer = await stub.Ask(HELLO)
    assert answer.content == text_of(parts)
    assert answer.id
    assert (answer.finish_reason, answer.usage, answer.model) == (
        last.finish_reason,
        last.usage,
        last.model,
    )


@pytest.mark.parametrize("show", [True, False])
async def test_reasoning_is_returned_on_demand(
    stub: Stub, upstream: DemoUpstream, *, show: bool
) -> None:
    """The answer has the reasoning if the request sets `reasoning.show`."""
    upstream.script('reasoning "hm hm"; text 42; finish; done')
    answer = await stub.Ask(pb.Message(content="hello", reasoning=pb.Reasoning(show=show)))
    assert (answer.content, answer.reasoning) == ("42", "hm hm" if show else "")


async def test_tool_calls_are_returned(stub: Stub, upstream: DemoUpstream) -> None:
    """The answer has all tool calls of the stream."""
    upstream.script("tool-call a id=x; tool-call b index=1 id=y; finish tool_calls; done")
    tools = [pb.Tool(name="a"), pb.Tool(name="b")]
    answer = await stub.Ask(pb.Message(content="hello", tools=tools))
    assert [(call.id, call.name) for call in answer.tool_calls] == [("x", "a"), ("y", "b")]
    assert answer.finish_reason == pb.FINISH_REASON_TOOL_CALLS


FAILURES = {
    "status 500": ("UNAVAILABLE", "UPSTREAM_ERROR"),
    "status 401": ("FAILED_PRECONDITION", "UPSTREAM_AUTH_REJECTED"),
    "tokens 3; reset": ("ABORTED", "UPSTREAM_STREAM_BROKEN"),
    "tokens 3; eof": ("ABORTED", "UPSTREAM_TRUNCATED"),
    "tokens 3; finish content_filter; done": ("FAILED_PRECONDITION", "CONTENT_FILTERED"),
    "tokens 3; bad-json; done": ("INTERNAL", "UPSTREAM_PROTOCOL_ERROR"),
}


async def test_failures_have_the_status_of_a_stream(
    stub: Stub, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """A failure after the answer has begun is ABORTED, and returns no part of the answer."""
    for plan, ending in FAILURES.items():
        with subtests.test(plan=plan):
            upstream.script(plan)
            assert await failure_of(stub.Ask(HELLO)) == ending


INVALID = {
    "EMPTY_PROMPT": pb.Message(content=" "),
    "INVALID_PARAMETER": pb.Message(content="hello", params=pb.Params(temperature=9)),
}


async def test_an_invalid_request_is_rejected(
    stub: Stub, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """The rules for requests are those of `Send`, and nothing is asked upstream."""
    for reason, message in INVALID.items():
        with subtests.test(reason=reason):
            assert await failure_of(stub.Ask(message)) == ("INVALID_ARGUMENT", reason)
    assert upstream.requests_seen == 0


async def test_an_answer_that_is_too_long(
    stub: Stub, upstream: DemoUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer beyond the limit fails the call, and its upstream request ends."""
    monkeypatch.setattr(service, "MAX_ANSWER_BYTES", 10)
    upstream.script("text 0123456789; finish; done")
    assert (await stub.Ask(HELLO)).content == "0123456789"
    upstream.script('text "Zürich, two"; stall')
    assert await failure_of(stub.Ask(HELLO)) == ("INTERNAL", "UPSTREAM_RESPONSE_TOO_LARGE")
    await upstream.wait_until_idle()


async def test_the_callers_deadline_ends_the_upstream_request(
    stub: Stub, upstream: DemoUpstream
) -> None:
    """A call whose deadline passes is DEADLINE_EXCEEDED, and its upstream request ends."""
    upstream.script("tokens 3; stall")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Ask(HELLO, timeout=0.5)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await upstream.wait_until_idle()


async def test_metrics_and_span(app: App, collector: Collector, start_app: StartApp) -> None:
    """A call counts as a unary call with its tokens, and its span is not of a stream."""
    del app
    server = await start_app()
    async with grpc.aio.insecure_channel(server.address) as channel:
        answer = await chatgpt_pb2_grpc.ChatgptStub(channel).Ask(HELLO)
    exposed = await read(server)
    assert exposed.value("grpc_server_handled_total", **LABELS, grpc_code="OK") == 1
    assert exposed.value("grpc_server_msg_sent_total", **LABELS) == 1
    tokens = exposed.total("tokenwire_tokens_total", gen_ai_token_type="output")
    assert tokens == answer.usage.output_tokens
    assert exposed.total("gen_ai_server_time_to_first_token_seconds_count") == 1
    [span] = await collector.received(1, kind=Span.SPAN_KIND_CLIENT)
    attributes = {each.key: each.value for each in span.attributes}
    assert attributes["gen_ai.request.stream"].bool_value is False


async def test_waits_in_grpc_are_measured_for_each_method(
    monkeypatch: pytest.MonkeyPatch, start_app: StartApp
) -> None:
    """Every method has probes of its own, because gRPC has a queue for each method."""
    arrived: set[str] = set()
    is_probe = AcceptProbe.is_probe

    def note(probe: AcceptProbe, method: str, metadata: object) -> bool:
        found = is_probe(probe, method, metadata)  # type: ignore[arg-type] # passed through
        arrived.update([method] if found else [])
        return found

    monkeypatch.setattr(AcceptProbe, "is_probe", note)
    await start_app()
    await within(5, "probes", lambda: arrived >= {method.path for method in service.METHODS})
